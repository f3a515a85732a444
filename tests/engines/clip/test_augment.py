import math

import pytest
import torch

from engines.clip.augment import apply_views, homography, identity_views, random_views


def test_identity_shows_the_picture_itself():
    picture = torch.rand(4, 32, 32)
    assert torch.allclose(apply_views(picture, identity_views(), 32)[0], picture, atol=1e-5)


def test_homography_maps_the_corners():
    source, target = torch.rand(5, 4, 2, dtype=torch.float64), torch.rand(5, 4, 2, dtype=torch.float64)
    corners = torch.cat([source, torch.ones(5, 4, 1, dtype=torch.float64)], -1)
    mapped = corners @ homography(source, target).transpose(1, 2)
    assert torch.allclose(mapped[..., :2] / mapped[..., 2:], target, atol=1e-8)


def test_a_wide_canvas_keeps_its_shape_inside_the_square():
    picture = torch.ones(4, 16, 32)
    alpha = apply_views(picture, identity_views(), 32)[0, 3]
    assert alpha[12:20].min() > 0.99  # the band of the canvas
    assert alpha[:6].max() == 0  # transparent above it
    assert alpha[26:].max() == 0


def test_crops_have_the_wanted_area():
    generator = torch.Generator().manual_seed(0)
    views = random_views(500, generator, distortion=0.0, scale=(0.7, 0.9))
    area = views[:, 0, 0] * views[:, 1, 1]
    assert area.min() > 0.69
    assert area.max() < 0.91
    # a crop that would stick out of the square is narrowed to it, so the ratio can only shrink
    ratio = (views[:, 0, 0] / views[:, 1, 1]).log().abs()
    assert ratio.max() <= math.log(4 / 3) + 1e-5
    reach = views[:, [0, 1], 2].abs() + views[:, [0, 1], [0, 1]]
    assert reach.max() <= 1 + 1e-5


def test_perspective_shows_the_whole_picture_smaller():
    generator = torch.Generator().manual_seed(1)
    views = random_views(8, generator, distortion=0.5, scale=(1.0, 1.0))
    shown = apply_views(torch.ones(4, 64, 64), views, 64)[:, 3].mean(dim=(1, 2))
    assert shown.max() < 0.999
    assert shown.min() > 0.2


def test_seed_repeats():
    draws = [random_views(4, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(*draws)


def test_each_copy_has_its_own_warp():
    views = random_views(4, torch.Generator().manual_seed(3))
    assert all(not torch.allclose(views[0], view) for view in views[1:])


def test_gradcheck():
    picture = torch.rand(4, 6, 5, dtype=torch.float64, requires_grad=True)
    views = random_views(2, torch.Generator().manual_seed(0)).double()
    assert torch.autograd.gradcheck(lambda p: apply_views(p, views, 5), picture)


@pytest.mark.parametrize("size", [8, 33])
def test_shapes(size):
    assert apply_views(torch.rand(4, 20, 30), identity_views(3), size).shape == (3, 4, size, size)


def test_a_share_above_one_shows_the_whole_picture_smaller():
    opaque = torch.ones(4, 64, 64)
    views = random_views(16, torch.Generator().manual_seed(0), distortion=0.0, scale=(2.0, 2.0))
    coverage = apply_views(opaque, views, 64)[:, 3].mean((1, 2))
    assert torch.allclose(coverage, torch.full((16,), 0.5), atol=0.1)
