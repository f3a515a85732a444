"""Against arrays evaluated in double precision, and what must hold for any embeddings."""

import math

import pytest
import torch

from engines.base import EngineError
from engines.unclip.embeddings import (
    candidate_scores,
    destandardize,
    interpolate,
    mix,
    slerp,
    standardize,
    text_diff,
    unit,
)


def close(found, expected, atol=1e-6):
    torch.testing.assert_close(found.double(), expected.double(), rtol=0, atol=atol)


# ---------------------------------------------------------------------------------------------- reference arrays


def test_reference_slerp(array):
    a, b = array("z_image_a"), array("z_image_b")
    for theta, raw, of_units in zip(array("theta").tolist(), array("slerp_raw"), array("slerp_unit"), strict=True):
        close(slerp(a, b, theta), raw)
        close(slerp(unit(a), unit(b), theta), of_units)


def test_reference_slerp_of_noise(array):
    for theta, expected in zip(array("theta").tolist(), array("x_T_slerp"), strict=True):
        found = slerp(array("x_T_a"), array("x_T_b"), theta)
        assert found.shape == array("x_T_a").shape
        close(found, expected)


def test_reference_slerp_of_parallel_vectors(array):
    a = array("z_image_a")
    scale = (array("slerp_same") / a).mean()
    close(slerp(a, a * (2 * scale.item() - 1), 0.5), array("slerp_same"))


def test_reference_text_differences(array):
    text, base = array("z_text"), array("z_text_base")
    close(unit(text - base), array("text_diff"))
    close(unit(unit(text) - unit(base)), array("text_diff_from_unit"))


def test_reference_text_diff(array):
    image, text, base = array("z_image_a"), array("z_text"), array("z_text_base")
    of_units, rescaled = array("text_diff_slerp_unit"), array("text_diff_slerp_rescaled")
    for number, theta in enumerate(array("theta").tolist()):
        close(text_diff(unit(image), text, base, theta), of_units[number])
        close(text_diff(image, text, base, theta), rescaled[number])


def test_reference_candidates(array):
    scores = candidate_scores(array("cand"), array("cand_text"))
    assert scores.argmax(1).tolist() == array("cand_pick").tolist()


# ---------------------------------------------------------------------------------------------- slerp


def test_slerp_turns_by_a_share_of_the_angle():
    a, b = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0])
    third = slerp(a, b, 1 / 3)
    close(third, 3 * torch.tensor([math.cos(math.pi / 6), math.sin(math.pi / 6)]))


def test_the_ends_of_slerp_are_its_inputs_exactly():
    a, b = torch.randn(2, 5, 16)
    for first, second in ((a, b), (a, a), (a, 2 * a), (a, torch.zeros(5, 16))):
        assert torch.equal(slerp(first, second, 0.0), first)
        assert torch.equal(slerp(first, second, 1.0), second)


def test_one_vector_or_many_or_one_with_many():
    a, b = torch.randn(2, 5, 16)
    close(slerp(a[2], b[2], 0.3), slerp(a, b, 0.3)[2], atol=0)
    close(slerp(a, b[2], 0.3)[4], slerp(a[4], b[2], 0.3), atol=0)


def test_nearly_parallel_and_opposite_vectors_stay_finite():
    a = torch.randn(4, 16)
    for b in (a * (1 + 1e-7), a + 1e-6 * torch.randn(4, 16), -a):
        assert slerp(a, b, 0.4).isfinite().all()
    close(slerp(a, a + 1e-6, 0.5), a, atol=1e-5)


def test_slerp_keeps_the_type():
    a, b = torch.randn(2, 4, 16)
    for dtype in (torch.float16, torch.float32, torch.float64):
        assert slerp(a.to(dtype), b.to(dtype), 0.5).dtype == dtype


def test_interpolated_lengths_are_in_proportion():
    a, b = torch.randn(4, 16), 5 * torch.randn(4, 16)
    found = interpolate(a, b, 0.25)
    close(found.norm(dim=-1), 0.75 * a.norm(dim=-1) + 0.25 * b.norm(dim=-1), atol=1e-5)
    close(unit(found), slerp(unit(a), unit(b), 0.25))
    close(interpolate(a, b, 1.0), b, atol=1e-5)


# ---------------------------------------------------------------------------------------------- text differences


def test_text_diff_keeps_the_length_and_comes_nearer_to_the_text():
    image, text, base = (length * torch.randn(6, 64) for length in (9.0, 0.1, 30.0))
    direction = unit(unit(text) - unit(base))
    before = -1.0
    for theta in (0.0, 0.2, 0.4, 0.6):
        found = text_diff(image, text, base, theta)
        close(found.norm(dim=-1), image.norm(dim=-1), atol=1e-4)
        nearness = (unit(found) * direction).sum(-1)
        assert (nearness > before).all()
        before = nearness
    close(text_diff(image, text, base, 0.0), image, atol=1e-5)


def test_lengths_of_texts_are_nothing():
    image, text, base = torch.randn(3, 6, 64)
    close(text_diff(image, 7 * text, 0.01 * base, 0.3), text_diff(image, text, base, 0.3), atol=1e-5)


def test_the_same_text_changes_nothing():
    image, text = torch.randn(2, 6, 64)
    assert torch.equal(text_diff(image, text, text.clone(), 0.5), image)
    assert torch.equal(text_diff(image, 3 * text, text, 0.5), image)
    other = torch.randn(6, 64)
    other[2] = text[2]
    found = text_diff(image, text, other, 0.5)
    assert torch.equal(found[2], image[2])
    assert not torch.equal(found[3], image[3])


def test_one_text_for_many_pictures():
    image, (text, base) = torch.randn(6, 64), torch.randn(2, 64)
    close(text_diff(image, text, base, 0.3)[4], text_diff(image[4], text, base, 0.3))


# ---------------------------------------------------------------------------------------------- mixtures


def test_a_mixture_of_one_is_itself():
    z = torch.randn(3, 16) * 4
    close(mix(z, [0, 2.5, 0]), z[1:2], atol=1e-5)


def test_weights_count_in_proportion():
    z = torch.eye(3, 8)
    close(mix(z, [2, 1, -2]), torch.tensor([[2.0, 1, -2, 0, 0, 0, 0, 0]]) / 3)
    close(mix(torch.stack([z[0], 9 * z[1]]), [1, 1]).norm(), torch.tensor(5.0), atol=1e-5)


@pytest.mark.parametrize("weights", [[1, -1], [0, 0]])
def test_a_mixture_of_nothing(weights):
    z = torch.randn(1, 16).repeat(2, 1)
    with pytest.raises(EngineError, match="cancel each other out"):
        mix(z, weights)


# ---------------------------------------------------------------------------------------------- scale


def test_standardized_embeddings_and_back():
    z = torch.randn(4000, 8) * torch.linspace(0.01, 5, 8) + torch.randn(8)
    standard = standardize(z, z.mean(0), z.std(0))
    close(standard.mean(0), torch.zeros(8), atol=1e-4)
    close(standard.std(0), torch.ones(8), atol=1e-4)
    close(destandardize(standard, z.mean(0), z.std(0)), z, atol=1e-4)
