"""Drawing after a picture of the text-to-image model."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engines.base import LiveSettings
from engines.clipdraw import CLIPDraw, CLIPDrawSettings
from engines.clipdraw.painting import distance, painted
from engines.state_file import load_state, save_state

PAINTER = "away from the painting"


def settings(**changes) -> CLIPDrawSettings:
    small = {"prompt": "a red apple", "num_strokes": 24, "num_augmentations": 2, "num_steps": 30, "width": 96}
    return CLIPDrawSettings.parse({**small, "height": 96, "num_paintings": 2, **changes})


def test_a_seed_paints_the_same_again(pocket):
    model = pocket.diffusion()
    one, same, other = (painted(model, ["a cat", "a dog"], seed) for seed in (7, 7, 8))
    assert one.shape == (2, 3, model.size, model.size)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_distance_is_that_of_the_middle_square():
    white = torch.ones(3)
    painting = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    wide = torch.cat([torch.zeros(3, 16, 8), painting, torch.ones(3, 16, 8)], dim=2)
    assert distance(wide, painting, white).item() == pytest.approx(0, abs=1e-6)
    assert distance(wide.mT, painting.mT, white).item() == pytest.approx(0, abs=1e-6)
    assert distance(torch.zeros(3, 16, 16), torch.ones(3, 16, 16), white).item() == pytest.approx(1)


def test_the_paper_of_the_painting_is_that_of_the_drawing():
    background = torch.tensor([0.1, 0.2, 0.4])
    painting, drawing = torch.ones(3, 16, 16), background[:, None, None].repeat(1, 16, 16)
    painting[:, 4:12, 4:12] = drawing[:, 4:12, 4:12] = torch.tensor([0.9, 0.2, 0.1])[:, None, None]
    assert distance(drawing, painting, background).item() == pytest.approx(0, abs=1e-6)


def test_a_drawing_comes_near_to_the_painting(pocket):
    run = list(CLIPDraw(pocket).run(settings(painter_weight=20)))
    assert run[-1].losses[PAINTER] < 0.5 * run[1].losses[PAINTER]


def test_without_a_painter_clip_draws_alone(pocket):
    full = SimpleNamespace(device=pocket.device, clip=pocket.clip, painter=lambda: None)
    (*_, one), (*_, other) = (
        list(CLIPDraw(models).run(settings(num_steps=3, painter_weight=weight)))
        for models, weight in ((full, 10), (pocket, 0))
    )
    assert PAINTER not in one.losses
    assert np.array_equal(one.image, other.image)


def test_another_prompt_is_painted_anew_and_a_negative_one_is_not(pocket, monkeypatch):
    asked = []

    def paint(model, prompts, seed):
        asked.append(prompts)
        return torch.zeros(len(prompts), 3, 64, 64)

    monkeypatch.setattr("engines.clipdraw.engine.painted", paint)
    live = LiveSettings(settings(num_steps=8, prompt="a cat:1 | a hat:0.5 | text:-0.3", known_words=0))
    for frame in CLIPDraw(pocket).run(live.current, live):
        if frame.step == 2:
            live.update(prompt="a dog")
        if frame.step == 4:
            live.update(num_paintings=3)
        if frame.step == 6:
            live.update(prompt="강아지 얼굴", known_words=0.5)
    assert asked == [["a cat, a hat"] * 2, ["a dog"] * 2, ["a dog"] * 3, ["강아지 얼굴", "dog face", "강아지 얼굴"]]


def test_a_drawing_that_goes_on_follows_the_same_painting(pocket, tmp_path, monkeypatch):
    engine, wanted = CLIPDraw(pocket), settings(num_steps=4)
    run = engine.run(wanted)
    for _ in range(3):
        next(run)
    save_state(tmp_path / "state.safetensors", engine.state_dict())
    through = list(run)[-1]
    monkeypatch.setattr("engines.clipdraw.engine.painted", None)  # nothing is painted again
    resumed = CLIPDraw(pocket)
    resumed.load_state_dict(load_state(tmp_path / "state.safetensors"))
    *_, last = resumed.run(wanted)
    assert np.array_equal(last.image, through.image)


def test_drawings_saved_before_there_were_paintings_go_on(pocket):
    engine = CLIPDraw(pocket)
    next(engine.run(settings(num_steps=2)))
    state = {name: value for name, value in engine.state_dict().items() if name != "followed"}
    resumed = CLIPDraw(pocket)
    resumed.load_state_dict(state)
    assert list(resumed.run(settings(num_steps=2)))[-1].step == 2
