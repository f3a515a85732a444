"""States of engines survive a file: every value, every bit."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from engines.base import EngineError
from engines.state_file import load_state, save_state


def same(one, two) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == two.dtype and torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(same, one, two))
    return type(one) is type(two) and one == two


def test_round_trip_is_exact(tmp_path):
    base = torch.randn(6, 4, dtype=torch.float64)
    state = {
        "step": 12,
        "score": 0.1 + 0.2,
        "none": None,
        "text": "빨간 사과",
        "flag": True,
        "points": torch.randn(3, 2),
        "view": base[:, ::2],
        "same memory": base,
        "bytes": torch.arange(5, dtype=torch.uint8),
        "empty": torch.zeros(0, 2),
        "number": torch.tensor(3.5),
        "moments": {"first": [torch.ones(2), torch.zeros(2)], "steps": [1, 2]},
        "random": torch.Generator().get_state(),
    }
    save_state(tmp_path / "state.safetensors", state)
    assert same(state, load_state(tmp_path / "state.safetensors"))


def test_gradients_and_parameters_become_plain_tensors(tmp_path):
    save_state(tmp_path / "s.safetensors", {"p": torch.nn.Parameter(torch.ones(2))})
    loaded = load_state(tmp_path / "s.safetensors")["p"]
    assert type(loaded) is torch.Tensor
    assert not loaded.requires_grad


@pytest.mark.parametrize("state", [{"a": {1: 2}}, {"a": object()}, {"a": {"b": {2: torch.ones(1)}}}])
def test_what_is_no_state_is_refused(tmp_path, state):
    with pytest.raises(TypeError):
        save_state(tmp_path / "s.safetensors", state)
    assert list(tmp_path.iterdir()) == []


def test_missing_file(tmp_path):
    with pytest.raises(EngineError, match=r"no saved state 'none.safetensors'"):
        load_state(tmp_path / "none.safetensors")


@pytest.mark.parametrize("data", [b"", b"\x00" * 20, b"PK\x03\x04 a zip", b"\xff" * 8 + b"{}"])
def test_damaged_file(tmp_path, data):
    (tmp_path / "s.safetensors").write_bytes(data)
    with pytest.raises(EngineError, match=r"'s.safetensors' is damaged"):
        load_state(tmp_path / "s.safetensors")


def test_cut_file(tmp_path):
    save_state(tmp_path / "s.safetensors", {"a": torch.ones(100)})
    data = (tmp_path / "s.safetensors").read_bytes()
    (tmp_path / "s.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(EngineError, match="damaged"):
        load_state(tmp_path / "s.safetensors")


def test_other_safetensors_file(tmp_path):
    save_file({"weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(EngineError, match="is not a saved state"):
        load_state(tmp_path / "model.safetensors")


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(EngineError, match="damaged"):
        load_state(tmp_path)


@pytest.mark.parametrize(
    "tree",
    ["[" * 100_000, "[" * 900 + "]" * 900, "[1]", '"text"', '{"__tensor__": []}', '{"__tensor__": "b"}', "9" * 5000],
)
def test_trees_that_lie(tmp_path, tree):
    save_file({"a": torch.ones(2)}, tmp_path / "s.safetensors", {"format": "atelier-state-1", "state": tree})
    with pytest.raises(EngineError, match="damaged"):
        load_state(tmp_path / "s.safetensors")
