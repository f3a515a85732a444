import pytest
import torch

from engines.dreamstyler import guidance_weights, guide
from engines.dreamstyler.guidance import within

ROWS = range(12)


@pytest.fixture
def predictions(array):
    return [array(f"eps_{name}") for name in ("uncond", "full", "context", "style")]


def scales(array, row):
    return dict(
        zip(
            ("style_scale", "context_scale", "null_scale"),
            array("gammas_style_context_null")[row].tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize("row", ROWS)
def test_reference_guidance(array, predictions, row):
    found = guide(*predictions, **scales(array, row))
    torch.testing.assert_close(found, array("guided")[row], rtol=0, atol=2e-5)


@pytest.mark.parametrize("row", ROWS)
def test_the_paper_prints_it_without_halves(array, predictions, row):
    """Eq. 11 with scales of half the size; eq. 9 and 10 are its two halves."""
    given = scales(array, row)
    doubled = {name: value if name == "null_scale" else 2 * value for name, value in given.items()}
    found = guide(*predictions, **doubled)
    torch.testing.assert_close(found.double(), array("paper_eq11")[row].double(), rtol=0, atol=5e-5)
    ordered = array("paper_eq9")[row].double() + array("paper_eq10")[row].double() - predictions[0].double()
    found = guide(*predictions, **{**doubled, "null_scale": 0.0})
    torch.testing.assert_close(found.double(), ordered, rtol=0, atol=5e-5)


@pytest.mark.parametrize("number", range(4))
def test_reference_plain_guidance(array, predictions, number):
    scale = array("cfg_scales")[number].item()
    found = guide(*predictions, style_scale=0, context_scale=0, null_scale=scale)
    torch.testing.assert_close(found, array("guided_cfg")[number], rtol=0, atol=2e-5)


def test_weights():
    assert guidance_weights(0.5, 3.0, 5.0) == (-5.75, 6.75, 1.25, -1.25)
    assert guidance_weights(2.0, 2.0, 5.0) == (-6, 7, 0, 0)  # equal scales need neither context nor style alone
    assert guidance_weights(0, 0, 1) == (0, 1, 0, 0)


def test_the_style_may_be_kept_to_a_region(array, predictions):
    """Outside, plain guidance by the context alone, as strong."""
    region = torch.zeros(1, 16, 16)
    region[..., :8] = 1
    weights = guidance_weights(0.5, 3.0, 5.0)
    found = sum(weight * part for weight, part in zip(within(weights, region), predictions, strict=True))
    uncond, full, context, style = predictions
    everywhere = guide(*predictions, style_scale=0.5, context_scale=3.0, null_scale=5.0)
    torch.testing.assert_close(found[..., :8], everywhere[..., :8])
    torch.testing.assert_close(found[..., 8:], (uncond + 6.75 * (context - uncond))[..., 8:])
