"""What the history answers to its script, without a browser."""

from __future__ import annotations

import gradio as gr
import pytest

from tests.ui.conftest import Drawing
from ui.components.history import History
from ui.context import Context


def history(context, *, shared: bool = False) -> History:
    with gr.Blocks():
        return History(Context(context.studio, context.engines, context.text, shared=shared), Drawing)


def test_a_card_says_what_it_is(context, run):
    (card,) = history(context).entries({"language": "en"})["entries"]
    assert (card["run"], card["title"], card["facts"]) == (run.id, "a cat", "finished · 12 / 12")
    assert card["thumbnail"].startswith("data:image/jpeg;base64,")
    assert not card["resumable"]


def test_a_stopped_run_can_be_resumed_from_its_card(context):
    run = context.studio.start("clipdraw", {"num_steps": 5000, "step_seconds": 0.01})
    run.wait(run.latest.version, timeout=30)
    run.stop()
    assert run.join(30)
    (card,) = history(context).entries({})["entries"]
    assert card["resumable"]


def test_a_tab_shows_what_was_made_on_it(context, run):
    other = context.studio.start("styleclipdraw", {"prompt": "a dog", "num_steps": 1})
    assert other.join(30)
    assert [card["title"] for card in history(context).entries({})["entries"]] == ["a cat"]


def test_cards_come_page_by_page(context, run):
    context.studio.start("clipdraw", {"prompt": "a dog", "num_steps": 1}).join(30)
    answer = history(context).entries({"count": 1})
    assert [card["title"] for card in answer["entries"]] == ["a dog"]
    assert answer["more"]


def test_others_see_only_what_they_made(context, run):
    def titles(shared, mine):
        return [card["title"] for card in history(context, shared=shared).entries({"mine": mine})["entries"]]

    assert titles(False, []) == ["a cat"]
    assert titles(True, []) == []
    assert titles(True, [run.id]) == ["a cat"]


@pytest.mark.parametrize("asked", [{"mine": "x"}, {"count": "many"}, {"language": ["ko"]}, {"mine": [1, None]}])
def test_odd_questions_get_plain_answers(context, run, asked):
    assert len(history(context).entries(asked)["entries"]) == 1


def test_deleting(context, run):
    assert history(context).remove({"run": run.id}) == {}
    assert not run.folder.exists()
    assert "그런 그림은 없습니다" in history(context).remove({"run": run.id, "language": "ko"})["error"]
