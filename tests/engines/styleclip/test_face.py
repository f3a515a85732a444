"""Faces to begin with: numbered, found in a generator, cut out of a picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engines.base import EngineError, Frame
from engines.faces import load_encoder
from engines.styleclip.face import FaceEngine, FaceSettings, cut_face, latent_of_seed, to_pixels
from engines.stylegan2 import Generator, GeneratorConfig, load_generator
from engines.stylegan2.projector import target_tensor
from engines.zoo import Models
from tests.engines.faces.twins import NARROW, encoder_shapes, random_state
from tests.engines.stylegan2.twins import random_tensors, to_rosinality

CONFIG = GeneratorConfig(channels=(6, 5, 4), z_dim=8, mapping_features=(12, 10))


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(1)
    return Generator(CONFIG).requires_grad_(False).eval()


class Still(FaceEngine):
    """Shows the face that was found."""

    name, title, summary, Settings = "still", "Still", "A face.", FaceSettings

    def run(self, settings, live=None):
        yield from self.find_face(settings, steps=0)
        with torch.no_grad():
            pixels = to_pixels(self._generator.synthesis(self._start))
        yield Frame(self.step, self.step, lambda: pixels)


@pytest.fixture
def models(generator, monkeypatch):
    monkeypatch.setattr(Models, "generator", lambda self, path="": generator)
    return Models("pocket", "cpu")


@pytest.fixture
def photo(generator, tmp_path):
    from PIL import Image

    with torch.no_grad():
        pixels = to_pixels(generator.synthesis(latent_of_seed(generator, 5, 0.7)))
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_numbers_mean_what_they_mean_elsewhere(generator):
    z = torch.from_numpy(np.random.RandomState(77).randn(1, 8).astype(np.float32))
    assert torch.equal(latent_of_seed(generator, 77, 0.5), generator.mapping(z, psi=0.5))


def test_pixels_are_truncated_as_elsewhere():
    picture = torch.tensor([-2.0, -1.0, 0.0, 0.999, 3.0]).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert to_pixels(picture)[0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_a_numbered_face_is_there_at_once(models):
    one, other = (list(Still(models).run(FaceSettings(seed=seed))) for seed in (1, 2))
    assert len(one) == len(other) == 1
    assert not np.array_equal(one[0].image, other[0].image)


def test_a_picture_is_searched_for_before_the_eyes(models, photo):
    frames = list(Still(models).run(FaceSettings(photo=photo, projection_steps=60)))
    assert [frame.step for frame in frames] == [*range(60), 60]
    assert frames[5].status == "Searching for your picture in the generator."
    assert frames[0].before.shape == (16, 16, 3)
    assert not np.array_equal(frames[0].image, frames[-1].image)
    assert frames[-2].losses["loss"] < frames[1].losses["loss"]


@pytest.mark.parametrize("has_encoder", [False, True])
def test_a_search_goes_on_as_if_it_never_stopped(models, photo, e4e, has_encoder):
    settings = FaceSettings(photo=photo, projection_steps=20, encoder=str(e4e()) if has_encoder else "")
    whole = [frame.image for frame in Still(models).run(settings)]
    one = Still(models)
    frames = one.run(settings)
    for _ in range(8):
        next(frames)
    other = Still(models)
    other.load_state_dict(one.state_dict())
    rest = [frame.image for frame in other.run(settings)]
    assert all(np.array_equal(a, b) for a, b in zip(rest, whole[7:], strict=True))


def test_state_of_another_method_is_refused(models):
    with pytest.raises(EngineError, match="not one of Still"):
        Still(models).load_state_dict({"strokes": 3})


def test_generator_with_classes_is_refused(models, monkeypatch):
    torch.manual_seed(0)
    config = GeneratorConfig(channels=(6, 5), z_dim=8, mapping_features=(12, 10), c_dim=3, embed_features=4)
    classes = Generator(config).eval()
    monkeypatch.setattr(Models, "generator", lambda self, path="": classes)
    with pytest.raises(EngineError, match="several classes"):
        list(Still(models).run(FaceSettings()))


# ---------------------------------------------------------------------------------------------- encoders


@pytest.fixture
def e4e(tmp_path, generator):
    """`e4e(…)` writes a twin of a published file, by default one that fits the generator, and without its decoder."""

    def write(num_ws=CONFIG.num_ws, w_dim=10, latent_avg=generator.mapping.w_avg, decoder=None):
        state = {f"encoder.{name}": part for name, part in random_state(encoder_shapes(NARROW, num_ws, w_dim)).items()}
        state |= {f"decoder.{name}": part for name, part in (decoder or {}).items()}
        opts = {"start_from_latent_avg": True, "encoder_type": "Encoder4Editing", "device": "cuda:0"}
        content = {"state_dict": state, "opts": opts, "latent_avg": latent_avg.expand(num_ws, w_dim)}
        torch.save(content, tmp_path / "e4e.pt")
        return tmp_path / "e4e.pt"

    return write


def pictured(generator, file, photo) -> np.ndarray:
    from engines.images import load_picture

    with torch.no_grad():
        return to_pixels(generator.synthesis(load_encoder(file)(target_tensor(load_picture(photo), 256))))


def test_an_encoder_finds_a_picture_at_once(models, generator, photo, e4e):
    (frame,) = Still(models).run(FaceSettings(photo=photo, encoder=str(e4e()), projection_steps=0))
    assert frame.step == 0
    assert np.array_equal(frame.image, pictured(generator, e4e(), photo))
    assert [record["name"] for record in models.used] == ["e4e.pt"]


def test_the_search_begins_where_the_encoder_ends(models, generator, photo, e4e):
    frames = list(Still(models).run(FaceSettings(photo=photo, encoder=str(e4e()), projection_steps=40)))
    assert [frame.step for frame in frames] == list(range(41))
    assert np.array_equal(frames[0].image, pictured(generator, e4e(), photo))
    assert frames[-2].losses["loss"] < 0.8 * frames[1].losses["loss"]


def test_encoder_and_generator_of_one_published_file(photo, e4e):
    decoder, latent_avg = to_rosinality(random_tensors(CONFIG))
    file = e4e(decoder=decoder, latent_avg=latent_avg)
    models = Models("pocket", "cpu")
    settings = FaceSettings(photo=photo, generator=str(file), encoder=str(file), projection_steps=0)
    (frame,) = Still(models).run(settings)
    assert np.array_equal(frame.image, pictured(load_generator(file), file, photo))


def test_without_an_encoder_there_has_to_be_a_search(models, photo, refused):
    refused("'projection_steps' is 0; raise it", list, Still(models).run(FaceSettings(photo=photo, projection_steps=0)))


def test_encoders_of_other_generators_are_refused(models, generator, photo, e4e, refused):
    def use(file):
        refused_by = Still(models).run(FaceSettings(photo=photo, encoder=str(file)))
        return list(refused_by)

    refused("codes of 8 × 10 numbers and the generator takes 6 × 10", use, e4e(num_ws=8))
    refused("codes of 6 × 20 numbers", use, e4e(w_dim=20, latent_avg=torch.ones(20)))
    refused("mean face of another generator", use, e4e(latent_avg=generator.mapping.w_avg + 2))
    refused("There is no file", use, "nowhere.pt")


# ---------------------------------------------------------------------------------------------- clicked points


def test_without_points_the_picture_stays():
    picture = np.zeros((40, 60, 3), np.uint8)
    assert cut_face(picture, "  ") is picture


def test_points_cut_the_face_out():
    picture = np.full((200, 300, 3), 255, np.uint8)
    picture[80:84, 130:134], picture[80:84, 166:170] = (255, 0, 0), (0, 0, 255)  # the eyes
    points = "0.44,0.41 0.56,0.41 0.5,0.5 0.46,0.6 0.54,0.6"
    face = cut_face(picture, points)
    assert face.shape == (256, 256, 3)
    left, right = (np.argwhere((face[..., channel] < 128) & (face[..., 2 - channel] > 128)) for channel in (2, 0))
    assert abs(left[:, 0].mean() - right[:, 0].mean()) < 2  # level
    assert left[:, 1].mean() < 128 < right[:, 1].mean()


@pytest.mark.parametrize("points", ["0.1,0.2", "a,b c,d e,f g,h i,j", "1,2,3 4,5,6 7,8,9 1,2,3 4,5,6", "0.5 0.5"])
def test_other_points_are_refused(points):
    with pytest.raises(EngineError, match="five pairs"):
        cut_face(np.zeros((20, 20, 3), np.uint8), points)
