import pytest
import torch

from world.styles import (
    HELD_OUT,
    STYLES,
    Chance,
    apply_styles,
    cells,
    edges,
    figure,
    kuwahara,
    luminance,
    render,
    tiles,
)

ALL = STYLES + HELD_OUT


@pytest.fixture(scope="module")
def pictures():
    """A shaded red disc on white, a shaded blue square on yellow."""
    ramp = (torch.arange(64) + 0.5) / 32 - 1
    x, y = ramp[None, :], ramp[:, None]
    disc, square = (x * x + y * y < 0.4).float(), (torch.maximum(x.abs(), y.abs()) < 0.5).float()
    red, blue, yellow = (torch.tensor(c).view(3, 1, 1) for c in ((0.9, 0.1, 0.1), (0.1, 0.2, 0.8), (0.95, 0.85, 0.3)))
    shade = 0.7 + 0.5 * x
    return torch.stack([red * disc * shade + (1 - disc), blue * square * shade + yellow * (1 - square)]).clamp(0, 1)


def test_names_are_not_shared():
    names = [name for style in ALL for name in (style.en, style.ko, *style.aliases_en, *style.aliases_ko)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("style", ALL, ids=lambda style: style.en)
@pytest.mark.parametrize("size", [64, 96])
def test_a_style_changes_the_picture_by_the_seed_and_keeps_the_subject(pictures, style, size):
    sized = torch.nn.functional.interpolate(pictures, size, mode="nearest")
    one, same, other = (render(sized, style, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one.shape == sized.shape
    assert one.min() >= 0
    assert one.max() <= 1
    assert torch.equal(one, same)
    assert style.en == "pixel art" or not torch.equal(one, other)  # which has nothing left to chance
    assert (one - sized).abs().mean() > 0.015
    # the outline of the subject, or its area, can still be told from the rest
    outline = edges(sized)[:, 0] > 0.2
    inside = figure(sized)[:, 0] > 0.5
    changes = edges(one)[:, 0]
    for number in range(2):
        areas = [one[number][:, mask].mean(1) for mask in (inside[number], ~inside[number])]
        by_area = (areas[0] - areas[1]).abs().max()
        by_line = changes[number][outline[number]].mean() / changes[number][~outline[number]].mean().clamp_min(1e-3)
        assert by_area > 0.15 or by_line > 1.5


def test_styles_differ_from_one_another(pictures):
    painted = torch.stack([render(pictures, style, torch.Generator().manual_seed(0)).flatten() for style in ALL])
    apart = torch.cdist(painted, painted) / painted.shape[1] ** 0.5
    assert apart.fill_diagonal_(9.0).min() > 0.05


def test_each_picture_gets_its_own_style(pictures):
    batch = pictures.repeat(3, 1, 1, 1)
    numbers = torch.tensor([-1, 3, 3, 18, 5, -1])
    painted = apply_styles(batch, numbers, torch.Generator().manual_seed(0))
    assert torch.equal(painted[numbers < 0], batch[numbers < 0])
    assert STYLES[3].en == "neon sign"
    assert painted[1:3].mean() < 0.3
    assert STYLES[18].en == "silhouette"
    assert luminance(painted[3:4])[0, 0, 28:36, 28:36].max() < 0.15
    assert torch.equal(painted, apply_styles(batch, numbers, torch.Generator().manual_seed(0)))


def test_the_figure_is_what_differs_from_the_frame_and_what_it_encloses(pictures):
    holed = pictures.clone()
    holed[0, :, 28:36, 28:36] = 1  # white as the ground, but enclosed
    shape = figure(holed)[:, 0]
    assert shape[0, 20:44, 28:36].min() > 0.9
    assert shape[1, 20:44, 20:44].min() > 0.9
    assert shape[:, :8].max() < 0.1
    # broad stripes of two colours are a ground too
    striped = pictures[1:].clone()
    stripes = (torch.arange(64) % 16 < 8)[None, :].expand(64, 64)
    ground = (striped[0, 2] < 0.5) & (striped[0, 0] > 0.5)  # yellow
    striped[0][:, stripes & ground] = 0.95
    shape = figure(striped)[0, 0]
    assert shape[:12].mean() < 0.25
    assert shape[20:44, 20:44].min() > 0.9


def test_cells_are_nearest_points_and_tiles_are_squares():
    chance = Chance(torch.zeros(2, 3, 48, 48), torch.Generator().manual_seed(0))
    centre, distance, gap = cells(chance, 8)
    own = (centre - chance.grid()).norm(dim=-1) * 4  # a cell is a quarter of [-1, 1]
    assert torch.allclose(own, distance[:, 0], atol=1e-4)
    assert gap.min() >= 0
    assert 40 < len({tuple(point) for point in centre[0].flatten(0, 1).tolist()}) <= 100
    along, across, middle = tiles(chance, 8.0, chance.uniform(0, 0))
    offset = (chance.grid() - middle) * 4  # a tile is 8/64 of the height
    assert torch.allclose(offset[..., 0], along[:, 0], atol=1e-4)
    assert torch.allclose(offset[..., 1], across[:, 0], atol=1e-4)


def test_kuwahara_keeps_edges_and_calms_noise():
    picture = torch.zeros(1, 3, 32, 32)
    picture[..., 16:] = 1
    noisy = picture + 0.1 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    calm = kuwahara(noisy, 3)
    assert (calm - picture).abs().mean() < 0.6 * (noisy - picture).abs().mean()
    assert (calm[..., 16] - calm[..., 15]).mean() > 0.8
