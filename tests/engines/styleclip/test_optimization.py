"""Against arrays and whole runs of the released code, and formulas written out in double precision."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engines.base import EngineError
from engines.clip.losses import clip_distance, clip_input, reference_clip_input
from engines.faces import identity_loss
from engines.styleclip.optimize.losses import l2_loss
from engines.stylegan2.schedule import learning_rate


@pytest.fixture(scope="module")
def array(references):
    return references.tensors("styleclip_optim")


# ---------------------------------------------------------------------------------------------- the released code


@pytest.mark.parametrize("steps", [40, 300])
def test_reference_learning_rate(array, steps):
    found = torch.tensor([learning_rate(step, steps, 0.1) for step in range(steps)], dtype=torch.float64)
    torch.testing.assert_close(found, array(f"lr_{steps}"), rtol=1e-12, atol=1e-15)


def test_reference_view(array):
    torch.testing.assert_close(reference_clip_input(array("clip_in")), array("clip_out"), rtol=0, atol=1e-6)


def test_reference_losses(array):
    clip = clip_distance(array("clip_img_emb"), array("clip_txt_emb"))
    l2 = l2_loss(array("l2_w"), array("l2_w0"))
    identity = identity_loss(array("id_feat_b"), array("id_feat_a"))
    torch.testing.assert_close(clip, array("clip_loss").squeeze(), rtol=1e-5, atol=0)
    torch.testing.assert_close(l2, array("l2_sum"), rtol=1e-5, atol=0)
    torch.testing.assert_close(identity, array("id_loss"), rtol=1e-5, atol=0)
    total = clip + 0.008 * l2 + 0.005 * identity
    torch.testing.assert_close(total, array("total_loss").squeeze(), rtol=1e-5, atol=0)


def test_losses_in_double_precision():
    random = np.random.default_rng(0)
    images, text = random.normal(size=(3, 6)) * 9, random.normal(size=(1, 6)) * 0.1
    cosines = [image @ text[0] / np.sqrt(image @ image * (text[0] @ text[0])) for image in images]
    found = clip_distance(torch.from_numpy(images), torch.from_numpy(text))
    assert found.item() == pytest.approx(1 - np.mean(cosines), rel=1e-12)

    start, code = random.normal(size=(2, 1, 10, 6))
    assert l2_loss(torch.from_numpy(code), torch.from_numpy(start)).item() == pytest.approx(np.sum((code - start) ** 2))


def test_l2_in_style_space_sums_over_all_vectors():
    start = {"b4.conv1": torch.zeros(1, 6), "b4.torgb": torch.zeros(1, 4)}
    code = {"b4.conv1": torch.full((1, 6), 2.0), "b4.torgb": torch.full((1, 4), -1.0)}
    assert l2_loss(code, start).item() == 6 * 4 + 4


def test_gradients_of_the_losses():
    x, y = torch.randn(2, 3, 6, dtype=torch.float64)
    x.requires_grad_()
    for loss in (clip_distance, l2_loss):
        assert torch.autograd.gradcheck(loss, (x, y))


# ---------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("side", [32, 96, 224, 256])
def test_the_reference_view_as_the_reference_computes_it(side):
    pictures = torch.randn(2, 3, side, side, dtype=torch.float64)
    expected = F.avg_pool2d(F.interpolate(pictures, scale_factor=7, mode="nearest"), side // 32)
    torch.testing.assert_close(reference_clip_input(pictures), expected, rtol=0, atol=1e-12)


def test_gradients_of_the_reference_view():
    pictures = torch.randn(1, 1, 32, 32, dtype=torch.float64, requires_grad=True)
    found = torch.autograd.grad(reference_clip_input(pictures).square().sum(), pictures)[0]
    expected = torch.autograd.grad(F.interpolate(pictures, scale_factor=7, mode="nearest").square().sum(), pictures)[0]
    torch.testing.assert_close(found, expected)  # squares of one pixel at this side


@pytest.mark.parametrize("shape", [(16, 16), (100, 100), (64, 32)])
def test_the_reference_view_needs_its_sizes(shape):
    with pytest.raises(EngineError, match="multiple of 32 .*; choose the other preprocessing"):
        reference_clip_input(torch.zeros(1, 3, *shape))


@pytest.mark.parametrize(("side", "size"), [(64, 224), (256, 224), (224, 224), (128, 64)])
def test_the_corrected_view(side, size):
    """Against a straight line, which resampling keeps, and beyond the range, which it does not show."""
    ramp = ((torch.arange(side) + 0.5) / side * 4 - 2).expand(1, 3, side, side)
    found = clip_input(ramp, size)
    assert found.shape == (1, 3, size, size)
    assert (found.min(), found.max()) == (0, 1)
    expected = ((torch.arange(size) + 0.5) / size * 2 - 0.5).clamp(0, 1)
    torch.testing.assert_close(found, expected.expand_as(found), rtol=0, atol=0.02)


def test_the_corrected_view_does_not_alias():
    stripes = torch.ones(1, 3, 512, 512)
    stripes[..., ::2] = -1
    inner = clip_input(stripes)[..., 8:-8]
    torch.testing.assert_close(inner, torch.full_like(inner, 0.5), rtol=0, atol=0.05)


def test_the_corrected_view_of_the_size_of_clip_is_the_picture():
    pictures = torch.rand(1, 3, 224, 224) * 2 - 1
    torch.testing.assert_close(clip_input(pictures), (pictures + 1) / 2, rtol=0, atol=1e-6)


def test_gradients_of_the_corrected_view_stop_at_its_range():
    pictures = torch.cat([torch.full((1, 3, 32, 64), 0.5), torch.full((1, 3, 32, 64), 1.5)], dim=2).requires_grad_()
    (clip_input(pictures) ** 2).sum().backward()
    assert (pictures.grad[:, :, :24] > 0).all()
    assert pictures.grad[:, :, 32:].count_nonzero() == 0


# ---------------------------------------------------------------------------------------------- schedule


def test_the_schedule():
    assert learning_rate(0, 100, 0.1) == 0
    assert learning_rate(1, 100, 0.1) == pytest.approx(0.02)
    assert [learning_rate(step, 100, 0.1) for step in (5, 50, 75)] == pytest.approx([0.1] * 3)
    assert learning_rate(99, 100, 0.1) == pytest.approx(0.1 * (0.5 - 0.5 * np.cos(np.pi * 0.04)))
    assert learning_rate(0, 1, 0.1) == 0
