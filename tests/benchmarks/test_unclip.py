import pytest
import torch

from benchmarks.faces import frechet_distance
from benchmarks.unclip import AT_ONCE, rounds


def test_frechet_distance_of_sets_whose_moments_are_known():
    """|μ - μ'|² + Σ (σ - σ')² where covariances are diagonal (arXiv 1706.08500)."""
    corners = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]) * (3 / 4) ** 0.5  # covariance 1
    assert frechet_distance(corners, corners) == pytest.approx(0, abs=1e-9)
    moved = corners * torch.tensor([2.0, 3.0]) + torch.tensor([5.0, 0.0])
    assert frechet_distance(corners, moved) == pytest.approx(25 + 1 + 4, rel=1e-5)


def test_rounds_cover_everything_once():
    parts = list(rounds(2 * AT_ONCE + 3))
    assert [part.stop - part.start for part in parts] == [AT_ONCE, AT_ONCE, 3]
    assert parts[0].start == 0
    assert parts[-1].stop == 2 * AT_ONCE + 3
