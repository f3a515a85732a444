import torch
from torch import nn

from evaluation.weights import load_weights
from training.weights import save_weights, update_average


def test_weights_come_back_as_float32_within_half_precision(tmp_path):
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    module[1].num_batches_tracked += 7
    save_weights(module, tmp_path / "weights.safetensors")
    weights = load_weights(tmp_path / "weights.safetensors")
    for name, tensor in module.state_dict().items():
        assert weights[name].dtype == tensor.dtype
        assert torch.allclose(weights[name].float(), tensor.float(), atol=1e-3)
    assert weights["1.num_batches_tracked"] == 7


def test_an_average_follows_floats_and_copies_the_rest():
    module, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    nn.init.constant_(module.weight, 3.0)
    module.running_mean += 10
    module.num_batches_tracked += 7
    for expected in (0.25, 0.4375):
        update_average(average, module, 0.75)
        assert torch.allclose(average.weight, torch.full((2,), 1 + 2 * expected))
        assert torch.allclose(average.running_mean, torch.full((2,), 10 * expected))
        assert average.num_batches_tracked == 7
    assert average.weight.requires_grad
    assert module.running_mean.tolist() == [10, 10]
