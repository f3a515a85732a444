"""One server per outputs folder; a killed one leaves the folder free."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from atelier import app
from engines.base import EngineError
from studio import Studio, outputs_lock
from tests.fake_engine import FAKE_ENGINES, FakeModels

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from studio import Studio
studio = Studio(sys.argv[1])
studio.announce("http://127.0.0.1:7861")
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def first(outputs):
    """Another process that has the outputs folder open."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(outputs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        process.kill()
        process.wait()


def test_second_server_is_told_where_the_first_is(first, outputs):
    with pytest.raises(EngineError) as refused:
        Studio(outputs)
    sentence = str(refused.value)
    for part in (str(outputs), "http://127.0.0.1:7861", f"process {first.pid}", "--outputs"):
        assert part in sentence


def test_killed_server_leaves_no_lock(first, outputs, open_studio, finish):
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert finish(open_studio().start("fake", {"num_steps": 1})).step == 1


def test_page_does_not_open_and_says_why_in_one_line(first, outputs, capsys):
    assert app.main(["--outputs", str(outputs), "--no-browser"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: The outputs folder")


def test_shutdown_lets_the_next_in(outputs, open_studio):
    studio = open_studio()
    with pytest.raises(EngineError, match=f"in use.*process {os.getpid()}"):
        Studio(outputs, engines=FAKE_ENGINES, open_models=FakeModels)
    studio.shutdown()
    studio.shutdown()
    assert open_studio().history() == []


def test_other_folders_are_free(first, tmp_path):
    Studio(tmp_path / "elsewhere").shutdown()


def test_damaged_lock_file_is_no_obstacle(outputs, open_studio):
    outputs.mkdir()
    (outputs / outputs_lock.LOCK_NAME).write_bytes(b"\xff" * 1000)
    open_studio()
    assert "pid" in (outputs / outputs_lock.LOCK_NAME).read_text()


def test_file_system_without_locks_is_a_warning(outputs, open_studio, monkeypatch, caplog):
    def unsupported(handle):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(outputs_lock, "_lock", unsupported)
    assert open_studio().history() == []
    assert "No locks available" in caplog.text
