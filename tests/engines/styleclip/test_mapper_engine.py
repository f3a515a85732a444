"""Training, resting and files of mappers, with a generator of 16 px and a CLIP that is one random matrix."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engines.base import EngineError, LiveSettings
from engines.state_file import load_state, save_state
from engines.styleclip.mapper import LevelsMapper, SingleMapper, load_mapper, save_mapper
from engines.styleclip.mapper.engine import StyleCLIPMapper
from engines.styleclip.mapper.settings import StyleCLIPMapperSettings
from engines.styleclip.mapper.training import edit_code, new_mapper
from engines.stylegan2 import Generator, GeneratorConfig

SIDE, WIDTH = 16, 14
SMALL = {"prompt": "face with glasses", "num_steps": 7, "batch_size": 2, "lr": 20.0}


class StubClip:
    image_size = 8

    def __init__(self):
        self.matrix = torch.randn(3 * 8 * 8, 12, generator=torch.Generator().manual_seed(1))

    def encode_image(self, pictures):
        return F.normalize((pictures - 0.5).flatten(1) @ self.matrix, dim=1)

    def encode_text(self, text):
        return F.normalize(torch.randn(1, 12, generator=torch.Generator().manual_seed(len(text))), dim=1)


def identity_stub(pictures):
    return F.normalize(F.adaptive_avg_pool2d(pictures, 4).flatten(1), dim=1)


def random_generator(w_dim: int = WIDTH, channels: tuple[int, ...] = (12, 10, 8)) -> Generator:
    torch.manual_seed(5)
    config = GeneratorConfig(channels=channels, z_dim=16, mapping_features=(20, w_dim))
    generator = Generator(config).eval().requires_grad_(False)
    generator.sha256 = "5" * 64
    return generator


@pytest.fixture
def models():
    generator, clip = random_generator(), StubClip()
    return SimpleNamespace(
        device=torch.device("cpu"),
        generator=lambda path="": generator,
        clip=lambda name="": clip,
        identity=lambda path="": identity_stub,
    )


def small(**changes) -> StyleCLIPMapperSettings:
    return StyleCLIPMapperSettings.parse({**SMALL, **changes})


def frames(models, settings):
    return list(StyleCLIPMapper(models).run(settings))


def saved(mapper, path, **metadata):
    mapper.metadata = metadata
    save_mapper(mapper, path)
    return str(path)


@pytest.fixture
def mapper_file(tmp_path):
    torch.manual_seed(3)
    return saved(LevelsMapper(WIDTH), tmp_path / "edit.safetensors", prompt="a hat", generator="5" * 64)


# ---------------------------------------------------------------------------------------------- training


def test_frames_of_a_training(models):
    *training, last = frames(models, small())
    assert [frame.step for frame in (*training, last)] == list(range(8))
    assert {frame.steps for frame in (*training, last)} == {7}
    assert all(frame.image.shape == (2 * SIDE, 4 * SIDE, 3) and not frame.is_resting for frame in training)
    assert training[0].losses == {}
    assert set(training[1].losses) == {"loss", "clip", "latent", "identity"}
    assert last.is_resting
    assert last.image.shape == last.before.shape == (SIDE, SIDE, 3)
    assert not np.array_equal(last.image, last.before)
    assert set(last.losses) == {"loss", "clip", "latent", "identity"}
    assert last.status == "The mapper learned 'face with glasses' in 7 steps."


def test_the_sheet_begins_with_the_chosen_face(models):
    first, *_, last = frames(models, small())
    assert np.array_equal(first.image[:SIDE, :SIDE], last.before)


def test_loss_is_the_weighted_sum(models):
    losses = frames(models, small(clip_lambda=2.0, latent_l2_lambda=0.3, id_lambda=0.7))[2].losses
    assert losses["loss"] == pytest.approx(2 * losses["clip"] + 0.3 * losses["latent"] + 0.7 * losses["identity"])


@pytest.mark.parametrize("space", ["W+", "S"])
def test_it_learns(models, space):
    settings = small(num_steps=60, batch_size=32, space=space, latent_l2_lambda=0.0, id_lambda=0.0)
    clip = [frame.losses["clip"] for frame in frames(models, settings)[1:]]
    assert np.mean(clip[-5:]) < np.mean(clip[:5]) - 0.05


@pytest.mark.parametrize("space", ["W+", "S"])
@pytest.mark.parametrize("stop", [3, 6])
def test_resume_equals_uninterrupted(models, tmp_path, stop, space):
    settings = small(num_steps=9, space=space)
    through = frames(models, settings)
    engine = StyleCLIPMapper(models)
    run = engine.run(settings)
    for _ in range(stop + 1):
        next(run)
    state = engine.state_dict()
    next(run)  # what is held in memory does not move with the run
    save_state(tmp_path / "state.safetensors", state)
    resumed = StyleCLIPMapper(models)
    resumed.load_state_dict(load_state(tmp_path / "state.safetensors"))
    rest = list(resumed.run(settings))
    assert [frame.step for frame in rest] == list(range(stop, 10))
    for again, frame in zip(rest, through[stop:], strict=True):
        assert again.losses == frame.losses
        assert np.array_equal(again.image, frame.image)


def test_a_state_of_other_settings(models):
    engine = StyleCLIPMapper(models)
    list(engine.run(small(num_steps=1)))
    other = StyleCLIPMapper(models)
    other.load_state_dict(engine.state_dict())
    with pytest.raises(EngineError, match="The saved state is of a training with other settings"):
        next(other.run(small(space="S")))


def test_weights_and_rate_are_live(models):
    engine, live = StyleCLIPMapper(models), LiveSettings(small())
    run = engine.run(live.current, live)
    next(run)
    live.update(lr=0.0, id_lambda=0.0, batch_size=1)
    before = engine.state_dict()["training"]["mapper"]
    assert set(next(run).losses) == {"loss", "clip", "latent"}
    after = engine.state_dict()["training"]["mapper"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())
    live.update(strength=0.0)
    sheet = next(run).image
    assert np.array_equal(sheet[:SIDE], sheet[SIDE:])


def test_a_longer_training_goes_on(models):
    engine, live = StyleCLIPMapper(models), LiveSettings(small(num_steps=2))
    run = engine.run(live.current, live)
    assert [next(run).is_resting for _ in range(3)] == [False, False, True]
    live.update(num_steps=4)
    shown = [next(run) for _ in range(3)]
    assert [frame.is_resting for frame in shown] == [False, False, True]
    assert (shown[-1].step, shown[-1].steps) == (5, 5)
    straight = frames(models, small(num_steps=4))[-1]
    assert np.array_equal(shown[-1].image, straight.image)


def test_without_an_identity_network_it_says_so(models):
    models.identity = lambda path="": None
    _, frame, _ = frames(models, small(num_steps=2))
    assert "no identity network" in frame.notices[0]
    assert set(frame.losses) == {"loss", "clip", "latent"}


def test_the_faces_of_an_own_generator_want_a_network_of_their_own(models):
    opened = []
    models.identity = lambda path="": opened.append(path) or identity_stub
    *_, without = frames(models, small(num_steps=2, generator="own.pkl"))
    assert (opened, set(without.losses)) == ([], {"loss", "clip", "latent"})
    *_, last = frames(models, small(num_steps=2, generator="own.pkl", identity_network="model_ir_se50.pth"))
    assert (opened, set(last.losses)) == (["model_ir_se50.pth"], {"loss", "clip", "latent", "identity"})


def test_a_loss_that_is_no_number(models):
    models.clip().matrix[:] = torch.nan
    with pytest.raises(EngineError, match="no longer a number; lower the learning rate"):
        frames(models, small())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": " "}, "Setting 'prompt' is empty"),
        ({"space": "S", "no_fine": True}, "Setting 'no_fine' is for mappers of W"),
    ],
)
def test_wrong_settings(changes, message):
    with pytest.raises(EngineError, match=message):
        small(**changes)


# ---------------------------------------------------------------------------------------------- levels


@pytest.mark.parametrize("space", ["W+", "S"])
def test_levels_move_their_rows(space):
    generator = random_generator(channels=(6, 6, 6, 6, 6))  # ten rows
    mapper = new_mapper(generator, small(space=space), torch.Generator().manual_seed(0))
    w = torch.randn(2, 10, WIDTH)
    with torch.no_grad():
        code, moved = edit_code(generator, mapper, w, 0.2, ["medium"])
        _, everything = edit_code(generator, mapper, w, 0.2)
    if space == "W+":
        assert [bool((moved != code)[:, row].any()) for row in range(10)] == [False] * 4 + [True] * 4 + [False] * 2
        assert torch.equal(moved[:, 4:8], everything[:, 4:8])
    else:
        moving = [name for name in code if not torch.equal(moved[name], code[name])]
        assert moving == ["b16.conv1", "b32.conv0", "b32.conv1", "b64.conv0"]


def test_keeping_colours_leaves_the_fine_level_out(models, tmp_path):
    engine = StyleCLIPMapper(models)
    list(engine.run(small(no_fine=True, num_steps=1)))
    engine.write_model(engine.state_dict(), tmp_path / "mapper.safetensors")
    assert load_mapper(tmp_path / "mapper.safetensors").levels == ("coarse", "medium")


# ---------------------------------------------------------------------------------------------- a trained edit


def test_a_file_shows_at_once_and_obeys(models, mapper_file):
    live = LiveSettings(StyleCLIPMapperSettings(mapper_file=mapper_file))
    run = StyleCLIPMapper(models).run(live.current, live)
    first = next(run)
    assert (first.step, first.is_resting, first.losses) == (0, True, {})
    assert first.status == "This mapper was trained for 'a hat'."
    assert not np.array_equal(first.image, first.before)
    live.update(strength=0.3)
    stronger = next(run)
    assert (
        np.abs(stronger.image - first.before.astype(float)).mean()
        > np.abs(first.image - first.before.astype(float)).mean()
    )
    live.update(coarse=False, medium=False, fine=False)
    assert np.array_equal(next(run).image, first.before)
    live.update(strength=0.0, coarse=True, medium=True, fine=True)
    last = next(run)
    assert (last.step, last.is_resting) == (3, True)
    assert np.array_equal(last.image, first.before)


def test_without_live_settings_it_ends(models, mapper_file):
    assert len(frames(models, StyleCLIPMapperSettings(mapper_file=mapper_file))) == 1


def test_a_trained_mapper_as_a_file(models, tmp_path):
    engine = StyleCLIPMapper(models)
    trained = list(engine.run(small()))[-1]
    engine.write_model(engine.state_dict(), tmp_path / "mapper.safetensors")
    mapper = load_mapper(tmp_path / "mapper.safetensors")
    assert mapper.metadata == {"prompt": "face with glasses", "generator": "5" * 64}
    (frame,) = frames(models, StyleCLIPMapperSettings(mapper_file=str(tmp_path / "mapper.safetensors")))
    assert np.array_equal(frame.image, trained.image)


def test_nothing_to_save(models, mapper_file, tmp_path):
    engine = StyleCLIPMapper(models)
    list(engine.run(StyleCLIPMapperSettings(mapper_file=mapper_file)))
    with pytest.raises(EngineError, match="has trained no mapper"):
        engine.write_model(engine.state_dict(), tmp_path / "mapper.safetensors")


def test_a_released_file(models, references):
    models.generator = lambda path="": generator
    generator = random_generator(w_dim=64)
    (frame,) = frames(models, StyleCLIPMapperSettings(mapper_file=str(references.path("styleclip_mapper.pt"))))
    assert frame.status == (
        "This mapper was trained for 'purple hair'. It does not name its generator, which must be the one in use."
    )
    assert not np.array_equal(frame.image, frame.before)


def test_a_mapper_of_another_generator(models, tmp_path):
    path = saved(LevelsMapper(WIDTH), tmp_path / "edit.safetensors", generator="6" * 64)
    with pytest.raises(EngineError, match="The mapper 'edit' was trained with another generator"):
        frames(models, StyleCLIPMapperSettings(mapper_file=path))


@pytest.mark.parametrize("kind", [LevelsMapper, SingleMapper])
def test_a_mapper_of_another_size(models, tmp_path, kind):
    path = saved(kind(WIDTH + 1), tmp_path / "edit.safetensors")
    with pytest.raises(EngineError, match="choose the generator it was trained with"):
        frames(models, StyleCLIPMapperSettings(mapper_file=path))


def test_embedded_edits_are_switched_while_it_rests(models, mapper_file, tmp_path, monkeypatch):
    """Choices are fixed when the program starts, so these are put in behind the validation."""
    other = saved(LevelsMapper(WIDTH), tmp_path / "other.safetensors", generator="6" * 64)
    monkeypatch.setattr("engines.styleclip.mapper.engine.MAPPERS", {"hat": Path(mapper_file), "other": Path(other)})
    live = SimpleNamespace(current=small().model_copy(update={"edit": "hat"}))
    run = StyleCLIPMapper(models).run(live.current, live)
    hat = next(run)
    assert hat.status == "This mapper was trained for 'a hat'."
    live.current = live.current.model_copy(update={"edit": "other"})
    frame = next(run)
    assert frame.is_resting
    assert "another generator" in frame.status
    assert np.array_equal(frame.image, frame.before)
    live.current = live.current.model_copy(update={"edit": "train"})
    assert not next(run).is_resting
    assert next(run).losses
    live.current = live.current.model_copy(update={"edit": "hat"})
    assert np.array_equal(next(run).image, hat.image)
