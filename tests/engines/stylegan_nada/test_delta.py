"""Changes of a generator, as they are trained, kept and loaded."""

import pytest
import torch
from safetensors.torch import save_file

from engines.stylegan2 import load_generator, save_generator
from engines.stylegan_nada.delta import (
    Domain,
    Strengths,
    descendant,
    difference_of,
    differences,
    load_domain,
    new_change,
    private_copy,
    render,
    save_domain,
)
from engines.stylegan_nada.layers import layer_parameters, phase_layers

METHODS = ["layers", "low-rank", "style offsets"]
METADATA = {"generator": "5" * 64, "source": "photo", "target": "pencil sketch"}


def fresh_change(generator, method):
    names = layer_parameters(generator.synthesis, phase_layers(16, "default"))
    return new_change(generator.synthesis, names, method, 2, torch.Generator().manual_seed(0))


@pytest.fixture(params=METHODS)
def change(request, generator):
    """Of every method, and not the one that does nothing; exact in fp16."""
    values = fresh_change(generator, request.param)
    return {name: (value + 0.3 * torch.randn(value.shape)).half().float() for name, value in values.items()}


@pytest.fixture
def w(generator):
    return generator.mapping(torch.randn(3, 16))


@pytest.mark.parametrize("method", METHODS)
def test_a_new_change_does_nothing(generator, w, method):
    values = fresh_change(generator, method)
    assert torch.equal(render(private_copy(generator), w, values), generator.synthesis(w))


def test_what_the_methods_change(generator):
    whole = differences(fresh_change(generator, "layers"), generator.synthesis)
    assert set(differences(fresh_change(generator, "low-rank"), generator.synthesis)) == set(whole)
    offsets = fresh_change(generator, "style offsets")
    convolutions = ("b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1")
    assert list(offsets) == [f"{name}.affine.bias" for name in convolutions]
    assert not any("torgb" in name for name in whole)


def test_low_rank_is_low(generator):
    values = fresh_change(generator, "low-rank")
    filled = {name: torch.randn(value.shape) for name, value in values.items()}
    found = differences(filled, generator.synthesis)
    assert torch.linalg.matrix_rank(found["b8.conv1.weight"].flatten(1)) == 2
    assert torch.linalg.matrix_rank(found["b8.conv1.affine.weight"]) == 2
    product = filled["b8.conv0.weight.up"] @ filled["b8.conv0.weight.down"]
    assert torch.equal(found["b8.conv0.weight"].flatten(1), product)


def test_style_offsets_move_styles(generator, w):
    values = fresh_change(generator, "style offsets")
    values["b8.conv1.affine.bias"] += 0.7
    styles, moved = generator.styles(w), descendant(generator, values).styles(w)
    torch.testing.assert_close(moved["b8.conv1"], styles["b8.conv1"] + 0.7)
    assert all(torch.equal(moved[name], styles[name]) for name in styles if name != "b8.conv1")


def test_a_descendant_is_what_is_rendered(generator, w, change):
    adapted = descendant(generator, change)
    shown = render(private_copy(generator), w, change)
    assert not torch.allclose(shown, generator.synthesis(w), atol=1e-2)
    assert torch.equal(adapted.synthesis(w), shown)
    assert torch.equal(adapted.mapping(torch.ones(1, 16)), generator.mapping(torch.ones(1, 16)))


def test_the_base_stays(generator, w, change):
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    values = {name: value.requires_grad_() for name, value in change.items()}
    render(private_copy(generator), w, values).sum().backward()
    descendant(generator, change).synthesis.b4.const += 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
    assert all(parameter.grad is None for parameter in generator.parameters())
    assert all(value.grad is not None for value in values.values())


def test_strengths_are_of_blocks(generator, change):
    moved = descendant(generator, change, Strengths(0.0, 0.5, 0.0)).synthesis
    whole = differences(change, generator.synthesis)
    for name, parameter in generator.synthesis.named_parameters():
        share = 0.5 if name.startswith("b16") else 0.0
        expected = parameter + share * whole.get(name, torch.zeros(()))
        assert torch.equal(moved.get_parameter(name), expected)
    assert [Strengths(1.0, 2.0, 3.0).of(f"b{4 << k}.conv1.weight") for k in range(9)] == [1, 1, 2, 2, 3, 3, 3, 3, 3]


