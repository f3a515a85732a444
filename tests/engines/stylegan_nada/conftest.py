"""A generator of 16 px whose sizes all differ, and a CLIP that is one random matrix."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from engines.stylegan2 import Generator, GeneratorConfig


@pytest.fixture(scope="session")
def array(references):
    """`array(key)`: that reference array as a tensor."""
    return references.tensors("nada_losses")


@pytest.fixture(scope="session")
def texts(references):
    """`texts(key)`: that reference array as strings."""
    return lambda key: references.arrays("nada_losses")[key].tolist()


class StubClip:
    name, image_size, sha256 = "stub", 8, "c" * 64

    def __init__(self, seed: int = 1):
        self.matrix = torch.randn(3 * 8 * 8, 12, generator=torch.Generator().manual_seed(seed))

    def encode_image(self, pictures):
        return F.normalize((pictures - 0.5).flatten(1) @ self.matrix, dim=1)

    def encode_picture(self, picture):
        pixels = torch.tensor(picture).permute(2, 0, 1)[None].float() / 255
        return self.encode_image(F.interpolate(pixels, 8, mode="area"))

    def encode_text(self, text):
        return self.encode_texts([text])

    def encode_texts(self, texts):
        seeds = [torch.Generator().manual_seed(sum(map(ord, text))) for text in texts]
        return F.normalize(torch.stack([torch.randn(12, generator=seed) for seed in seeds]), dim=1)


@pytest.fixture
def clip() -> StubClip:
    return StubClip()


def random_generator(seed: int = 5, channels: tuple[int, ...] = (12, 10, 8)) -> Generator:
    torch.manual_seed(seed)
    generator = Generator(GeneratorConfig(channels=channels, z_dim=16, mapping_features=(20, 14)))
    generator.sha256 = str(seed) * 64
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(0.1)
    return generator.eval().requires_grad_(False)


@pytest.fixture
def new_generator():
    """`new_generator(seed, channels)`"""
    return random_generator


@pytest.fixture
def generator() -> Generator:
    return random_generator()


@pytest.fixture
def models(generator, clip):
    clips = {"": clip, "one": clip, "other": StubClip(2)}
    return SimpleNamespace(
        device=torch.device("cpu"),
        generator=lambda path="": generator,
        clip=lambda name="": clips[name],
        identity=lambda path="": None,
        style_features=lambda: pytest.fail("Without style pictures nothing is to be loaded."),
    )
