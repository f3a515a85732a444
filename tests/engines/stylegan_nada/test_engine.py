"""Frames, live settings, resuming and files, with a generator of 16 px and a CLIP that is one random matrix."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engines.base import EngineError, LiveSettings
from engines.images import as_pixels
from engines.state_file import load_state, save_state
from engines.style import SWATCHES
from engines.stylegan2 import load_generator
from engines.stylegan_nada import engine as module
from engines.stylegan_nada.delta import Domain, save_domain
from engines.stylegan_nada.engine import StyleGANNada, sheet_of, walk
from engines.stylegan_nada.settings import StyleGANNadaSettings

SIDE = 16
SMALL = {"prompt": "pencil sketch", "num_steps": 7, "batch_size": 2, "lr": 0.02, "faces": 5}


def small(**changes) -> StyleGANNadaSettings:
    return StyleGANNadaSettings.parse({**SMALL, **changes})


def frames(models, settings):
    return list(StyleGANNada(models).run(settings))


@pytest.fixture
def domain_file(generator, tmp_path):
    torch.manual_seed(2)
    change = {"b8.conv0.bias": torch.randn(10), "b16.conv1.affine.bias": torch.randn(8)}
    metadata = {"generator": generator.sha256, "source": "photo", "target": "mosaic"}
    save_domain(Domain(change, metadata), tmp_path / "mosaic.safetensors")
    return str(tmp_path / "mosaic.safetensors")


# ---------------------------------------------------------------------------------------------- training


def test_frames_of_a_training(models):
    *training, last = frames(models, small())
    assert [frame.step for frame in (*training, last)] == list(range(8))
    assert {frame.steps for frame in (*training, last)} == {7}
    assert all(frame.image.shape == frame.before.shape == (2 * SIDE, 4 * SIDE, 3) for frame in (*training, last))
    assert not any(frame.is_resting for frame in training)
    assert training[0].losses == {}
    assert set(training[1].losses) == {"loss", "directional", "diversity"}
    assert np.array_equal(training[0].image, training[0].before)
    assert last.is_resting
    assert not np.array_equal(last.image, last.before)
    assert last.status.startswith("Adapted to 'pencil sketch' in 7 steps. The faces vary")


def test_the_sheet_is_of_numbered_faces(models):
    first = next(StyleGANNada(models).run(small(seed=20)))
    second = next(StyleGANNada(models).run(small(seed=21)))
    assert np.array_equal(first.before[:SIDE, SIDE : 2 * SIDE], second.before[:SIDE, :SIDE])
    assert (first.before[SIDE:, SIDE:] == 255).all()


def test_sheets(generator):
    pictures = torch.rand(2, 3, 300, 300) * 2 - 1
    assert sheet_of(pictures).shape == (256, 512, 3)
    pictures = torch.rand(6, 3, 4, 4) * 2 - 1
    sheet = sheet_of(pictures)
    assert sheet.shape == (8, 16, 3)
    fifth = as_pixels(pictures[4] / 2 + 0.5)
    assert np.array_equal(sheet[4:, :4], fifth)


@pytest.mark.parametrize("stop", [0, 3, 7])
@pytest.mark.parametrize(
    "changes", [{}, {"method": "low-rank", "selection": "exact", "selection_every": 4, "selection_k": 2, "mixing": 0.5}]
)
def test_resume_equals_uninterrupted(models, tmp_path, stop, changes):
    settings = small(num_steps=9, snapshot_every=2, snapshot=4, show="walk", walk_frames=8, **changes)
    through = frames(models, settings)
    engine = StyleGANNada(models)
    run = engine.run(settings)
    for _ in range(stop + 1):
        next(run)
    state = engine.state_dict()
    next(run)  # what is held in memory does not move with the run
    save_state(tmp_path / "state.safetensors", state)
    resumed = StyleGANNada(models)
    resumed.load_state_dict(load_state(tmp_path / "state.safetensors"))
    rest = list(resumed.run(settings))
    assert [frame.step for frame in rest] == list(range(stop, 18))
    for again, frame in zip(rest, through[stop:], strict=True):
        assert (again.losses, again.status) == (frame.losses, frame.status)
        assert np.array_equal(again.image, frame.image)
        assert np.array_equal(again.before, frame.before)


def test_resume_within_the_walk(models):
    settings = small(num_steps=2, show="walk", walk_frames=8)
    through = frames(models, settings)
    engine = StyleGANNada(models)
    run = engine.run(settings)
    for _ in range(6):
        next(run)
    resumed = StyleGANNada(models)
    resumed.load_state_dict(engine.state_dict())
    for again, frame in zip(resumed.run(settings), through[5:], strict=True):
        assert np.array_equal(again.image, frame.image)


def test_a_state_of_other_settings(models):
    engine = StyleGANNada(models)
    list(engine.run(small(num_steps=1)))
    other = StyleGANNada(models)
    other.load_state_dict(engine.state_dict())
    with pytest.raises(EngineError, match="The saved state is of a training with other settings"):
        next(other.run(small(method="low-rank")))


def test_a_longer_training_goes_on(models):
    engine, live = StyleGANNada(models), LiveSettings(small(num_steps=2))
    run = engine.run(live.current, live)
    assert [next(run).is_resting for _ in range(3)] == [False, False, True]
    live.update(num_steps=4)
    shown = [next(run) for _ in range(2)]
    assert [frame.is_resting for frame in shown] == [False, True]
    assert (shown[-1].step, shown[-1].steps) == (4, 4)
    assert np.array_equal(shown[-1].image, frames(models, small(num_steps=4))[-1].image)


def test_text_rate_and_weights_are_live(models):
    def rested_loss(**text) -> float:
        """The directional loss of a generator that no longer changes, after a change of the text."""
        engine, live = StyleGANNada(models), LiveSettings(small())
        run = engine.run(live.current, live)
        next(run), next(run)
        live.update(lr=0.0, global_lambda=1.0)
        before = engine.state_dict()["training"]["change"]
        assert "global" in next(run).losses
        live.update(**text)
        loss = next(run).losses["directional"]
        after = engine.state_dict()["training"]
        assert all(torch.equal(value, before[name]) for name, value in after["change"].items())
        assert after["optimizer"]
        return loss

    assert rested_loss(prompt="zombie", source_text="face") != rested_loss() == rested_loss()


def test_collapse_is_told(models):
    settings = small(global_lambda=10.0, directional_lambda=0.0, num_steps=25, lr=0.1)
    last = frames(models, settings)[-1]
    assert "They become alike" in last.status
    assert "They become alike" not in frames(models, small(num_steps=1))[-1].status


def test_variety_is_of_people_where_they_can_be_told_apart(models):
    models.identity = lambda path="": lambda pictures: F.normalize(torch.ones(len(pictures), 3), dim=1)
    assert "They become alike" in frames(models, small(num_steps=1))[-1].status  # to it all are one person
    models.identity = lambda path="": lambda pictures: torch.eye(len(pictures))
    assert "The faces vary 100 % as much" in frames(models, small(num_steps=3))[-1].status


def test_one_face_has_no_variety(models):
    *_, frame, last = frames(models, small(faces=1))
    assert set(frame.losses) == {"loss", "directional"}
    assert "vary" not in last.status
    assert last.image.shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": " "}, "Setting 'prompt' is empty"),
        ({"source_text": ""}, "Setting 'source_text' is empty"),
        ({"directional_lambda": 0.0}, "Setting 'directional_lambda' is 0 as all other weights are"),
        ({"style_1": "a.png", "prompt": "", "global_lambda": 1.0}, "Setting 'prompt' is empty"),
    ],
)
def test_wrong_settings(changes, message):
    with pytest.raises(EngineError, match=message):
        small(**changes)


# ---------------------------------------------------------------------------------------------- blend


def test_the_blend_is_live(models):
    live = LiveSettings(small(num_steps=6, snapshot_every=2))
    run = StyleGANNada(models).run(live.current, live)
    adapted = [next(run) for _ in range(7)][-1]
    live.update(strength=0.0)
    assert np.array_equal(next(run).image, adapted.before)
    live.update(strength=1.0, coarse=0.0, medium=0.0)
    assert np.array_equal(next(run).image, adapted.before)  # 16 px have no fine blocks
    live.update(coarse=1.0)
    assert not np.array_equal(next(run).image, adapted.before)
    live.update(medium=1.0)
    assert np.array_equal(next(run).image, adapted.image)
    live.update(snapshot=2)
    early = frames(models, small(num_steps=2))[-1].image
    assert np.abs(next(run).image.astype(int) - early).max() <= 2  # snapshots are fp16
    live.update(seed=3, faces=2)
    assert next(run).image.shape == (SIDE, 2 * SIDE, 3)


def test_the_walk_goes_there_and_back(models, domain_file):
    settings = small(domain_file=domain_file, show="walk", walk_frames=8)
    shown = frames(models, settings)
    assert [frame.is_resting for frame in shown] == [False] * 8 + [True]
    assert {(frame.steps, frame.image.shape) for frame in shown} == {(8, (2 * SIDE, 4 * SIDE, 3))}
    distance = [np.abs(frame.image.astype(float) - frame.before).mean() for frame in shown]
    assert distance[0] == distance[8] == 0
    assert max(distance) == distance[4]
    assert np.array_equal(shown[0].image, shown[8].image)
    assert not np.array_equal(shown[0].before, shown[4].before)


def test_walking_codes():
    codes = torch.randn(4, 6, 5)
    assert torch.equal(walk(codes, 0.0), codes)
    assert torch.equal(walk(codes, 1.0), codes)
    torch.testing.assert_close(walk(codes, 0.25), codes.roll(-1, 0))
    torch.testing.assert_close(walk(codes, 0.375)[0], (codes[1] + codes[2]) / 2)


def test_a_walk_begins_anew(models, domain_file):
    live = LiveSettings(small(domain_file=domain_file, show="walk", walk_frames=8))
    run = StyleGANNada(models).run(live.current, live)
    assert [next(run) for _ in range(9)][-1].is_resting
    live.update(strength=0.5)
    assert [next(run).is_resting for _ in range(9)] == [False] * 8 + [True]
    live.update(show="sheet")
    assert next(run).is_resting


# ---------------------------------------------------------------------------------------------- domains and files


def test_a_domain_shows_at_once(models, domain_file):
    (frame,) = frames(models, small(domain_file=domain_file, prompt=""))
    assert frame.is_resting
    assert frame.status.startswith("This domain was trained from 'photo' to 'mosaic'.")
    assert not np.array_equal(frame.image, frame.before)


def test_what_is_made_is_an_ordinary_generator(models, tmp_path):
    engine = StyleGANNada(models)
    last = list(engine.run(small(faces=1, strength=0.5, snapshot_every=2, snapshot=4, truncation_psi=1.0)))[-1]
    save_state(tmp_path / "state.safetensors", engine.state_dict())
    path = tmp_path / "generator.safetensors"
    StyleGANNada.write_model(load_state(tmp_path / "state.safetensors"), path)
    generator = load_generator(path)
    picture = sheet_of(generator.synthesis(module.latent_of_seed(generator, 9, 1.0)))
    assert np.array_equal(picture, last.image)
    (again,) = frames(models, small(faces=1, domain_file=str(path), truncation_psi=1.0))
    assert np.abs(again.image.astype(int) - last.image).max() <= 1


def test_nothing_to_save(models, tmp_path):
    engine = StyleGANNada(models)
    next(engine.run(small()))
    with pytest.raises(EngineError, match="has changed no generator yet"):
        engine.write_model(engine.state_dict(), tmp_path / "generator.safetensors")
    assert StyleGANNada(models).state_dict()["generator"] is None


def test_a_domain_of_another_generator(models, tmp_path):
    save_domain(Domain({"b8.conv0.bias": torch.ones(10)}, {"generator": "6" * 64}), tmp_path / "d.safetensors")
    with pytest.raises(EngineError, match="The domain was trained from another generator"):
        frames(models, small(domain_file=str(tmp_path / "d.safetensors")))


def test_embedded_domains_are_switched_while_it_rests(models, domain_file, tmp_path, monkeypatch):
    """Choices are fixed when the program starts, so these are put in behind the validation."""
    save_domain(Domain({}, {"generator": "6" * 64}), tmp_path / "other.safetensors")
    monkeypatch.setattr(module, "DOMAINS", {"mosaic": Path(domain_file), "other": tmp_path / "other.safetensors"})
    live = SimpleNamespace(current=small().model_copy(update={"domain": "mosaic"}))
    run = StyleGANNada(models).run(live.current, live)
    mosaic = next(run)
    assert mosaic.is_resting
    live.current = live.current.model_copy(update={"domain": "other"})
    frame = next(run)
    assert frame.is_resting
    assert "another generator" in frame.status
    assert np.array_equal(frame.image, frame.before)
    live.current = live.current.model_copy(update={"domain": "train"})
    assert not next(run).is_resting
    assert next(run).losses
    live.current = live.current.model_copy(update={"domain": "mosaic"})
    assert np.array_equal(next(run).image, mosaic.image)


# ---------------------------------------------------------------------------------------------- the pocket models


def test_pocket_models(pocket):
    settings = small(num_steps=2, batch_size=1, faces=2)
    *_, last = frames(pocket, settings)
    assert last.image.shape == (128, 256, 3)
    assert not np.array_equal(last.image, last.before)


def test_own_pictures_go_before_a_swatch_and_both_before_words():
    assert small(swatch="impasto", prompt="").style_pictures == (str(SWATCHES["impasto"]),)
    both = small(swatch="impasto", style_2="own.png")
    assert both.style_pictures == ("own.png",)
    assert both.loss_weights["texture"] == small(swatch="impasto").loss_weights["texture"] > 0
    assert small().style_pictures == ()
    assert small().loss_weights["texture"] == 0
