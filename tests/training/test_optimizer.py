from copy import deepcopy

import pytest
import torch
from torch import nn

from training.loop import descend
from training.optimizer import MATRIX_SHARE, MatrixOptimizer


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(2, 4, 3)
        self.body = nn.Sequential(nn.Conv2d(4, 8, 3), nn.GroupNorm(2, 8))
        self.head, self.words = nn.Linear(8, 3), nn.Embedding(5, 8)
        self.still = nn.Parameter(torch.ones(3), requires_grad=False)

    def forward(self, x):
        return self.head(self.body(self.conv_in(x)).mean((2, 3)) + self.words.weight.sum(0)) * self.still


def loss_of(network):
    x = torch.randn(16, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    return (network(x) - x.mean((2, 3)) @ torch.ones(2, 3)).square().mean()


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Net()


def test_hidden_matrices_move_alike_in_every_direction(network):
    before = {name: value.clone() for name, value in network.named_parameters()}
    optimizer = MatrixOptimizer((network, 1.0))
    descend(loss_of(network), optimizer, 1e-3)
    moved = {
        name: (value - before[name]).detach().flatten(1) for name, value in network.named_parameters() if value.ndim > 1
    }
    for name in ("body.0.weight", "head.weight"):
        sizes = torch.linalg.svdvals(moved[name])
        assert sizes.min() > 0.3 * sizes.max(), "Newton and Schulz bring them near to one, not to it"
        assert sizes.max() == pytest.approx(1e-3 * MATRIX_SHARE, rel=0.6)
    for name in ("conv_in.weight", "words.weight"):
        assert moved[name].abs().max() == pytest.approx(1e-3, rel=0.01), "a first step of Adam's is the rate"
    assert torch.equal(network.still, before["still"])


def test_every_network_learns_at_its_share(network):
    other = Net()
    optimizer = MatrixOptimizer((network, 1.0), (other, 0.25))
    descend(loss_of(network) + loss_of(other), optimizer, 1e-3)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == pytest.approx([1e-3 * MATRIX_SHARE, 0.25e-3 * MATRIX_SHARE, 1e-3, 0.25e-3])


def test_it_learns_and_goes_on_from_its_state_as_if_it_had_never_stopped(network):
    optimizer, first = MatrixOptimizer((network, 1.0)), loss_of(network).item()
    for _ in range(30):
        descend(loss_of(network), optimizer, 1e-3)
    assert loss_of(network) < 0.5 * first
    again = Net()
    again.load_state_dict(network.state_dict())
    resumed = MatrixOptimizer((again, 1.0))
    resumed.load_state_dict(deepcopy(optimizer.state_dict()))
    for net, steps in ((network, optimizer), (again, resumed)):
        descend(loss_of(net), steps, 1e-3)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))


def test_what_had_no_part_in_the_loss_stays(network):
    before = network.head.weight.clone()
    optimizer = MatrixOptimizer((network, 1.0))
    descend(network.words.weight.square().sum(), optimizer, 1e-3)
    assert torch.equal(network.head.weight, before)
