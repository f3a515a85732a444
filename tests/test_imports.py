"""Imports go down only: ui → studio → engines and benchmarks, training → evaluation → world → engines.

engines/ knows neither Gradio nor threads.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = {"studio", "ui", "app", "gradio"}
FORBIDDEN = {
    "engines": {*PAGE, "world", "evaluation", "training", "benchmarks"},
    "studio": {"ui", "app", "world", "evaluation", "training", "benchmarks", "gradio"},
    "ui": {"app", "world", "evaluation", "training", "benchmarks"},
    "world": {*PAGE, "evaluation", "training", "benchmarks"},
    "evaluation": {*PAGE, "training", "benchmarks"},
    "training": {*PAGE, "benchmarks"},
}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("floor", FORBIDDEN)
def test_imports_go_down_only(floor):
    files = sorted((ROOT / floor).rglob("*.py"))
    assert files
    climbing = {str(path.relative_to(ROOT)): found for path in files if (found := imported(path) & FORBIDDEN[floor])}
    assert climbing == {}
