"""The example method, added to the program as docs/ARCHITECTURE.md says: engine, studio and page."""

import json
import urllib.request

import numpy as np
import pytest

import engines
from engines.base import EngineError, LiveSettings
from engines.state_file import load_state, save_state
from examples.clip_pixels import tab
from examples.clip_pixels.engine import CLIPPixels, CLIPPixelsSettings
from studio import RunState, Studio
from ui import page
from ui.language import Text

SMALL = {"prompt": "a red apple", "size": 32, "num_steps": 4}


@pytest.fixture
def registered():
    engines.register("clip-pixels", "examples.clip_pixels.engine:CLIPPixels")
    yield
    engines.unregister("clip-pixels")


def frames(pocket, live=None, **changes):
    return list(CLIPPixels(pocket).run(CLIPPixelsSettings.parse({**SMALL, **changes}), live))


def test_it_is_a_method_like_the_others(registered):
    assert list(engines.ENGINES)[-1] == "clip-pixels"
    assert engines.ENGINES["clip-pixels"] is CLIPPixels


def test_pixels_come_nearer_to_the_prompt(pocket):
    first, *rest = frames(pocket, num_steps=12)
    assert [frame.step for frame in rest] == list(range(1, 13))
    assert rest[-1].losses["prompt"] > rest[0].losses["prompt"]
    assert first.image.shape == (32, 32, 3)


def test_a_live_setting_is_obeyed(pocket):
    live = LiveSettings(CLIPPixelsSettings.parse(SMALL))
    run = CLIPPixels(pocket).run(live.current, live)
    before = [next(run) for _ in range(2)][-1].image
    live.update(lr=0.0)
    assert np.array_equal(next(run).image, before)


def test_a_resumed_run_equals_an_uninterrupted_one(pocket, tmp_path):
    engine = CLIPPixels(pocket)
    run = engine.run(CLIPPixelsSettings.parse(SMALL))
    next(run), next(run), next(run)
    save_state(tmp_path / "state.safetensors", engine.state_dict())
    other = CLIPPixels(pocket)
    other.load_state_dict(load_state(tmp_path / "state.safetensors"))
    *_, resumed = other.run(CLIPPixelsSettings.parse(SMALL))
    assert np.array_equal(resumed.image, frames(pocket)[-1].image)


def test_an_empty_prompt_is_one_sentence(pocket):
    with pytest.raises(EngineError, match="Setting 'prompt' is empty"):
        frames(pocket, prompt=" ")


def test_the_studio_runs_it_and_the_page_has_its_tab(registered, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    studio = Studio(tmp_path / "outputs")
    run = studio.start("clip-pixels", SMALL)
    assert run.join(60)
    assert (run.state, run.step) == (RunState.FINISHED, 4)
    here = {"clip-pixels": CLIPPixels}
    app, address = page.serve(
        studio, engines=here, tabs=(tab,), prevent_thread_lock=True, quiet=True, inbrowser=False, server_port=None
    )
    with urllib.request.urlopen(f"{address}config") as answer:
        config = json.load(answer)
    app.get_blocks().close(verbose=False)
    studio.shutdown()
    assert "CLIP pixels" in [component["props"].get("label") for component in config["components"]]


def test_its_words_are_korean_too():
    text = Text({"clip-pixels": CLIPPixelsSettings}, [tab.TEXTS])
    for spec in CLIPPixelsSettings.specs():
        for words in (spec.label, spec.help, spec.group):
            assert text.wording(words, "ko") != words
