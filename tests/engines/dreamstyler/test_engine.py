"""The engine on a tiny model: what it shows, what it obeys, and that it goes on as if it had never stopped."""

import numpy as np
import pytest
import torch
from PIL import Image

from engines.base import EngineError, LiveSettings
from engines.diffusion import Sampler, plain_guidance
from engines.dreamstyler.engine import DreamStyler
from engines.dreamstyler.inversion import as_input
from engines.dreamstyler.settings import DreamStylerSettings
from engines.dreamstyler.styles import load_style, save_reference, save_style
from engines.dreamstyler.tokens import PromptReader
from engines.images import as_pixels, load_picture
from engines.state_file import load_state, save_state
from tests.engines.diffusion.twins import WIDTH


@pytest.fixture
def style_file(new_style, tmp_path):
    save_style(new_style(6), tmp_path / "style.safetensors")
    return str(tmp_path / "style.safetensors")


@pytest.fixture
def painting_settings(style_file):
    """`painting_settings(**settings)`"""

    def make(**settings) -> DreamStylerSettings:
        chosen = {"mode": "paint", "prompt": "A painting of a dog in the style of {}", "num_steps": 4}
        return DreamStylerSettings.parse(chosen | {"style_file": style_file} | settings)

    return make


def frames_of(models, settings, live=None):
    return list(DreamStyler(models).run(settings, live))


def same(one, other) -> bool:
    return np.array_equal(one.image, other.image)


# ---------------------------------------------------------------------------------------------- painting


