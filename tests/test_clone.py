"""A clone stands alone: no file of the repository names a path outside of it."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BESIDE = re.compile(r"\.\./shared|\.\.[\"'] / |(?<![\w.~/])/(?:work|home|root|opt|tmp|mnt|Users)/")
ABOVE = re.compile(r"__file__\)(?:\.resolve\(\))?\.parents\[(\d)\]")


def tracked() -> list[Path]:
    """The files that git knows; without git (a downloaded archive) all of the folders that hold them."""
    found = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if found.returncode == 0:
        return [path for name in found.stdout.splitlines() if (path := ROOT / name).is_file()]
    hidden = re.compile(r"/(\.(?!ci)|__pycache__|outputs|checkpoints)")
    return [path for path in ROOT.rglob("*") if path.is_file() and not hidden.search(f"/{path.relative_to(ROOT)}")]


def leaves(path: Path, root: Path = ROOT) -> list[str]:
    """Lines of a text file that name a place outside of the repository."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []  # a picture or weights
    depth = len(path.relative_to(root).parts)
    return [
        f"{path.relative_to(root)}:{number}: {line.strip()[:100]}"
        for number, line in enumerate(lines, 1)
        if BESIDE.search(line) or any(int(level) >= depth for level in ABOVE.findall(line))
    ]


def test_no_file_names_a_path_outside():
    files = [path for path in tracked() if path != Path(__file__)]
    assert len(files) > 100
    assert [line for path in files for line in leaves(path)] == []


@pytest.mark.parametrize(
    "line",
    ['FILE = "../shared/a.npz"', 'ROOT / ".." / "other"', "see /home/ann/notes", "Path(__file__).parents[1]"],
)
def test_such_lines_are_found(tmp_path, line):
    (tmp_path / "module.py").write_text(line)
    assert len(leaves(tmp_path / "module.py", tmp_path)) == 1
