"""Against arrays of the released StyleCLIPDraw code, and what must hold for any samples."""

import pytest
import torch

from engines.style.losses import (
    Samples,
    covariance_loss,
    gram_loss,
    mean_loss,
    moment_loss,
    palette_loss,
    relaxed_emd,
    self_similarity_loss,
)

BETWEEN_SETS = [relaxed_emd, mean_loss, covariance_loss, moment_loss, palette_loss, gram_loss]
ALL = [*BETWEEN_SETS, self_similarity_loss]

REFERENCE = [
    (loss, f"{prefix}{k}_loss{suffix}", f"remd{k}_X", f"{other}{k}_{letter}", gradient and f"{prefix}{k}_{gradient}")
    for k in range(3)
    for loss, prefix, suffix, other, letter, gradient in [
        (relaxed_emd, "remd", "", "remd", "Y", "gradX"),
        (mean_loss, "mom", "_1", "remd", "Y", None),
        (covariance_loss, "mom", "_2", "remd", "Y", None),
        (moment_loss, "mom", "_12", "remd", "Y", "gradX_12"),
        (self_similarity_loss, "content", "", "content", "Z", "gradX"),
    ]
] + [
    (palette_loss, "pal_loss", "pal_X", "pal_Y", "pal_gradX"),
    (palette_loss, "pal_loss_norotation", "pal_X", "pal_Y", None),
]


@pytest.mark.parametrize(("loss", "value", "x", "y", "gradient"), REFERENCE, ids=lambda part: str(part).split(" ")[0])
def test_reference(arrays, loss, value, x, y, gradient):
    x, y = arrays(x).requires_grad_(), arrays(y)
    found = loss(x, y)
    torch.testing.assert_close(found.double(), arrays(value), rtol=1e-5, atol=0)
    if gradient:
        found.backward()
        torch.testing.assert_close(x.grad, arrays(gradient), rtol=1e-4, atol=1e-6)


def test_colours_may_be_turned_as_the_reference_does(arrays):
    turned = palette_loss(arrays("pal_Xrot"), arrays("pal_Y") @ rotation(arrays))
    torch.testing.assert_close(turned.double(), arrays("pal_loss"), rtol=1e-5, atol=0)


def rotation(arrays):
    return torch.linalg.lstsq(arrays("pal_X"), arrays("pal_Xrot")).solution


def test_by_hand():
    x = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    y = torch.tensor([[3.0, 0.0, 0.0]])
    assert relaxed_emd(x, y).item() == pytest.approx(0.5)  # the second row is at a right angle to all there is
    assert mean_loss(x, y).item() == pytest.approx((2.5 + 1) / 3)
    assert covariance_loss(x, y).item() == pytest.approx((0.5 + 2 + 1 + 1) / 9)
    assert gram_loss(x, y).item() == pytest.approx((8.5**2 + 2**2) / 9)
    assert palette_loss(x, y).item() == pytest.approx(((4 / 3) ** 0.5 + 1 + (13 / 3) ** 0.5) / 2)
    assert self_similarity_loss(x, torch.ones(2, 3)).item() == pytest.approx(0.5)


@pytest.mark.parametrize("loss", ALL)
def test_equal_samples_have_no_loss(loss):
    x = torch.randn(30, 8)
    smallest = (1e-5 / 3) ** 0.5 if loss is palette_loss else 0  # its distances are held above this
    assert loss(x, x.clone()).item() == pytest.approx(smallest, abs=1e-6)


@pytest.mark.parametrize("loss", BETWEEN_SETS)
def test_the_order_of_samples_is_nothing(loss):
    x, y = torch.randn(30, 8), torch.randn(20, 8)
    shuffled = loss(x[torch.randperm(30)], y[torch.randperm(20)])
    torch.testing.assert_close(shuffled, loss(x, y), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", [relaxed_emd, mean_loss, palette_loss, gram_loss])
def test_a_style_sampled_twice_is_the_same_style(loss):
    x, y = torch.randn(30, 8), torch.randn(20, 8)
    torch.testing.assert_close(loss(x, torch.cat([y, y])), loss(x, y), rtol=1e-5, atol=1e-6)


def test_relaxed_emd_does_not_see_lengths():
    x, y = torch.randn(30, 8), torch.randn(20, 8)
    torch.testing.assert_close(relaxed_emd(x * 5, y * 0.1), relaxed_emd(x, y), rtol=1e-5, atol=1e-6)


def test_only_colours_count_for_the_palette():
    x, y = torch.randn(30, 8), torch.randn(20, 8)
    assert palette_loss(x, y) == palette_loss(x[:, :3], y[:, :3])


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("zero", ["one row each", "all of x", "all of both"])
def test_zero_rows_are_harmless(loss, zero):
    x, y = torch.randn(12, 6), torch.randn(12, 6)
    x[0 if zero == "one row each" else slice(None)] = 0
    y[{"one row each": 3, "all of x": slice(0), "all of both": slice(None)}[zero]] = 0
    x.requires_grad_()
    value = loss(x, y)
    value.backward()
    assert value.isfinite()
    assert x.grad.abs().max() < 100  # not merely finite: an optimiser is to survive it


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("rows", [1, 3])
def test_a_single_sample(loss, rows):
    x, y = torch.randn(1, 6, requires_grad=True), torch.randn(1 if loss is self_similarity_loss else rows, 6)
    value = loss(x, y)
    value.backward()
    assert value.isfinite()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("loss", ALL)
def test_gradients_agree_with_finite_differences(loss):
    torch.manual_seed(3)
    x, y = torch.randn(7, 5, dtype=torch.float64, requires_grad=True), torch.randn(7, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(loss, (x, y), eps=1e-7, atol=1e-5)
    assert torch.autograd.gradcheck(lambda other: loss(y, other), (x,), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("loss", ALL)
def test_remembered_statistics_change_nothing(loss):
    x, y = torch.randn(9, 6, requires_grad=True), torch.randn(9, 6)
    style = Samples(y)
    for _ in range(2):
        (plain,) = torch.autograd.grad(loss(x, y), x)
        (remembered,) = torch.autograd.grad(loss(Samples(x), style), x)
        assert torch.equal(plain, remembered)


def test_statistics_are_computed_once():
    style = Samples(torch.randn(9, 6))
    for name in ("unit", "mean", "covariance", "gram", "colors"):
        assert getattr(style, name) is getattr(style, name)
