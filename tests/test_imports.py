"""Imports go down only, and without circles; imports for annotations (`TYPE_CHECKING`) and within functions count, too.

Floors: atelier → ui → studio → engines, and benchmarks, training → evaluation → world → engines. Within engines/:
methods → zoo → foundations.
"""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = {"studio", "ui", "atelier", "app", "gradio"}
FORBIDDEN = {
    "engines": {*PAGE, "world", "evaluation", "training", "benchmarks"},
    "studio": {"ui", "atelier", "app", "world", "evaluation", "training", "benchmarks", "gradio"},
    "ui": {"atelier", "app", "world", "evaluation", "training", "benchmarks"},
    "atelier": {"app", "world", "evaluation", "training", "benchmarks"},
    "world": {*PAGE, "evaluation", "training", "benchmarks"},
    "evaluation": {*PAGE, "training", "benchmarks"},
    "training": {*PAGE, "benchmarks"},
}
FOUNDATIONS = {"clip", "vector", "style", "checkpoints", "stylegan2", "faces", "diffusion"}
METHODS = {"clipdraw", "styleclipdraw", "styleclip", "stylegan_nada", "dreamstyler", "unclip"}


@cache
def modules() -> dict[str, Path]:
    """Name → file of every module of ours."""
    found = {}
    for path in (path for floor in FORBIDDEN for path in sorted((ROOT / floor).rglob("*.py"))):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


@cache
def imported(path: Path) -> set[str]:
    """All modules that a file imports; of `from package import name` the submodule where it is one."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: name the package"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in modules() else node.module for name in whole}
    return names


@pytest.mark.parametrize("floor", FORBIDDEN)
def test_imports_go_down_only(floor):
    files = sorted((ROOT / floor).rglob("*.py"))
    assert files
    tops = {path: {name.split(".")[0] for name in imported(path)} for path in files}
    climbing = {str(path.relative_to(ROOT)): found for path in files if (found := tops[path] & FORBIDDEN[floor])}
    assert climbing == {}


def test_no_import_circle():
    graph = {name: imported(path) & modules().keys() - {name} for name, path in modules().items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_foundations_know_neither_the_zoo_nor_methods():
    assert packages_imported_by(FOUNDATIONS) & (METHODS | {"zoo"}) == set()


def test_the_zoo_knows_no_method():
    assert packages_imported_by({"zoo"}) & METHODS == set()


def packages_imported_by(packages: set[str]) -> set[str]:
    """Packages of engines/ that some of its packages import."""
    assert packages <= {path.name for path in (ROOT / "engines").iterdir()}
    files = [path for package in packages for path in (ROOT / "engines" / package).rglob("*.py")]
    names = {name for path in files for name in imported(path) if name.startswith("engines.")}
    return {name.split(".")[1] for name in names}
