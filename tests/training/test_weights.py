import torch
from torch import nn

from training.weights import load_weights, save_weights


def test_weights_come_back_as_float32_within_half_precision(tmp_path):
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    module[1].num_batches_tracked += 7
    save_weights(module, tmp_path / "weights.safetensors")
    weights = load_weights(tmp_path / "weights.safetensors")
    for name, tensor in module.state_dict().items():
        assert weights[name].dtype == tensor.dtype
        assert torch.allclose(weights[name].float(), tensor.float(), atol=1e-3)
    assert weights["1.num_batches_tracked"] == 7