# ---------------------------------------------------------------------------------------------- files


def test_files_read_back(generator, change, tmp_path):
    save_domain(Domain(change, METADATA), tmp_path / "domain.safetensors")
    found = load_domain(tmp_path / "domain.safetensors", generator)
    assert found.metadata == METADATA
    assert found.change.keys() == change.keys()
    assert all(torch.equal(found.change[name], value) for name, value in change.items())


def test_what_does_nothing_is_left_out(generator, tmp_path):
    values = fresh_change(generator, "low-rank")
    values["b8.conv0.weight.up"] += 1
    values["b8.conv1.bias"] += 1
    save_domain(Domain(values), tmp_path / "domain.safetensors")
    found = load_domain(tmp_path / "domain.safetensors", generator)
    assert sorted(found.change) == ["b8.conv0.weight.down", "b8.conv0.weight.up", "b8.conv1.bias"]


def test_a_generator_is_a_domain(generator, w, change, tmp_path):
    save_generator(descendant(generator, change), tmp_path / "adapted.safetensors")
    found = load_domain(tmp_path / "adapted.safetensors", generator)
    torch.testing.assert_close(
        render(private_copy(generator), w, found.change), load_generator(tmp_path / "adapted.safetensors").synthesis(w)
    )


def test_rounded_mapping_networks_are_the_same(generator, change, tmp_path):
    adapted = descendant(generator, change)
    save_generator(adapted, tmp_path / "adapted.safetensors", half=True)
    loaded = descendant(generator, load_domain(tmp_path / "adapted.safetensors", generator).change).state_dict()
    for name, value in adapted.state_dict().items():
        torch.testing.assert_close(loaded[name], value, rtol=0.01, atol=0.01)


def test_of_another_base(generator, new_generator, change, tmp_path, refused):
    save_domain(Domain(change, {**METADATA, "generator": "6" * 64}), tmp_path / "domain.safetensors")
    refused("trained from another generator", load_domain, tmp_path / "domain.safetensors", generator)
    refused("different mapping networks", difference_of, new_generator(6), generator)
    refused("different sizes", difference_of, new_generator(5, (12, 10)), generator)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"b8.conv0.bias": torch.zeros(9)}, "'b8.conv0.bias' does not fit"),
        ({"b8.conv7.bias": torch.zeros(10)}, "'b8.conv7.bias' does not fit"),
        ({"b8.conv0.weight.up": torch.zeros(10, 2)}, "does not fit"),
        ({"b8.conv0.weight.up": torch.zeros(10, 2), "b8.conv0.weight.down": torch.zeros(3, 108)}, "does not fit"),
        ({"b8.conv0.weight.up": torch.zeros(10), "b8.conv0.weight.down": torch.zeros(1, 108)}, "does not fit"),
        ({"b8.conv0.bias": torch.full((10,), torch.nan)}, "not finite"),
    ],
)
def test_damaged_files(generator, tmp_path, refused, values, match):
    save_file(values, tmp_path / "domain.safetensors", {"format": "atelier-nada-domain-1"})
    refused(match, load_domain, tmp_path / "domain.safetensors", generator)


def test_other_files(generator, tmp_path, refused):
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    refused("other.safetensors", load_domain, tmp_path / "other.safetensors", generator)
    refused("There is no file", load_domain, tmp_path / "none.safetensors", generator)
    (tmp_path / "noise.pt").write_bytes(bytes(range(256)))
    refused("noise.pt", load_domain, tmp_path / "noise.pt", generator)


def test_too_large_for_fp16(tmp_path, refused):
    refused("beyond the range of fp16", save_domain, Domain({"b8.conv0.bias": torch.full((10,), 1e6)}), tmp_path / "d")
