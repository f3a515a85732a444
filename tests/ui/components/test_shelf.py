"""The shelf of styles, without a browser."""

from __future__ import annotations

import gradio as gr
import pytest

from engines.base import EngineError
from engines.dreamstyler.styles import load_style
from tests.ui.conftest import Dreaming
from ui.components.shelf import StyleShelf, file_of, keep_style, kept
from ui.context import Context


@pytest.fixture
def dream(context):
    settings = {"mode": "paint", "prompt": "a cat", "placeholder": "<../sea>"}
    run = context.studio.start("dreamstyler", settings)
    run.wait(run.latest.version, timeout=30)
    run.stop()
    assert run.join(30)
    return run


def test_styles_are_kept_under_free_names(dream, tmp_path):
    first, second = keep_style(dream, tmp_path), keep_style(dream, tmp_path)
    assert [first.name, second.name] == ["sea.safetensors", "sea 2.safetensors"]
    assert kept(tmp_path) == [second, first]
    assert load_style(first, 192).num_stages == 6


def test_only_what_is_on_the_shelf_can_be_taken(dream, tmp_path):
    path = keep_style(dream, tmp_path / "styles")
    assert file_of(tmp_path / "styles", "sea") == path
    for name in ("../styles/sea", "sea.safetensors", ""):
        with pytest.raises(EngineError, match="on the shelf any more"):
            file_of(tmp_path / "styles", name)


def test_tiles_tell_names_and_pictures(context, dream):
    folder = context.studio.outputs / "styles"
    keep_style(dream, folder)
    (folder / "own.safetensors").write_bytes(b"put there by a person")
    shelf = StyleShelf(context)
    with gr.Blocks():
        shelf.place(Dreaming)
    own, sea = shelf.tiles.entries({})["entries"]
    assert (own["name"], own["picture"], sea["name"]) == ("own", "", "sea")
    assert sea["picture"].startswith("data:image/jpeg;base64,")
    shelf.tiles.remove({"name": "../sea"})
    assert len(kept(folder)) == 2
    shelf.tiles.remove({"name": "sea"})
    assert [path.name for path in folder.iterdir()] == ["own.safetensors"]


def test_others_have_no_shelf(context):
    shelf = StyleShelf(Context(context.studio, context.engines, context.text, shared=True))
    with gr.Blocks():
        shelf.place(Dreaming)
    assert shelf.tiles is None
