"""CUDA graphs: when they are captured and played, with a stand-in for the capture that shares its buffers likewise."""

import pytest
import torch

from engines.clip.captured_tower import CapturedTower

WEIGHT = torch.randn(48, 5, generator=torch.Generator().manual_seed(0))


def tower(pixels):
    return (pixels.flatten(1) @ WEIGHT).tanh()


class StandIn:
    """Like `torch.cuda.make_graphed_callables`: every call overwrites the results of the one before."""

    def __init__(self):
        self.captured = []

    def __call__(self, tower, samples):
        (sample,) = samples
        assert sample.requires_grad
        self.captured.append(tuple(sample.shape))
        static_features, static_gradient = tower(sample).detach(), torch.empty_like(sample).detach()

        class Played(torch.autograd.Function):
            @staticmethod
            def forward(ctx, pixels):
                static_features.copy_(tower(pixels))
                return static_features.detach()

            @staticmethod
            def backward(ctx, gradient):
                slope = gradient * (1 - static_features.square())
                static_gradient.copy_((slope @ WEIGHT.T).view_as(sample))
                return static_gradient.detach()

        return Played.apply


@pytest.fixture
def stand_in():
    return StandIn()


@pytest.fixture
def captured(stand_in):
    return CapturedTower(tower, capture=stand_in)


def leaf(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def gradient(pixels: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(tower(pixels).square().sum(), pixels)[0]


def test_results_and_gradients_are_the_towers_own(captured):
    pixels = leaf(2, seed=1)
    features = captured(pixels)
    torch.testing.assert_close(features, tower(pixels))
    features.square().sum().backward()
    torch.testing.assert_close(pixels.grad, gradient(pixels))


def test_captured_once_per_batch_size_and_two_sizes_are_kept(captured, stand_in):
    for count in (2, 2, 3, 2, 3):
        captured(leaf(count, seed=count)).sum().backward()
    assert stand_in.captured == [(2, 3, 4, 4), (3, 3, 4, 4)]
    for count in (4, 3, 2):
        captured(leaf(count, seed=count)).sum().backward()
    assert [shape[0] for shape in stand_in.captured] == [2, 3, 4, 2]


def test_two_looks_before_the_gradients_do_not_mix(captured):
    first, second = leaf(2, seed=1), leaf(2, seed=2)
    features = [captured(first), captured(second)]
    torch.testing.assert_close(features[0], tower(first))
    sum(one.square().sum() for one in features).backward()
    torch.testing.assert_close(first.grad, gradient(first))
    torch.testing.assert_close(second.grad, gradient(second))


def test_kept_gradients_are_not_overwritten(captured):
    first, second = leaf(2, seed=1), leaf(2, seed=2)
    for pixels in (first, second):
        captured(pixels).square().sum().backward()
    torch.testing.assert_close(first.grad, gradient(first))


def test_nothing_is_captured_where_no_gradient_is_wanted(captured, stand_in):
    torch.testing.assert_close(captured(leaf(2, seed=1).detach()), tower(leaf(2, seed=1)))
    with torch.no_grad():
        captured(leaf(2, seed=1))
    assert stand_in.captured == []
