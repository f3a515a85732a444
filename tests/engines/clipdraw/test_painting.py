"""Drawing after a picture of the text-to-image model."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engines.base import LiveSettings
from engines.clipdraw import CLIPDraw, CLIPDrawSettings
from engines.clipdraw.painting import best_painting, distance

PAINTER = "away from the painting"


def settings(**changes) -> CLIPDrawSettings:
    small = {"prompt": "a red apple", "num_strokes": 24, "num_augmentations": 2, "num_steps": 30, "width": 96}
    return CLIPDrawSettings.parse({**small, "height": 96, "num_paintings": 2, **changes})


def test_the_best_liked_is_kept_and_a_seed_repeats(pocket):
    model, seen = pocket.diffusion(), []

    def likings(pictures):
        seen.append(pictures)
        return torch.tensor([0.1, 0.9, 0.5])

    one, same = (best_painting(model, ["a cat"] * 3, 7, likings) for _ in range(2))
    assert one.shape == (3, model.size, model.size)
    assert torch.equal(one, seen[0][1])
    assert torch.equal(one, same)


def test_the_distance_is_that_of_the_middle_square():
    painting = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    wide = torch.cat([torch.zeros(3, 16, 8), painting, torch.ones(3, 16, 8)], dim=2)
    assert distance(wide, painting).item() == pytest.approx(0, abs=1e-6)
    assert distance(wide.mT, painting.mT).item() == pytest.approx(0, abs=1e-6)
    assert distance(torch.zeros(3, 16, 16), torch.ones(3, 16, 16)).item() == pytest.approx(1)


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

    def paint(model, prompts, seed, likings):
        asked.append(prompts)
        return torch.zeros(3, 64, 64)

    monkeypatch.setattr("engines.clipdraw.engine.best_painting", paint)
    live = LiveSettings(settings(num_steps=8, prompt="a cat:1 | a hat:0.5 | text:-0.3", known_words=0))
    for frame in CLIPDraw(pocket).run(live.current, live):
        if frame.step == 2:
            live.update(prompt="a dog")
        if frame.step == 4:
            live.update(num_paintings=3)
        if frame.step == 6:
            live.update(prompt="강아지 얼굴", known_words=0.5)
    assert asked == [["a cat, a hat"] * 2, ["a dog"] * 2, ["a dog"] * 3, ["강아지 얼굴", "dog face", "강아지 얼굴"]]
