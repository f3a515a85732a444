import pytest
import torch

from world.materials import MATERIALS, RENDERERS, palette, per_cell, render_materials
from world.styles import Chance


def test_there_are_many_with_names_of_their_own():
    assert len(MATERIALS) >= 16
    assert len(set(MATERIALS)) == len(MATERIALS) == len(RENDERERS)


@pytest.mark.parametrize("number", range(len(MATERIALS)), ids=MATERIALS)
def test_each_fills_the_range_with_structure(number):
    pictures = render_materials(torch.full((6,), number), 64, torch.Generator().manual_seed(5))
    assert pictures.shape == (6, 3, 64, 64)
    assert pictures.isfinite().all()
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert (pictures.std((2, 3)).amax(1) > 0.03).all()  # no picture is plain
    assert (pictures[0] - pictures[1]).abs().mean() > 0.05  # each has a palette and a place of its own


def test_the_generator_decides_all():
    index = torch.arange(len(MATERIALS))
    one, same, other = (render_materials(index, 32, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert ((one - other).abs().amax((1, 2, 3)) > 0.1).all()


def test_a_picture_stands_where_its_number_stood():
    stripes, dots = MATERIALS.index("stripes"), MATERIALS.index("gradient")
    pictures = render_materials(torch.tensor([stripes, dots, stripes, dots]), 64, torch.Generator().manual_seed(0))
    roughness = (pictures[..., 1:] - pictures[..., :-1]).abs().mean((1, 2, 3))
    assert roughness[[0, 2]].min() > roughness[[1, 3]].max()


def test_the_first_two_colours_differ_in_lightness():
    chance = Chance(torch.empty(500, 3, 8, 8), torch.Generator().manual_seed(0))
    first, second = (color.amax(1) for color in palette(chance)[:2])
    assert ((first - second).abs() > 0.1).all()


def test_a_cell_has_one_value_and_its_neighbour_another():
    chance = Chance(torch.empty(2, 3, 4, 4), torch.Generator().manual_seed(0))
    u = torch.tensor([-0.1, 0.1, 0.9, 1.1]).view(1, 1, 1, 4).expand(2, 1, 4, 4)
    values = per_cell(chance, u, torch.zeros(2, 1, 4, 4))[:, 0, 0]
    assert (values[:, 1] == values[:, 2]).all()
    assert (values[:, 0] != values[:, 1]).all()
    assert (values[:, 2] != values[:, 3]).all()
    assert (values[0] != values[1]).any()  # each picture draws its own
