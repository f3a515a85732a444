import pytest
import torch

from engines.styleclip.mapper.ranger import Ranger, centralized, present_names


@pytest.fixture(scope="module")
def array(references):
    return references.tensors("styleclip_optim")


def follow(array, optimizer, parameters, first: int, last: int):
    for step in range(first, last):
        for parameter, key in zip(parameters, ("2", "1"), strict=True):
            parameter.grad = array(f"ranger_grad{key}")[step].clone()
        optimizer.step()
        for parameter, key in zip(parameters, ("2", "1"), strict=True):
            torch.testing.assert_close(parameter.detach(), array(f"ranger_p{key}")[step + 1], rtol=1e-5, atol=1e-5)


def start(array, step: int = 0):
    return [array(f"ranger_p{key}")[step].clone().requires_grad_() for key in ("2", "1")]


def test_reference_history(array):
    parameters = start(array)
    follow(array, Ranger(parameters, lr=array("ranger_lr").item()), parameters, 0, 20)


@pytest.mark.parametrize("stop", [3, 6, 10])
def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(array, stop):
    parameters = start(array)
    optimizer = Ranger(parameters)
    follow(array, optimizer, parameters, 0, stop)
    copies = [parameter.detach().clone().requires_grad_() for parameter in parameters]
    resumed = Ranger(copies, lr=9.0)
    resumed.load_state_dict(optimizer.state_dict())
    follow(array, resumed, copies, stop, 20)


def test_centralized_gradients():
    matrix = torch.arange(12.0).view(2, 3, 2)
    assert centralized(matrix).mean((1, 2)).tolist() == [0, 0]
    assert centralized(torch.tensor([1.0, 3.0])).tolist() == [1, 3]


def test_a_state_of_an_earlier_version_is_read():
    saved = {"step": 3, "mean": torch.ones(2), "mean_square": torch.zeros(2), "slow": torch.ones(2)}
    read = present_names(saved)
    assert set(read) == {"step", "exp_avg", "exp_avg_sq", "slow"}
    assert read["step"] == torch.tensor(3.0)
    assert present_names(read).keys() == read.keys()


def test_it_minimizes_what_a_closure_measures():
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([1.0, -2.0, 1.0])
    optimizer = Ranger([x])

    def loss():
        optimizer.zero_grad()
        value = (x - target).square().sum()
        value.backward()
        return value

    values = [optimizer.step(loss).item() for _ in range(200)]
    assert values[0] == pytest.approx(6)
    assert values[-1] < 1e-2


def test_parameters_without_gradient_stay():
    x = torch.ones(3, requires_grad=True)
    Ranger([x]).step()
    assert x.tolist() == [1, 1, 1]
