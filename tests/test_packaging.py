"""What pyproject.toml declares against what is imported, locked and put into the wheel."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROGRAM = {"atelier", "engines", "studio", "ui"}
DEVELOPMENT = {path.parent.name for path in ROOT.glob("*/__init__.py")} - PROGRAM | {"tests"}
OPTIONAL = {
    "triton",  # comes with torch's CUDA builds
    "pydiffvg",  # on no package index; a backend of the rasteriser where somebody has built it
}
TOOLS = {"dicebear-styles", "pytest-timeout", "pytest-xdist", "ruff"}  # used by name, not imported
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def declared(requirements: list[str]) -> dict[str, Requirement]:
    """Distribution name → requirement."""
    return {canonicalize_name(entry.name): entry for entry in map(Requirement, requirements)}


@cache
def imported(package: str) -> set[str]:
    """Distributions that the modules of a package import; a module of no known distribution is named itself."""
    modules = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(node.module.partition(".")[0])
    foreign = modules - sys.stdlib_module_names - PROGRAM - DEVELOPMENT - OPTIONAL
    distributions = packages_distributions()
    return {canonicalize_name(distributions.get(module, [module])[0]) for module in foreign}


def locked(name: str) -> dict[str, list[tuple[str, int]]]:
    """Distribution → (version, number of hashes) of a lock file; more than one where they depend on the platform."""
    found = {}
    for entry in re.split(r"\n(?=\w)", (ROOT / name).read_text(encoding="utf-8"))[1:]:
        distribution, _, rest = entry.partition("==")
        found.setdefault(distribution, []).append((re.split(r"[\s;]", rest)[0], entry.count("--hash=sha256:")))
    return found


DEPENDENCIES = declared(PROJECT["dependencies"])
DEV = declared(PROJECT["optional-dependencies"]["dev"])


def test_the_program_declares_what_it_imports_and_no_more():
    assert set().union(*map(imported, PROGRAM)) == set(DEPENDENCIES)


def test_the_dev_extra_declares_what_the_rest_imports_and_no_more():
    assert set().union(*map(imported, DEVELOPMENT)) - set(DEPENDENCIES) == set(DEV) - TOOLS


@pytest.mark.parametrize(
    ("requirements", "files"),
    [(DEPENDENCIES, ["requirements.lock"]), (DEV, ["requirements.lock", "requirements-dev.lock"])],
    ids=["program", "dev"],
)
def test_the_locked_versions_are_within_the_declared_ranges(requirements, files):
    versions = {name: entries for file in files for name, entries in locked(file).items()}
    for name in requirements.keys() - {"torch"}:
        assert all(requirements[name].specifier.contains(version) for version, _ in versions[name]), name


def test_torch_is_constrained_and_not_locked():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    (torch,) = [Requirement(line) for line in lines if not line.startswith("#")]
    (pin,) = torch.specifier
    assert torch.name == "torch"
    assert DEPENDENCIES["torch"].specifier.contains(pin.version)
    for name in locked("requirements.lock").keys() | locked("requirements-dev.lock").keys():
        assert not re.match(r"torch$|triton|nvidia-|cuda-", name), f"{name}: add it to TORCH in the Makefile"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_version_has_hashes_and_no_address(name):
    assert all(hashes for entries in locked(name).values() for _, hashes in entries)
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """A folder laid out as the wheel is when installed, of links to the files here."""
    folder = tmp_path_factory.mktemp("wheel")
    for file in WheelBuilder(str(ROOT)).recurse_included_files():
        target = folder / file.distribution_path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(file.path)
    return folder


def test_the_wheel_holds_the_program_and_nothing_else(unpacked):
    assert {path.name for path in unpacked.iterdir()} == PROGRAM
    for suffix in ("*.html", "*.js", "*.css", "*.json", "*.png"):
        here = {path.relative_to(ROOT) for path in (ROOT / "ui").rglob(suffix)}
        assert here == {path.relative_to(unpacked) for path in (unpacked / "ui").rglob(suffix)}


def test_an_installed_wheel_finds_its_embedded_files(unpacked, tmp_path):
    code = """
import engines, ui.page
from engines.dreamstyler.settings import SHELF
from engines.files import ASSETS
from engines.style import SWATCHES
from engines.styleclip.mapper.settings import MAPPERS
from engines.stylegan_nada.settings import DOMAINS
from engines.zoo import CATALOGUE
assert DOMAINS and MAPPERS and all(path.is_file() for path in SWATCHES.values())
assert all((ASSETS / entry.source).exists() for entry in CATALOGUE if entry.family == "pocket")
print(ASSETS)
"""
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
    )
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()) == unpacked / "engines" / "assets"
