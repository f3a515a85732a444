"""Files are read and never run: torch's of both formats and our own, damaged, malicious, and with tensors that lie."""

import pickle
from functools import partial

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from engines.checkpoints import OwnFile, files, fill, open_checkpoint, save_own, tensors
from tests.engines.faces.twins import Calls

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])


def load(path, pick=lambda value: value) -> nn.Module:
    """A small network with all kinds of tensors."""
    with open_checkpoint(path, "a network") as value:
        with torch.device("meta"):
            network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
        fill(network, pick(value), "a network")
    return network


@pytest.fixture
def state():
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    network(torch.randn(4, 2, 5, 5))
    return network.state_dict()


@pytest.fixture
def write(tmp_path):
    def save(value, zipped=True):
        torch.save(value, tmp_path / "network.pth", _use_new_zipfile_serialization=zipped)
        return tmp_path / "network.pth"

    return save


@FORMATS
def test_tensors(state, write, zipped):
    network = load(write(state, zipped))
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(network.state_dict()[name], tensor)
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
    network(torch.randn(2, 2, 3, 3))


@FORMATS
def test_parameters_other_precisions_and_no_counters(state, write, zipped):
    """As files have them in which somebody saved parameters, or halved the size."""
    changed = {name: nn.Parameter(tensor.half()) for name, tensor in state.items() if "num_batches" not in name}
    network = load(write(changed, zipped))
    for name, tensor in changed.items():
        assert torch.equal(network.state_dict()[name], tensor.float())


def test_plain_pickles_are_values(tmp_path):
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"prompt": "a red apple", "steps": list(range(9))}))
    with open_checkpoint(tmp_path / "plain.pkl", "a network") as value:
        assert value == {"prompt": "a red apple", "steps": list(range(9))}


# ---------------------------------------------------------------------------------------------- wrong files


def test_no_such_file(tmp_path, refused):
    refused("There is no file .* choose a network", load, tmp_path / "nowhere.pth")
    refused("cannot be read", load, tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"short", b"a text that is no network\n" * 9, b"\x80\x04" + b"." * 50, b"PK\x03\x04" + b"0" * 99],
    ids=["empty", "short", "text", "nearly a pickle", "nearly a zip"],
)
def test_other_files(tmp_path, refused, content):
    (tmp_path / "file.pth").write_bytes(content)
    refused("'file.pth' is damaged or not a network", load, tmp_path / "file.pth")


@FORMATS
@pytest.mark.parametrize("part", [0.05, 0.5, 0.9, 0.98])
def test_truncated_files(state, write, refused, zipped, part):
    path = write(state, zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    refused("'network.pth' is damaged or not a network", load, path)


def test_wrong_tensors(state, write, refused):
    def with_change(**changes):
        changed = state | {name.replace("__", "."): value for name, value in changes.items()}
        return write({name: value for name, value in changed.items() if value is not None})

    refused("lacks the tensor '1.running_mean'", load, with_change(**{"1__running_mean": None}))
    refused(r"'0.bias' is of shape \(4,\) where \(3,\) is wanted", load, with_change(**{"0__bias": torch.zeros(4)}))
    for damage in (torch.nan, torch.inf, -torch.inf):
        damaged = torch.tensor([1, damage, 2])
        refused("'1.bias' has numbers that are not finite", load, with_change(**{"1__bias": damaged}))
    refused("has '2.weight', which a network does not have", load, with_change(**{"2__weight": torch.zeros(3)}))
    refused("type torch.int64", load, with_change(**{"0__bias": torch.zeros(3, dtype=torch.int64)}))
    refused("place of the tensor '0.bias'", load, with_change(**{"0__bias": "text"}))
    refused("has '7', which a network does not have", load, write(state | {7: torch.zeros(2)}))
    for other in (3, [state], "text", None):
        refused("holds no tensors by name", load, write(other))


@FORMATS
def test_sizes_are_checked_before_numbers_are_read(state, write, refused, zipped):
    huge = torch.zeros(1).expand(1 << 20, 1 << 20)  # 4 TiB if it were copied
    refused(r"of shape \(1048576, 1048576\) where", load, write(state | {"0.weight": huge}, zipped))


def test_huge_networks_and_files(state, write, refused, monkeypatch):
    path = write(state)
    monkeypatch.setattr(tensors, "MAX_ELEMENTS", 20)
    refused("more than 20 numbers", load, path)
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 100)
    refused(f"it has {path.stat().st_size} bytes", load, path)


# ---------------------------------------------------------------------------------------------- malicious files


@FORMATS
@pytest.mark.parametrize("place", ["whole", "beside", "instead"])
def test_nothing_runs(state, write, refused, tmp_path, zipped, place):
    target = tmp_path / "touched"
    evil = Calls(f"touch {target}")
    value = {"whole": evil, "beside": state | {"extra": evil}, "instead": state | {"0.bias": evil}}[place]
    path = write(value, zipped)
    refused(r"'network.pth': The file wants to use '(posix|nt)\.system'", load, path)
    assert not target.exists()
    torch.load(path, weights_only=False)  # it would have
    assert target.exists()


def test_errors_of_the_caller_name_the_file_too(state, write, refused):
    refused(
        "'network.pth' is damaged or not a network", partial(load, pick=lambda value: value["encoder"]), write(state)
    )


# ---------------------------------------------------------------------------------------------- our own files


def opened(path, own_format="atelier-network-1"):
    with open_checkpoint(path, "a network", own_format) as value:
        return value


def test_own_files(state, tmp_path):
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, track_running_stats=False))
    for half in (False, True):
        path = tmp_path / f"{half}.safetensors"
        save_own(network, path, "atelier-network-1", {"prompt": "빨간 머리"}, half=half)
        value = opened(path)
        assert isinstance(value, OwnFile)
        assert value.metadata == {"prompt": "빨간 머리"}
        assert value.tensors.keys() == network.state_dict().keys()
        for name, tensor in network.state_dict().items():
            assert torch.equal(value.tensors[name], tensor.half().float() if half else tensor)


def test_numbers_beyond_half_precision(tmp_path, refused):
    network = nn.Linear(2, 1)
    network.weight.data[0, 0] = 1e5
    save = partial(save_own, network, tmp_path / "own.safetensors", "atelier-network-1", {})
    refused("beyond the range of fp16; save it with half=False", partial(save, half=True))
    assert list(tmp_path.iterdir()) == []
    save(half=False)
    assert opened(tmp_path / "own.safetensors").tensors["weight"][0, 0] == 1e5


def test_safetensors_of_others(tmp_path, refused):
    path = tmp_path / "other.safetensors"
    for metadata in (None, {"format": "pt"}):
        save_file({"a": torch.zeros(30)}, path, metadata)
        refused("'other.safetensors': The file was not saved as a network by Atelier", opened, path)
    refused("'other.safetensors' is damaged or not a network", opened, path, "")  # where there are no own ones


def test_own_files_that_lie(tmp_path, refused, monkeypatch):
    path = tmp_path / "own.safetensors"
    save_own(nn.Linear(14, 3), path, "atelier-network-1", {}, half=False)
    content = path.read_bytes()
    for lie in ((1 << 62).to_bytes(8, "little") + content[8:], content.replace(b"[3,14]", b"[9,99]"), content[:-1]):
        path.write_bytes(lie)
        refused("'own.safetensors' is damaged or not a network", opened, path)
    path.write_bytes(content)
    monkeypatch.setattr(tensors, "MAX_ELEMENTS", 44)
    refused("more than 44 numbers", opened, path)
