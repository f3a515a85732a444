"""The commands of the program, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from atelier.__main__ import main
from engines import ENGINES
from engines.__main__ import main as engines_main

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=200)


@pytest.mark.parametrize("program", [["-m", "atelier"], ["app.py"]])
def test_help_names_every_use(program):
    result = run(*program, "--help")
    assert result.returncode == 0
    for use in ("atelier [options]", "atelier draw METHOD", "atelier list", "--port", "--auth"):
        assert use in result.stdout


def test_help_and_wrong_options_load_nothing_heavy():
    code = """
import sys
from atelier.__main__ import main
for arguments in (["--help"], ["--prot", "3"]):
    try:
        main(arguments)
    except SystemExit:
        pass
print(sorted({"torch", "numpy", "gradio", "engines", "ui"} & sys.modules.keys()))
"""
    assert run("-c", code).stdout.splitlines()[-1] == "[]"


def test_list_names_every_method():
    assert [line.split()[0] for line in run("-m", "atelier", "list").stdout.splitlines()] == list(ENGINES)


def test_draw_is_the_command_line_of_the_engines(tmp_path, capsys):
    small = ["--set", "num_strokes=4", "--set", "num_augmentations=2", "--set", "width=64", "--set", "height=64"]
    command = ["draw", "clipdraw", "--prompt", "a red apple", "--steps", "1", "--out", str(tmp_path), *small]
    assert main([*command, "--set", "painter_weight=0"]) == 0
    assert {"final.png", "final.svg", "run.json", "settings.json"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("program", "arguments", "name"),
    [(main, ["draw", "unclip", "--help"], "atelier draw"), (engines_main, ["unclip", "--help"], "python -m engines")],
)
def test_help_of_a_method_names_the_program_that_was_called(program, arguments, name, capsys):
    with pytest.raises(SystemExit) as end:
        program(arguments)
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {name} unclip ")


def test_an_unknown_method_is_one_line():
    result = run("-m", "atelier", "draw", "nope")
    assert result.returncode == 2
    assert result.stderr.startswith("error: There is no method 'nope'")
    assert len(result.stderr.splitlines()) == 1
