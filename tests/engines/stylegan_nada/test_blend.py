import pytest
import torch

from engines.stylegan2 import Generator, GeneratorConfig
from engines.stylegan_nada.blend import chain, interpolate
from engines.stylegan_nada.delta import Strengths, descendant


def relative(generator, seed):
    """A descendant in which everything but the mapping network differs."""
    torch.manual_seed(seed)
    change = {name: torch.randn(tensor.shape) for name, tensor in generator.synthesis.named_parameters()}
    return descendant(generator, change)


def equal(one, other):
    pairs = zip(one.named_parameters(), other.named_parameters(), strict=True)
    return all(torch.allclose(a, b, atol=1e-6) for (_, a), (_, b) in pairs)


def test_reference_interpolation(array):
    """In the place of the affine weights of a generator of 4 px with 5 channels and 4 numbers in w."""
    generator = Generator(GeneratorConfig(channels=(5,), z_dim=3, mapping_features=(4,))).requires_grad_(False)
    one, other = descendant(generator, {}), descendant(generator, {})
    one.synthesis.b4.conv1.affine.weight.copy_(array("interp_a"))
    other.synthesis.b4.conv1.affine.weight.copy_(array("interp_b"))
    found = interpolate(one, other, 0.25).synthesis.b4.conv1.affine.weight
    torch.testing.assert_close(found, array("interp_025"), rtol=0, atol=1e-6)


def test_ends_and_beyond(generator):
    one, other = relative(generator, 1), relative(generator, 2)
    assert equal(interpolate(one, other, 0.0), one)
    assert equal(interpolate(one, other, 1.0), other)
    beyond = interpolate(one, other, 1.5)
    for name, parameter in beyond.synthesis.named_parameters():
        a, b = one.synthesis.get_parameter(name), other.synthesis.get_parameter(name)
        torch.testing.assert_close(parameter, a + 1.5 * (b - a))


def test_blocks_are_swapped(generator):
    one, other = relative(generator, 1), relative(generator, 2)
    swapped = interpolate(one, other, Strengths(coarse=0, medium=1, fine=0)).synthesis
    for block, origin in (("b4", one), ("b8", one), ("b16", other)):
        assert equal(swapped.get_submodule(block), origin.synthesis.get_submodule(block))


def test_noise_maps_are_those_of_the_first(generator):
    one, other = relative(generator, 1), relative(generator, 2)
    other.synthesis.b8.conv1.noise_const += 1
    assert torch.equal(interpolate(one, other, 1.0).synthesis.b8.conv1.noise_const, one.synthesis.b8.conv1.noise_const)


def test_chain(generator):
    links = [relative(generator, seed) for seed in (1, 2, 3)]
    for position, link in enumerate(links):
        assert equal(chain(links, position), link)
    assert equal(chain(links, 1.25), interpolate(links[1], links[2], 0.25))


@pytest.mark.parametrize("position", [-0.1, 2.1])
def test_outside_of_a_chain(generator, refused, position):
    refused("has no position", chain, [generator] * 3, position)


def test_strangers(generator, new_generator, refused):
    refused("different mapping networks", interpolate, generator, new_generator(6), 0.5)
    refused("different sizes", interpolate, generator, new_generator(5, (12, 10, 9)), 0.5)