def test_without_a_style_it_is_plain_sampling(models, model, painting_settings):
    settings = painting_settings(style_file="", prompt="a dog", negative_prompt="a cat", seed=3)
    *_, last = frames_of(models, settings)
    sampler = Sampler(model, 4)
    guidance = plain_guidance(model.encode(["a cat"]), model.encode(["a dog"]), settings.guidance_scale)
    *_, step = sampler.steps(sampler.noise(torch.Generator().manual_seed(3)), lambda _: guidance)
    expected = (model.pictures(step.latents)[0] * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.abs(last.image.astype(int) - expected).max() <= 1


def test_with_a_style_every_step_has_its_stage(models, model, new_style, painting_settings):
    settings = painting_settings(num_steps=5, guidance_scale=3.0)
    *_, last = frames_of(models, settings)
    reader, style = PromptReader(model), new_style(6)

    def guidance(timestep):
        full = reader([reader.parse(settings.prompt)], style.vectors[timestep * 6 // 1000][None])
        return plain_guidance(model.encode([""]), full, 3.0)

    sampler = Sampler(model, 5)
    *_, step = sampler.steps(sampler.noise(torch.Generator().manual_seed(0)), guidance)
    expected = (model.pictures(step.latents)[0] * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.abs(last.image.astype(int) - expected).max() <= 1


CHANGES = {
    "seed": 5, "num_steps": 5, "prompt": "A house in the style of {}", "negative_prompt": "a cat",
    "guidance_scale": 9.0, "style_scale": 3.0, "context_scale": 3.0, "style_amount": 0.3,
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_at_rest_every_setting_paints_anew(models, painting_settings, name):
    settings = painting_settings()
    live = LiveSettings(settings)
    run = DreamStyler(models).run(settings, live)
    first = next(frame for frame in run if frame.is_resting)
    assert next(run).is_resting  # nothing has changed
    live.update(**{name: CHANGES[name]})
    second = next(frame for frame in run if frame.is_resting)
    assert not same(first, second)
    *_, expected = frames_of(models, settings.replace(**{name: CHANGES[name]}))
    assert same(second, expected)


def test_scales_act_on_the_picture_that_is_being_painted(models, painting_settings):
    settings = painting_settings(guidance_scale=1.0)
    live = LiveSettings(settings)
    run = DreamStyler(models).run(settings, live)
    before = [next(run) for _ in range(3)]
    live.update(guidance_scale=12.0)
    after = [frame for _, frame in zip(range(2), run, strict=False)]
    plain = frames_of(models, settings)
    assert [frame.step for frame in before + after] == [0, 1, 2, 3, 4]
    assert all(same(one, other) for one, other in zip(before, plain, strict=False))
    assert not same(after[-1], plain[-1])


def test_another_seed_begins_again_at_once(models, painting_settings):
    settings = painting_settings()
    live = LiveSettings(settings)
    run = DreamStyler(models).run(settings, live)
    for _ in range(3):
        next(run)
    live.update(seed=9)
    again = [frame for _, frame in zip(range(4), run, strict=False)]
    fresh = frames_of(models, settings.replace(seed=9))
    assert all(same(one, other) for one, other in zip(again, fresh[1:], strict=True))


def test_the_best_of_several_is_shown(models, pocket, painting_settings, monkeypatch):
    models.clip = pocket.clip
    liked = []

    def likings(critic, pictures, targets):
        liked.append(pictures)
        return torch.tensor([0.1, 0.5, 0.9])

    monkeypatch.setattr("engines.dreamstyler.engine.ClipGuide.likings", likings)
    *_, one = frames_of(models, painting_settings())
    *_, best = frames_of(models, painting_settings(best_of=3))
    _ = best.image
    assert len(liked[0]) == 3
    assert np.array_equal(best.image, as_pixels(liked[0][2]))
    assert np.abs(one.image.astype(int) - as_pixels(liked[0][0])).max() <= 1  # of the same noise


def test_equal_scales_of_style_and_context_are_plain_guidance(models, painting_settings):
    *_, equal = frames_of(models, painting_settings(style_scale=2.0, context_scale=2.0, guidance_scale=3.0))
    *_, plain = frames_of(models, painting_settings(guidance_scale=5.0))
    *_, unequal = frames_of(models, painting_settings(style_scale=0.5, context_scale=3.5, guidance_scale=3.0))
    assert same(equal, plain)
    assert not same(unequal, plain)


def test_two_styles_stage_by_stage(models, painting_settings, new_style, tmp_path):
    save_reference(new_style(4, seed=1), tmp_path / "second.bin")
    second = str(tmp_path / "second.bin")
    finals = {
        mix: frames_of(models, painting_settings(second_style_file=second, mix=mix))[-1] for mix in ("0", "1", "0 1")
    }
    assert same(finals["0"], frames_of(models, painting_settings())[-1])
    assert same(finals["1"], frames_of(models, painting_settings(style_file=second))[-1])
    assert not any(same(finals["0 1"], finals[mix]) for mix in ("0", "1"))


def test_the_style_may_be_kept_to_a_region(models, painting_settings, tmp_path):
    """The first step outside is that of the prompt without its style."""
    region = np.zeros((16, 16, 3), dtype=np.uint8)
    region[:, 8:] = 255
    Image.fromarray(region).save(tmp_path / "region.png")
    one = frames_of(models, painting_settings(region=str(tmp_path / "region.png")))[1].image
    styled = frames_of(models, painting_settings())[1].image
    plain = frames_of(models, painting_settings(style_file="", prompt="A painting of a dog"))[1].image
    assert np.abs(one[:, 8:].astype(int) - styled[:, 8:]).max() <= 1
    assert np.abs(one[:, :8].astype(int) - plain[:, :8]).max() <= 1
    assert not np.array_equal(styled, plain)


def test_a_style_of_another_model(models, painting_settings, new_style, tmp_path):
    style = new_style(2)
    save_style(type(style)(style.vectors, "<s>", {"model": "Stable-Diffusion-1.5"}), tmp_path / "other.safetensors")
    *_, last = frames_of(models, painting_settings(style_file=str(tmp_path / "other.safetensors")))
    assert "learned with Stable-Diffusion-1.5 and may look different here" in last.status


def test_a_style_of_another_width(models, painting_settings, tmp_path):
    torch.save({"<s>-T0": torch.ones(768)}, tmp_path / "style.bin")
    with pytest.raises(EngineError, match="vectors of 768 numbers where this model reads 16"):
        frames_of(models, painting_settings(style_file=str(tmp_path / "style.bin")))


def test_a_prompt_in_which_the_style_would_be_cut_off(models, painting_settings):
    with pytest.raises(EngineError, match="too long"):
        frames_of(models, painting_settings(prompt="a dog " * 20 + "in the style of {}"))


def test_a_run_waits_for_a_prompt_that_fits(models, painting_settings):
    settings = painting_settings()
    live = LiveSettings(settings)
    run = DreamStyler(models).run(settings, live)
    for _ in range(3):
        next(run)
    live.update(prompt="a dog " * 20 + "in the style of {}")
    waiting = next(run)
    assert waiting.is_resting
    assert "too long" in waiting.status
    live.update(prompt=settings.prompt)
    *_, plain = frames_of(models, settings)
    assert same(next(frame for frame in run if frame.is_resting), plain)


def test_without_a_style_its_place_is_left_out(models, painting_settings):
    *_, told = frames_of(models, painting_settings(style_file=""))
    *_, plain = frames_of(models, painting_settings(style_file="", prompt="A painting of a dog"))
    assert same(told, plain)


# ---------------------------------------------------------------------------------------------- restyling


@pytest.fixture
def restyling(painting_settings, painting):
    """`restyling(**settings)`"""

    def make(**settings) -> DreamStylerSettings:
        chosen = {"mode": "restyle", "photo": painting("photo.png", 3), "num_steps": 5, "strength": 0.6}
        return painting_settings(**chosen | settings)

    return make


def test_a_picture_is_painted_anew(models, restyling):
    frames = frames_of(models, restyling())
    assert len(frames) == 4  # three fifths of the way
    photo = as_pixels(as_input(load_picture(restyling().photo), 16)[0])
    assert all(np.array_equal(frame.before, photo) for frame in frames)

    def distance(strength):
        """Of what it begins with."""
        return np.abs(frames_of(models, restyling(strength=strength))[0].image.astype(int) - photo).mean()

    assert distance(0.2) < 0.8 * distance(1.0)


def test_it_warns_of_stages_that_are_never_used(models, restyling):
    *_, last = frames_of(models, restyling())  # 599, 399, 199
    assert "This strength never uses the vectors of stage 4, 5; raise it for them to act." in last.status
    assert "So few steps never use the vectors of stage 0; take more for them to act." in last.status
    assert "never use" not in frames_of(models, restyling(strength=1.0, num_steps=12))[-1].status


def test_the_structure_is_kept_by_a_controlnet(structured, restyling):
    *_, held = frames_of(structured, restyling(structure=1.5))
    *_, free = frames_of(structured, restyling(structure=0.0))
    assert not same(held, free)
    assert "ControlNet" not in held.status


def test_it_says_that_there_is_no_controlnet(models, restyling):
    *_, with_weight = frames_of(models, restyling(structure=1.5))
    *_, without = frames_of(models, restyling(structure=0.0))
    assert same(with_weight, without)
    assert "There is no ControlNet for these models" in without.status


def test_without_a_prompt_the_picture_is_described(models, restyling):
    *_, found = frames_of(models, restyling(prompt=""))
    *_, told = frames_of(models, restyling(prompt="A painting of a fish, in the style of {}"))
    assert same(found, told)
    assert "Found in the picture: a fish" in found.status


# ---------------------------------------------------------------------------------------------- learning


def test_it_learns_and_then_paints(models, learning, tmp_path):
    engine = DreamStyler(models)
    frames = list(engine.run(learning()))
    assert [frame.step for frame in frames] == list(range(8))
    assert {frame.steps for frame in frames} == {7}
    assert frames[-1].is_resting
    assert "loss" not in frames[0].losses
    assert all("loss" in frame.losses for frame in frames[1:])
    assert same(frames[0], frames[1])  # the preview of every second step
    assert not same(frames[1], frames[2])
    DreamStyler.write_model(engine.state_dict(), tmp_path / "made.safetensors")
    style = load_style(tmp_path / "made.safetensors", WIDTH)
    assert (style.num_stages, style.metadata["steps"], style.metadata["model"]) == (3, "4", "pocket twin")
    assert style.metadata["sentences"] == "A painting of a cat, in the style of {}"
    *_, again = frames_of(
        models,
        DreamStylerSettings.parse(
            {
                "mode": "paint", "prompt": "A painting in the style of {}", "num_steps": 3,
                "style_file": str(tmp_path / "made.safetensors"),
            }
        ),
    )  # fmt: skip
    assert same(again, frames[-1])


def test_a_missing_caption_is_found(models, learning, painting):
    settings = learning(caption_1="", painting_2=painting("second.png", 1), caption_2="a house by {}")
    engine = DreamStyler(models)
    first = next(engine.run(settings))
    assert first.status == "Learning the style of 2 paintings. Found in the picture: a fish. Correct it if it is wrong."
    sentences = engine.state_dict()["style"]["metadata"]["sentences"]
    assert sentences == "A painting of a fish, in the style of {}\na house by {}"


def test_more_steps_go_on_where_it_stood(models, learning):
    settings = learning()
    live = LiveSettings(settings)
    engine = DreamStyler(models)
    run = engine.run(settings, live)
    rested = next(frame for frame in run if frame.is_resting)
    live.update(training_steps=6)
    further = next(frame for frame in run if frame.is_resting)
    assert engine.state_dict()["style"]["metadata"]["steps"] == "6"
    assert not same(rested, further)
    *_, expected = frames_of(models, settings.replace(training_steps=6))
    assert same(further, expected)


def test_an_earlier_style_can_be_looked_at(models, learning):
    settings = learning()
    live = LiveSettings(settings)
    run = DreamStyler(models).run(settings, live)
    rested = next(frame for frame in run if frame.is_resting)
    live.update(snapshot=2)
    earlier = next(frame for frame in run if frame.is_resting)
    assert not same(rested, earlier)


@pytest.mark.parametrize("stop", [0, 3, 4, 6, 7])
def test_it_goes_on_as_if_it_had_never_stopped(models, learning, tmp_path, stop):
    settings = learning()
    whole = frames_of(models, settings)
    engine = DreamStyler(models)
    for _, _frame in zip(range(stop + 1), engine.run(settings), strict=False):
        pass
    save_state(tmp_path / "state.safetensors", engine.state_dict())
    again = DreamStyler(models)
    again.load_state_dict(load_state(tmp_path / "state.safetensors"))
    rest = list(again.run(settings))
    assert [frame.step for frame in rest] == list(range(stop, 8))
    assert all(same(one, other) for one, other in zip(rest, whole[stop:], strict=True))
    assert [frame.losses for frame in rest] == [frame.losses for frame in whole[stop:]]


def test_a_state_of_something_else(models, learning):
    engine = DreamStyler(models)
    with pytest.raises(EngineError, match="is not one of DreamStyler"):
        engine.load_state_dict({"step": 3})
    next(engine.run(learning()))
    other = DreamStyler(models)
    other.load_state_dict(engine.state_dict())
    with pytest.raises(EngineError, match="a training with other settings"):
        next(other.run(learning(num_stages=5)))


def test_nothing_to_write_yet(models, tmp_path):
    with pytest.raises(EngineError, match="has no style yet"):
        DreamStyler.write_model(DreamStyler(models).state_dict(), tmp_path / "made.safetensors")
