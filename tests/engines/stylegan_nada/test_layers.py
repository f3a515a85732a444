"""Against arrays of the released code, and the lists of layers written out."""

import pytest
import torch

from engines.stylegan_nada.layers import (
    layer_parameters,
    phase_layers,
    row_importance,
    rows_to_layers,
    top_rows,
)

CONVOLUTIONS = ["b4.conv1"] + [f"b{8 << block}.conv{k}" for block in range(8) for k in (0, 1)]
"""Of 1024 px."""


def test_reference_importance(array):
    importance = row_importance(array("layer_w_before"), array("layer_w_after"))
    torch.testing.assert_close(importance, array("layer_weights"), rtol=0, atol=1e-7)
    for k in (1, 6, 12):
        assert top_rows(importance, k) == array(f"layer_topk_{k}").tolist()


@pytest.mark.parametrize(
    ("phase", "others"),
    [
        ("default", CONVOLUTIONS[1:]),
        ("texture", CONVOLUTIONS[3:11]),
        ("shape", CONVOLUTIONS[1:3]),
        ("shape_expanded", CONVOLUTIONS[1:4]),
        ("no_fine", CONVOLUTIONS[1:11]),
    ],
)
def test_phases(phase, others):
    assert phase_layers(1024, phase) == ("b4.const", "b4.conv1", *others)


def test_a_row_stands_for_the_convolution_it_drives(generator):
    """Of all styles, moving a row changes those of its layer, or of a toRGB layer besides."""
    w = torch.randn(1, 6, 14)
    for row in range(5):
        importance = torch.zeros(6)
        importance[row] = 1
        (layer,) = rows_to_layers(importance, 1, 16)
        other = w.clone()
        other[:, row] += 1
        before, after = generator.styles(w), generator.styles(other)
        moved = [name for name in before if not torch.equal(before[name], after[name]) and "torgb" not in name]
        assert moved == [layer]


def test_the_last_row_is_of_no_convolution():
    importance = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 9.0])
    assert rows_to_layers(importance, 2, 16) == ("b16.conv1", "b16.conv0")
    assert len(rows_to_layers(importance, 99, 16)) == 5


def test_the_reference_is_one_layer_beside():
    importance = torch.tensor([1.0, 5, 4, 0, 0, 3])
    assert rows_to_layers(importance, 3, 16, "reference") == ("b4.torgb", "b8.conv0", "b16.conv1")
    assert rows_to_layers(importance, 3, 16, "exact") == ("b8.conv0", "b8.conv1", "b4.conv1")


def test_parameters_of_layers(generator):
    assert layer_parameters(generator.synthesis, ("b4.const",)) == ["b4.const"]
    found = layer_parameters(generator.synthesis, ("b8.conv1", "b4.torgb"))
    layer = ["weight", "noise_strength", "bias", "affine.weight", "affine.bias"]
    rgb = ["weight", "bias", "affine.weight", "affine.bias"]
    assert sorted(found) == sorted([*(f"b8.conv1.{name}" for name in layer), *(f"b4.torgb.{name}" for name in rgb)])
