"""The engine with tiny random models: stages, operations, live settings, rests and resumption."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from engines.base import EngineError, LiveSettings
from engines.diffusion.walk import Inversion, inversion_timesteps
from engines.images import as_tensor
from engines.state_file import load_state, save_state
from engines.unclip.embeddings import interpolate, mix, slerp, text_diff, unit
from engines.unclip.engine import AVERAGED, UnCLIP
from engines.unclip.settings import UnCLIPSettings
from engines.unclip.upsampler import KARLO_7

QUICK = {"prior_steps": 3, "num_steps": 3, "num_pictures": 2, "num_candidates": 3}
UP = len(KARLO_7)


@pytest.fixture
def picture(tmp_path):
    """`picture(seed)`: a file of 8 × 8 px."""

    def make(seed: int = 0) -> str:
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{seed}.png")
        return str(tmp_path / f"{seed}.png")

    return make


@pytest.fixture
def engine(model):
    """`engine(**parts)`: a new one, with parts of its model exchanged."""

    def make(**parts) -> UnCLIP:
        changed = replace(model, **parts)
        return UnCLIP(SimpleNamespace(overrides={"unclip": changed}))

    return make


def settings(**values) -> UnCLIPSettings:
    return UnCLIPSettings.parse(QUICK | values)


def last(engine, **values):
    *_, frame = engine.run(settings(**values))
    return frame


# ---------------------------------------------------------------------------------------------- stages


def test_words_become_an_embedding_and_then_a_picture(engine):
    frames = list(engine().run(settings(prompt="a cat")))
    total = 3 + 3 + UP
    assert [(frame.step, frame.steps) for frame in frames] == [(n, total) for n in range(total + 1)]
    assert [frame.is_resting for frame in frames] == [False] * total + [True]
    assert [frame.image.shape for frame in frames[4:7]] == [(8, 16, 3)] * 3
    assert [frame.image.shape for frame in frames[7:]] == [(16, 32, 3)] * UP
    assert frames[2].losses["cosine"] <= 1
    assert not np.array_equal(frames[4].image, frames[6].image)


def test_candidates_are_shown_in_the_order_of_their_cosines(engine):
    run = engine()
    frames = run.run(settings(prompt="a cat", prior_steps=5, num_pictures=1, upsample=False))
    for _ in range(5):
        next(frames)
    walk = run._prior
    frame = next(frames)
    embeddings, scores = walk.now.embeddings, walk.now.scores
    assert torch.equal(run._candidates, run._preview(embeddings[:, scores[0].argsort(descending=True)], -scores * 0))
    assert run._candidates.shape == (3, 3, 8, 8)
    torch.testing.assert_close(run._drawn["diffusion"][0], walk.now.best())
    assert frame.losses["cosine"] == pytest.approx(scores.max().item())


def test_without_the_upsampler_it_rests_until_it_is_switched_on(engine):
    live = LiveSettings(settings(prompt="a cat", upsample=False))
    frames = engine().run(live.current, live)
    frame = next(frame for frame in frames if frame.is_resting)
    assert (frame.step, frame.image.shape) == (6, (8, 16, 3))
    assert "Switch 'upsample' on for 16 px" in frame.status
    live.update(upsample=True)
    assert [next(frames).image.shape for _ in range(UP)] == [(16, 32, 3)] * UP
    live.update(upsample=False)
    assert next(frames).image.shape == (8, 16, 3)


# ---------------------------------------------------------------------------------------------- operations


def test_priors_side_by_side(engine):
    run = engine()
    frame = last(run, prompt="a cat", prior="compare", upsample=False)
    assert frame.image.shape == (24, 16, 3)
    assert frame.status.startswith("One row each")
    for row, name in enumerate(("diffusion", "autoregressive", "none")):
        alone = last(engine(), prompt="a cat", prior=name, upsample=False).image
        assert np.array_equal(frame.image[8 * row : 8 * row + 8], alone), name


def test_without_a_prior_words_stand_for_the_picture(engine, model):
    run = engine()
    last(run, prompt="a cat", prior="none")
    words = model.clip.texts(["a cat"]).embedding
    torch.testing.assert_close(torch.cosine_similarity(run._z, words), torch.ones(2))
    network = model.prior.network
    expected = (network.clip_mean.square() + network.clip_std.square()).sum().sqrt()
    torch.testing.assert_close(run._z.norm(dim=1), expected.expand(2))


def test_things_are_mixed_by_weight(engine, model, picture):
    run = engine()
    values = {"prompt": "a cat", "second_prompt": "fog", "picture_1": picture(), "prior": "none"}
    last(run, **values, second_weight=-0.5, picture_1_weight=0.7)
    words = model.from_words(model.clip.texts(["a cat", "fog"]))
    seen = model.clip.picture(np.asarray(Image.open(picture())))
    torch.testing.assert_close(run._z[:1], mix(torch.cat([words, seen]), [1.0, -0.5, 0.7]))


def test_kept_noise_leads_back_to_the_picture(engine, model, picture):
    """By the same way as inversion and sampling of `Diffusion`, which lead back as well as the network lets them."""
    run = engine()
    frame = last(run, operation="variations", picture_1=picture(), upsample=False)
    decoder = model.decoder
    sample = decoder.samples(as_tensor(np.asarray(Image.open(picture())))[None] * 2 - 1)
    predict = decoder.conditioned(run._seen[0], run._null, run._null, image_scale=1.0, text_scale=1.0)
    timesteps = inversion_timesteps(decoder.diffusion, 3)
    begun = Inversion.begun(decoder.diffusion, sample, timesteps).sample
    *_, found = decoder.diffusion.ddim_inversion(predict, begun, timesteps)
    torch.testing.assert_close(run._inversion.sample, found.sample)
    *_, end = decoder.diffusion.ddim(predict, found.sample, timesteps, generator=torch.Generator())
    torch.testing.assert_close(run._walk.sample[:1], end.sample)
    assert torch.equal(run._walk.sample[0], run._walk.sample[1])
    assert frame.image.shape == frame.before.shape == (8, 16, 3)


def test_variations_vary_with_their_freedom(engine, picture):
    values = {"operation": "variations", "picture_1": picture(), "upsample": False}
    for more in ({"eta": 1.0}, {"invert": False}):
        image = last(engine(), **values, **more).image
        assert not np.array_equal(image[:, :8], image[:, 8:]), more


def test_interpolated_pictures_may_differ_in_size(engine, picture, tmp_path):
    wide = np.random.default_rng(2).integers(0, 256, (6, 12, 3), dtype=np.uint8)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    frame = last(engine(), operation="interpolate", picture_1=picture(), picture_2=str(tmp_path / "wide.png"))
    assert frame.image.shape == (16, 32, 3)


def test_interpolation_goes_from_picture_to_picture(engine, picture):
    run = engine()
    frame = last(run, operation="interpolate", picture_1=picture(0), picture_2=picture(1), num_pictures=3)
    first, second = run._seen
    torch.testing.assert_close(run._z, torch.cat([first, interpolate(first, second, 0.5), second]))
    noise = run._inversion.sample
    start = run._start(settings(operation="interpolate", picture_1="a", picture_2="b", num_pictures=3))
    torch.testing.assert_close(start, torch.cat([noise[:1], slerp(noise[:1], noise[1:], 0.5), noise[1:]]))
    assert frame.image.shape == (16, 48, 3)
    run = engine()
    last(run, operation="interpolate", picture_1=picture(0), picture_2=picture(1), num_pictures=1, position=0.25)
    torch.testing.assert_close(run._z, interpolate(first, second, 0.25))


def test_interpolation_between_words_has_noise_of_its_own(engine, picture):
    run = engine()
    last(run, operation="interpolate", prompt="a cat", second_prompt="a dog", num_pictures=2)
    drawn = run._drawn["diffusion"]
    torch.testing.assert_close(run._z, drawn[:, 0])
    assert run._inversion is None
    run = engine()
    last(run, operation="interpolate", picture_1=picture(), second_prompt="a dog", num_pictures=2)
    torch.testing.assert_close(run._z, torch.cat([run._seen[0], run._drawn["diffusion"][0]]))


def test_a_picture_along_a_difference_of_words(engine, model, picture):
    run = engine()
    values = {"operation": "textdiff", "picture_1": picture(), "prompt": "a snowy house", "base_prompt": "a house"}
    frame = last(run, **values, num_pictures=3, theta=0.4)
    words = model.clip.texts(["a snowy house", "a house"]).embedding
    expected = [text_diff(run._seen[0], words[:1], words[1:], theta) for theta in (0, 0.2, 0.4)]
    torch.testing.assert_close(run._z, torch.cat(expected))
    assert frame.status == "From the picture to θ = 0.4."


@pytest.mark.parametrize("base", ["a house", ""])
def test_a_picture_along_a_difference_of_what_the_prior_expects(engine, model, picture, base):
    run = engine()
    values = {"operation": "textdiff", "picture_1": picture(), "prompt": "a snowy house", "base_prompt": base}
    last(run, **values, difference="prior", num_pictures=2, theta=0.4, upsample=False)
    drawn = run._drawn["diffusion"]
    assert drawn.shape[:2] == (2, AVERAGED)
    assert not torch.equal(drawn[:, 0], drawn[:, 1])
    told, expected_base = unit(drawn.mean(1)).split(1)
    torch.testing.assert_close(run._z[1:], text_diff(run._seen[0], told, expected_base, 0.4))


def test_what_words_are_compared_by_may_change(engine, picture):
    values = {"operation": "textdiff", "picture_1": picture(), "prompt": "snow", "upsample": False}
    live = LiveSettings(settings(**values))
    frames = engine().run(live.current, live)
    by_words = rested(frames).image
    live.update(difference="prior")
    by_prior = rested(frames).image
    assert np.array_equal(by_prior, last(engine(), **values, difference="prior").image)
    assert not np.array_equal(by_prior, by_words)
    live.update(difference="words")
    assert np.array_equal(rested(frames).image, by_words)


def test_only_what_is_turned_is_guided(engine, picture):
    """The first picture of the row, which is not turned, is the same one at any scale; the last one is not."""
    values = {"operation": "textdiff", "picture_1": picture(), "prompt": "snow", "num_pictures": 2, "upsample": False}
    plain, strong = (last(engine(), **values, theta_scale=scale).image for scale in (1.0, 6.0))
    assert np.abs(plain[:, :8].astype(int) - strong[:, :8]).max() <= 1
    assert not np.array_equal(plain[:, 8:], strong[:, 8:])
    for other in ({"edit_scale": 4.0}, {"guidance_scale": 4.0}):
        assert np.array_equal(plain, last(engine(), **values, theta_scale=1.0, **other).image)


def test_components_are_added_one_by_one(engine, model, picture):
    run = engine()
    frame = last(run, operation="pca", picture_1=picture(), components="1 3 5", upsample=False)
    pca = model.ar_prior.pca
    expected = [pca.reconstruct(pca.project(run._seen[0])[:, :count]) for count in (1, 3, 5)]
    torch.testing.assert_close(run._z, torch.cat(expected))
    assert frame.image.shape == (8, 24, 3)
    with pytest.raises(EngineError, match="There are 5 components; ask for no more"):
        last(engine(), operation="pca", picture_1=picture(), components="6")
    with pytest.raises(EngineError, match="tiny has no principal components"):
        last(engine(ar_prior=None), operation="pca", picture_1=picture(), components="1")


def test_the_probe_tells_what_clip_takes_the_picture_for(engine, model, picture):
    run = engine()
    frame = last(run, operation="probe", picture_1=picture(), attack="pizza", labels="a cat; a pizza", upsample=False)
    assert list(frame.losses) == ["a cat", "a pizza"]
    assert sum(frame.losses.values()) == pytest.approx(1)
    attacked = run._attacked_embedding(settings(operation="probe", picture_1="?"))
    seen = model.clip.likeness(attacked, ["a cat", "a pizza"])
    assert frame.losses["a cat"] == pytest.approx(seen[0, 0].item())
    assert "CLIP takes the picture for" in frame.status
    assert not np.array_equal(frame.before[:, :8], np.asarray(Image.open(picture())))


# ---------------------------------------------------------------------------------------------- live


def rested(frames):
    return next(frame for frame in frames if frame.is_resting)


def test_what_is_changed_begins_its_stage_and_no_other(engine, picture):
    live = LiveSettings(settings(operation="textdiff", picture_1=picture(), prompt="snow", upsample=False))
    run = engine()
    frames = run.run(live.current, live)
    first = rested(frames)
    noise = run._inversion.sample
    live.update(theta=0.6)
    changed = rested(frames)
    assert changed.step == first.step + 3
    assert run._inversion.sample is noise
    assert not np.array_equal(first.image, changed.image)
    live.update(num_steps=4)
    again = rested(frames)
    assert again.step == changed.step + 3 + 4
    values = {"operation": "textdiff", "picture_1": picture(), "prompt": "snow", "upsample": False}
    assert np.array_equal(again.image, last(engine(), **values, theta=0.6, num_steps=4).image)


def test_another_guidance_of_the_prior_draws_and_paints_again(engine):
    live = LiveSettings(settings(prompt="a cat", upsample=False))
    run = engine()
    frames = run.run(live.current, live)
    rested(frames)
    live.update(prior_scale=5.0)
    image = rested(frames).image
    assert np.array_equal(image, last(engine(), prompt="a cat", upsample=False, prior_scale=5.0).image)


def test_guidance_acts_on_the_next_step(engine):
    live = LiveSettings(settings(prompt="a cat", upsample=False))
    frames = engine().run(live.current, live)
    for _ in range(5):
        next(frames)
    live.update(guidance_scale=9.0)
    mixed = rested(frames)
    assert mixed.step == 6
    assert not np.array_equal(mixed.image, last(engine(), prompt="a cat", upsample=False).image)


def test_a_run_waits_for_better_settings(engine):
    live = LiveSettings(settings(prompt="a cat", prior="none", upsample=False))
    frames = engine(ar_prior=None).run(live.current, live)
    rested(frames)
    live.update(prior="autoregressive")
    frame = next(frames)
    assert frame.is_resting
    assert frame.status == "tiny has no autoregressive prior; choose another prior or other models."
    live.update(prompt_weight=0.0, prior="none")
    assert "cancel each other out" in next(frames).status
    live.update(prompt_weight=1.0)
    assert "cancel" not in rested(frames).status


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "'prompt' is empty"),
        ({"operation": "variations"}, "'picture_1' is empty"),
        ({"operation": "textdiff", "picture_1": "a.png"}, "'prompt' is empty"),
        ({"operation": "interpolate", "prompt": "a cat"}, "'picture_2' is empty"),
        ({"operation": "interpolate"}, "'picture_1' is empty"),
        ({"operation": "pca"}, "'picture_1' is empty"),
        ({"operation": "pca", "prompt": "a", "components": "1 two"}, "'components' needs up to 16"),
        ({"operation": "pca", "prompt": "a", "components": "0"}, "'components' needs up to 16"),
        ({"operation": "probe", "picture_1": "a.png", "labels": "one; one"}, "'labels' needs at least two"),
        ({"operation": "probe", "picture_1": "a.png", "attack": " "}, "'attack' is empty"),
    ],
)
def test_settings_that_lack_something(values, sentence):
    with pytest.raises(EngineError, match=sentence):
        settings(**values)


# ---------------------------------------------------------------------------------------------- resumption


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": "a cat", "prior": "compare", "eta": 0.5},
        {"operation": "interpolate", "pictures": 2, "eta": 0.5},
        {"operation": "probe", "pictures": 1},
    ],
)
def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(engine, picture, tmp_path, values):
    values = dict(values)
    for number in range(values.pop("pictures", 0)):
        values[f"picture_{number + 1}"] = picture(number)
    wanted = settings(**values)
    run = engine()
    frames, states = [], []
    for frame in run.run(wanted):
        frames.append(frame.image)
        save_state(tmp_path / f"{frame.step}.safetensors", run.state_dict())
        states.append(tmp_path / f"{frame.step}.safetensors")
    for number in (0, 2, len(states) // 2, len(states) - 3):
        other = engine()
        other.load_state_dict(load_state(states[number]))
        resumed = [frame.image for frame in other.run(wanted)]
        assert len(resumed) == len(frames) - number
        assert all(np.array_equal(a, b) for a, b in zip(resumed, frames[number:], strict=True)), number


def test_states_of_other_methods_are_refused(engine, refused):
    refused("not one of unCLIP", engine().load_state_dict, {"step": 3})
