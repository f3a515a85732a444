"""A process that is killed in the middle of a run loses at most the last five seconds of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engines.state_file import load_state
from studio import RunState
from tests.fake_engine import FakeEngine

ROOT = Path(__file__).parents[2]
STEP_SECONDS = 0.02

PROGRAM = """
import sys
from studio import Studio
from tests.fake_engine import FAKE_ENGINES, FakeModels
studio = Studio(sys.argv[1], engines=FAKE_ENGINES, open_models=FakeModels)
run = studio.start("fake", {"num_steps": 5000, "step_seconds": float(sys.argv[2])})
print(run.id, flush=True)
version = 0
changed = False
while True:
    version = run.wait(version).version
    if run.step >= 20 and not changed:
        run.update(wander=3.0)
        changed = True
    print(run.step, flush=True)
"""


@pytest.fixture
def killed(outputs):
    """(id, last step that was seen) of a run whose process was killed after about 4.5 s of drawing."""
    command = [sys.executable, "-c", PROGRAM, str(outputs), str(STEP_SECONDS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    try:
        run_id, step, end = process.stdout.readline().strip(), 0, None
        while end is None or time.monotonic() < end:
            line = process.stdout.readline()
            assert line, "the program ended by itself"
            step = int(line)
            if step > 0 and end is None:
                end = time.monotonic() + 4.5
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return run_id, step


def test_killed_run_resumes_from_at_most_five_seconds_before(killed, outputs, open_studio, until, finish):
    run_id, seen = killed
    folder = next(outputs.glob("*/fake-0001-*"))
    assert json.loads((folder / "run.json").read_text("utf-8"))["state"] == "running"
    for path in (folder / "checkpoints").glob("*.safetensors"):
        assert load_state(path)["step"] == int(path.stem)  # every file that is there is whole

    studio = open_studio()
    (entry,) = studio.history()
    assert (entry.id, entry.state) == (run_id, RunState.STOPPED)
    run = studio.get(run_id)
    assert run.message == "This run was cut off; resume it to go on from its last saved step."
    assert seen - run.step <= 5 / STEP_SECONDS
    assert run.step > 20
    assert run.latest.frame is not None

    run.resume()
    target = run.step + 10
    until(run, lambda: run.step >= target)
    run.stop()
    finish(run)
    assert run.changes[0][1] == {"wander": 3.0}

    live = type(run.live)(run.settings.replace(step_seconds=0.0))
    for frame in FakeEngine(None).run(live.current, live):
        live.update(**dict(run.changes).get(frame.step, {}))
        if frame.step == run.step:
            break
    assert np.array_equal(run.latest.frame.image, frame.image)
