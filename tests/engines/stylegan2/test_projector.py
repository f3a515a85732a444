"""Projection into tiny generators of random weights, with random features."""

import numpy as np
import pytest
import torch

from engines.state_file import load_state, save_state
from engines.style.features import StyleEncoder, vgg_features
from engines.stylegan2 import Generator, GeneratorConfig
from engines.stylegan2.projector import Projector, feature_distance, latent_std, row_spread, target_tensor

CONFIG = GeneratorConfig(channels=(16, 12, 8, 8), z_dim=16, mapping_features=(20, 14))
"""32 px."""


@pytest.fixture(scope="module")
def generator() -> Generator:
    """With pictures within [-1, 1], so that none is cut off as 8 bits."""
    torch.manual_seed(1)
    generator = Generator(CONFIG).eval().requires_grad_(False)
    for block in (4, 8, 16, 32):
        generator.synthesis.get_submodule(f"b{block}.torgb").weight *= 0.3
    return generator


@pytest.fixture(scope="module")
def features() -> StyleEncoder:
    torch.manual_seed(2)
    return StyleEncoder("random", vgg_features([8, 8, 8, 8, 8]), sha256="")


@pytest.fixture(scope="module")
def own_picture(generator) -> np.ndarray:
    """(32, 32, 3), from one row of W."""
    picture = generator(torch.randn(1, 16, generator=torch.Generator().manual_seed(3)))
    return pixels(picture)


def pixels(picture: torch.Tensor) -> np.ndarray:
    return ((picture[0] / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def run(projector: Projector, steps: int) -> list[dict[str, float]]:
    return [projector.step() for _ in range(steps)]


# ---------------------------------------------------------------------------------------------- projection


@pytest.fixture(scope="module")
def finished(generator, features, own_picture) -> tuple[Projector, list[dict[str, float]]]:
    """A projection of the generator's own picture, and the losses on its way."""
    projector = Projector(generator, features, own_picture, num_steps=100, seed=4)
    return projector, run(projector, 100)


def test_finds_a_picture_of_the_generator(finished, own_picture):
    projector, losses = finished
    assert losses[-1]["features"] < 0.2 * losses[0]["features"]
    assert losses[-1]["pixels"] < 0.05 * losses[0]["pixels"]
    difference = pixels(projector.picture()).astype(float) - own_picture
    assert np.square(difference).mean() < 0.01 * np.square(own_picture - own_picture.mean()).mean()


def test_losses_are_numbers_and_add_up(finished):
    _, losses = finished
    for terms in losses:
        assert list(terms) == ["loss", "features", "pixels", "rows"]
        assert all(type(value) is float for value in terms.values())
        assert terms["loss"] == pytest.approx(terms["features"] + terms["pixels"] + terms["rows"], rel=1e-5)


def test_begins_at_the_mean_in_w_and_ends_in_w_plus(generator, features, own_picture):
    projector = Projector(generator, features, own_picture, num_steps=20)
    assert torch.equal(projector.latent, generator.mapping.w_avg.expand(1, 8, 14))
    run(projector, 6)
    assert row_spread(projector.latent) < 1e-10
    assert (projector.latent - generator.mapping.w_avg).abs().max() > 0.1
    run(projector, 14)
    assert row_spread(projector.latent) > 1e-4
    assert torch.equal(projector.picture(), generator.synthesis(projector.latent))


def test_a_code_handed_out_does_not_change(generator, features, own_picture):
    projector = Projector(generator, features, own_picture, num_steps=4)
    run(projector, 2)
    code = projector.latent
    before = code.clone()
    run(projector, 1)
    assert torch.equal(code, before)
    assert not torch.equal(projector.latent, before)


def test_same_seed_same_pixels(generator, features, own_picture):
    codes = []
    for seed in (1, 1, 2):
        projector = Projector(generator, features, own_picture, num_steps=12, seed=seed)
        run(projector, 8)
        codes.append(projector.latent)
    assert torch.equal(codes[0], codes[1])
    assert not torch.equal(codes[0], codes[2])


@pytest.mark.parametrize("stopped", [0, 3, 9])
def test_resumes_exactly(generator, features, own_picture, tmp_path, stopped):
    """From a file, in the rows of W and of W+."""
    whole = Projector(generator, features, own_picture, num_steps=14, seed=6)
    run(whole, stopped)
    save_state(tmp_path / "state.safetensors", whole.state_dict())
    state = load_state(tmp_path / "state.safetensors")
    resumed = Projector(generator, features, own_picture, num_steps=14, seed=0)
    resumed.load_state_dict(state)
    assert resumed.steps_done == stopped
    assert run(resumed, 14 - stopped) == run(whole, 14 - stopped)
    assert torch.equal(resumed.latent, whole.latent)
    assert torch.equal(state["latent"], load_state(tmp_path / "state.safetensors")["latent"])  # it is not shared


def test_stops_after_its_steps(finished, refused):
    refused("all its 100 steps", finished[0].step)


# ---------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 47), (5, 9), (300, 101), (1, 1)])
def test_pictures_of_any_size(generator, features, height, width):
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    projector = Projector(generator, features, picture, num_steps=2)
    run(projector, 2)
    assert projector.target.shape == projector.picture().shape == (1, 3, 32, 32)
    assert projector.latent.isfinite().all()


def test_the_target_is_the_middle_square():
    picture = np.zeros((32, 64, 3), dtype=np.uint8)
    picture[:, 16:48] = (255, 0, 51)
    target = target_tensor(picture, 32)
    assert torch.allclose(target, torch.tensor([1.0, -1.0, -0.6]).view(1, 3, 1, 1).expand(1, 3, 32, 32))


def test_the_target_of_the_right_size_keeps_its_pixels(own_picture):
    again = pixels(target_tensor(own_picture, 32))
    assert np.array_equal(again, own_picture)


@pytest.mark.parametrize("channels", [(4, 4, 4), (4, 4, 4, 3, 2, 2, 2, 2)])
def test_other_generators(features, channels):
    """16 px, and 512 px, which is compared at 256."""
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(channels, z_dim=8, mapping_features=(8,))).eval().requires_grad_(False)
    projector = Projector(generator, features, np.full((20, 20, 3), 200, dtype=np.uint8), num_steps=4)
    run(projector, 4)
    assert projector.picture().shape == (1, 3, generator.img_resolution, generator.img_resolution)
    assert projector.latent.shape == (1, generator.num_ws, 8)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((32, 32, 3)),
        np.zeros((32, 32, 4), dtype=np.uint8),
        np.zeros((32, 32), dtype=np.uint8),
        np.zeros((1, 3, 32, 32), dtype=np.uint8),
        np.zeros((0, 32, 3), dtype=np.uint8),
    ],
)
def test_refuses_other_pictures(generator, features, refused, picture):
    refused("picture to project", Projector, generator, features, picture)


