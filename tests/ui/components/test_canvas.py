"""What the canvas answers to its script, without a browser."""

from __future__ import annotations

import gradio as gr
import pytest
from anyio.from_thread import start_blocking_portal

from tests.ui.conftest import Drawing
from ui.components.canvas import LiveCanvas, exports_of


@pytest.fixture
def canvas(context):
    with gr.Blocks():
        return LiveCanvas(context, Drawing)


def ask(canvas, **asked):
    with start_blocking_portal() as portal:  # a loop of its own: the browser tests keep one on this thread
        return portal.call(canvas.poll, asked)


def test_the_first_answer_has_everything(canvas, run):
    answer = ask(canvas, run=run.id, last=-1, language="en")
    assert (answer["state"], answer["step"], answer["steps"]) == ("finished", 12, 12)
    assert answer["status"] == "Finished after 12 steps"
    assert answer["picture"].startswith("data:image/svg+xml;base64,")
    assert [term["name"] for term in answer["curve"]] == ["distance", "size"]
    assert answer["timeline"][-1] == 12


def test_what_is_known_is_not_sent_again(canvas, run, monkeypatch):
    monkeypatch.setattr("ui.components.canvas._LONGEST_WAIT", 0.05)
    version = ask(canvas, run=run.id, last=-1)["version"]
    answer = ask(canvas, run=run.id, last=version)
    assert answer["version"] == version
    assert "picture" not in answer
    assert "curve" not in answer


@pytest.mark.parametrize("asked", [{}, {"run": None}, {"run": "guess"}, {"run": ["x"]}, {"run": "../../etc"}])
def test_without_the_id_there_is_nothing_to_see(canvas, run, asked):
    assert "no such run" in ask(canvas, **asked)["error"]
    for answer in (canvas.act({**asked, "action": "stop"}), canvas.look({**asked, "step": 1})):
        assert "no such run" in answer["error"]


def test_answers_speak_the_language_that_is_asked_for(canvas, run):
    assert ask(canvas, run=run.id, last=-1, language="ko")["status"] == "12단계로 완성"
    assert ask(canvas, run=run.id, last=-1, language="xx")["status"] == "Finished after 12 steps"
    assert canvas.act({"run": run.id, "action": "resume", "language": "ko"})["error"].startswith("이 그림은 완성")


@pytest.mark.parametrize("step", [None, "3", 2.5, [1], {}])
def test_a_step_is_a_number(canvas, run, step):
    assert canvas.look({"run": run.id, "step": step})["error"] == "Choose a step on the timeline first."
    assert canvas.act({"run": run.id, "action": "rewind", "step": step})["error"]


def test_looking_back_shows_a_recorded_picture(canvas, run):
    assert canvas.look({"run": run.id, "step": 5})["picture"].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("kind", exports_of(Drawing))
def test_every_format_can_be_exported(canvas, run, context, kind):
    answer = canvas.export({"run": run.id, "kind": kind, "embed": True})
    assert set(answer) == {"url", "name"}
    assert answer["url"].startswith("downloads/")
    assert "/" not in answer["name"]


@pytest.mark.parametrize("kind", [None, "state", "../settings", 7])
def test_nothing_else_can_be_exported(canvas, run, kind):
    assert "cannot be exported" in canvas.export({"run": run.id, "kind": kind})["error"]


def test_a_changed_setting_is_marked_where_it_changed(canvas, context):
    run = context.studio.start("clipdraw", {"num_steps": 5000, "step_seconds": 0.01})
    run.wait(run.latest.version, timeout=30)
    run.update(pen_width=5)
    version = run.latest.version
    while not run.changes:
        version = run.wait(version, timeout=30).version
    (mark,) = ask(canvas, run=run.id, last=-1)["marks"]
    assert mark["text"] == "Pen width → 5.0"
    assert mark["step"] == run.changes[0][0]