def test_refuses_a_generator_with_classes(features, own_picture, refused):
    config = GeneratorConfig(**{**vars(CONFIG), "c_dim": 3, "embed_features": 5})
    refused("3 classes", Projector, Generator(config), features, own_picture)


@pytest.mark.parametrize("change", [{"latent": torch.zeros(1, 6, 14)}, {"random": torch.zeros(3)}, {"mean": None}])
def test_refuses_another_state(finished, generator, features, own_picture, refused, change):
    other = Projector(generator, features, own_picture, num_steps=5)
    refused("saved state", other.load_state_dict, finished[0].state_dict() | change)
    refused("saved state", other.load_state_dict, {"step": 3})


# ---------------------------------------------------------------------------------------------- terms


def test_feature_distance():
    """Over directions, whatever their length: 0 for the same one, 2 at right angles, 4 for the opposite one."""
    right, up, nothing = (torch.tensor(v).view(1, 2, 1, 1).expand(1, 2, 3, 3) for v in ((1.0, 0), (0, 1.0), (0.0, 0)))
    assert feature_distance([right, up], [5 * right, 3 * up]).item() == pytest.approx(0)
    assert feature_distance([right, right], [up, -right]).item() == pytest.approx(6)
    assert feature_distance([nothing], [nothing]).item() == 0


def test_feature_distance_has_a_gradient_where_nothing_is_seen():
    features = torch.zeros(1, 2, 3, 3, requires_grad=True)
    feature_distance([features], [torch.ones(1, 2, 3, 3)]).backward()
    assert features.grad.isfinite().all()


def test_row_spread():
    w = torch.randn(1, 1, 5)
    assert row_spread(w.expand(1, 4, 5)).item() == pytest.approx(0, abs=1e-12)
    assert row_spread(torch.cat([w + 2, w - 2], dim=1)).item() == pytest.approx(4)


def test_latent_std(generator):
    z = torch.randn(4000, 16, generator=torch.Generator().manual_seed(8))
    w = generator.mapping(z)[:, 0] - generator.mapping.w_avg
    assert latent_std(generator) == pytest.approx(w.square().mean().sqrt().item(), rel=0.03)
    assert latent_std(generator) == latent_std(generator)
