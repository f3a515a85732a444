"""Pickles are read and never run: ordinary ones come back as values, malicious ones end in a sentence, and quickly."""

import builtins
import io
import os
import pickle
import struct
import subprocess
import sys

import pytest
import torch

from engines.base import EngineError
from engines.checkpoints.pickles import MAX_STEPS, Global, Record, read_pickle
from engines.stylegan2 import load_generator


def read(content: bytes):
    return read_pickle(io.BytesIO(content))


# ---------------------------------------------------------------------------------------------- ordinary ones


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values(protocol):
    shared = [1, 2]
    value = {
        "numbers": [0, 1, -1, 255, 256, 65536, -(2**31), 2**40, -(2**100), 0.5, float("inf")],
        "constants": (None, True, False, ()),
        "texts": ["", "a", "얼굴", "x" * 70_000],
        "tuples": ((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        3: {"nested": [{}, [], [[1]]]},
        "shared": [shared, shared],
    }
    found = read(pickle.dumps(value, protocol))
    assert found == value
    assert found["shared"][0] is found["shared"][1]
    if protocol > 2:
        assert read(pickle.dumps([b"", b"b" * 300, b"b" * 70_000], protocol)) == [b"", b"b" * 300, b"b" * 70_000]
    if protocol > 3:
        assert sorted(read(pickle.dumps({1, 2, 3}, protocol))) == [1, 2, 3]


def test_cycles():
    looped = []
    looped.append((looped,))
    found = read(pickle.dumps(looped))
    assert found[0][0] is found


def test_what_would_be_made_is_a_record():
    found = read(pickle.dumps([torch.device("cpu"), torch.float32, torch.Size([2])], 2))
    assert [type(item) for item in found] == [Record, Global, Record]
    assert (found[0].name, found[0].args) == ("torch.device", ("cpu",))
    assert found[1] == Global("torch.float32")


def test_the_file_is_left_behind_the_pickle():
    file = io.BytesIO(pickle.dumps("first") + pickle.dumps("second") + b"rest")
    assert (read_pickle(file), read_pickle(file), file.read()) == ("first", "second", b"rest")


# ---------------------------------------------------------------------------------------------- malicious ones


class Calls:
    """Pickled as a call of `function` with `args`."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def stack_global(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def attacks(target: str) -> dict[str, bytes]:
    """Ways to make a genuine unpickler touch the file `target`."""
    command = f"touch {target}"
    code = f"open({target!r}, 'w')"
    touch = text(command) + b"\x85R."
    header = b"\x80\x04"
    ordered = header + stack_global("collections", "OrderedDict")
    return {
        "os.system": pickle.dumps(Calls(os.system, command)),
        "os.system, text": b"cposix\nsystem\n(S'" + command.encode() + b"'\ntR.",
        "os.system, binary": b"\x80\x02cposix\nsystem\n" + touch,
        "subprocess": pickle.dumps(Calls(subprocess.call, ["touch", target])),
        "eval": pickle.dumps(Calls(builtins.eval, code)),
        "exec": pickle.dumps(Calls(builtins.exec, code)),
        "open": pickle.dumps(Calls(builtins.open, target, "w")),
        "getattr": header + stack_global("builtins", "getattr") + stack_global("builtins", "open") + touch,
        "import": pickle.dumps(Calls(builtins.__import__, "os")),
        "torch.load": pickle.dumps(Calls(torch.load, target)),
        "dotted name": header + stack_global("collections", "OrderedDict.__init__.__globals__") + b".",
        "dotted module": header + stack_global("torch.storage._load_from_bytes", "__globals__") + b".",
        "no texts": header + stack_global("builtins", "set") + b"]\x93.",
        "alias": header + stack_global("torch.serialization", "_legacy_load") + b".",
        "persistence of others": header + stack_global("torch_utils.persistence", "_src_to_module") + touch,
        "INST": b"(X\x01\x00\x00\x00aiposix\nsystem\n.",
        "OBJ": b"(cposix\nsystem\n" + text(command) + b"o.",
        "extension registry": b"\x80\x02\x82\x01.",
        "call of a text": b"\x80\x02" + text("os.system") + touch,
        "call without a tuple": ordered + text(command) + b"R.",
        "dict from items": ordered + b"](" + text("a") + text("b") + b"e\x85R.",
        "state of a class": ordered + b"}" + text("__setstate__") + stack_global("builtins", "set") + b"sb.",
        "state of a list": b"\x80\x02]}b.",
        "state of a number": b"\x80\x02K\x01}b.",
        "append to a record": header + stack_global("builtins", "set") + b")RK\x01a.",
        "key that is a record": b"\x80\x04}" + stack_global("builtins", "set") + b")RK\x01s.",
        "data outside": b"\x80\x02" + text("module") + b"Q.",
        "data outside, text": b"Pmodule\n.",
        "buffers outside": b"\x80\x05\x97.",
    }


NAMES = list(attacks("t"))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_runs(tmp_path, name):
    target = tmp_path / "touched"
    path = tmp_path / "evil.pkl"
    path.write_bytes(attacks(str(target))[name])
    with pytest.raises(EngineError) as caught:
        load_generator(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert not target.exists()


def test_the_attacks_would_work(tmp_path):
    """On the standard library's unpickler; or the tests above would show nothing."""
    working = ("os.system", "os.system, text", "os.system, binary", "subprocess", "eval", "exec", "open", "OBJ")
    for name in working:
        target = tmp_path / name.replace(" ", "").replace(",", "").replace(".", "")
        pickle.loads(attacks(str(target))[name])
        assert target.exists(), name


WANTED = {
    "os.system": r"(posix|nt)\.system",
    "eval": r"builtins\.eval",
    "open": r"_?io\.open",
    "torch.load": r"torch\.serialization\.load",
    "dotted name": r"collections\.OrderedDict\.__init__",
}


@pytest.mark.parametrize("name", WANTED)
def test_an_error_names_what_the_file_wants(tmp_path, name):
    path = tmp_path / "evil.pkl"
    path.write_bytes(attacks("t")[name])
    with pytest.raises(EngineError, match=f"'evil.pkl': The file wants to use '{WANTED[name]}.* source you trust"):
        load_generator(path)


@pytest.mark.parametrize("container", ["dict", "G_ema", "blob", "zip", "before torch 1.6"])
def test_nothing_runs_within_another_file(tmp_path, container):
    target, path = tmp_path / "touched", tmp_path / "evil.pkl"
    evil = Calls(os.system, f"touch {target}")
    if container == "dict":
        path.write_bytes(pickle.dumps({"G_ema": None, "augment_pipe": evil}))
    elif container == "G_ema":
        path.write_bytes(pickle.dumps({"G_ema": evil}))
    elif container == "blob":  # a tensor whose storage is a pickle of its own
        path.write_bytes(_ada_with_storage(pickle.dumps(evil)))
    else:
        torch.save({"g_ema": {}, "args": evil}, path, _use_new_zipfile_serialization=container == "zip")
    with pytest.raises(EngineError, match="system"):
        load_generator(path)
    assert not target.exists()


def _ada_with_storage(blob: bytes) -> bytes:
    """A generator whose only tensor, mapping.w_avg, has the storage `blob`."""
    storage = stack_global("torch.storage", "_load_from_bytes") + b"B" + struct.pack("<I", len(blob)) + blob + b"\x85R"
    tensor = stack_global("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + b"K\x00K\x01\x85K\x01\x85\x89NtR"
    mapping = _persistent(b"(" + text("_buffers") + b"}" + text("w_avg") + tensor + b"su")
    root = _persistent(b"(" + text("_modules") + b"}" + text("mapping") + mapping + b"su")
    return b"\x80\x04}" + text("G_ema") + root + b"s."


def _persistent(items: bytes) -> bytes:
    meta = b"}(" + text("class_name") + text("Generator") + text("state") + b"}" + items + b"u"
    return stack_global("torch_utils.persistence", "_reconstruct_persistent_obj") + meta + b"\x85R"


# ---------------------------------------------------------------------------------------------- bombs


BOMBS = {
    "memo index": b"\x80\x02Nr\xff\xff\xff\x7f0Nr\xfe\xff\xff\x7f.",
    "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 46) + b"few",
    "text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"few",
    "number": b"\x80\x02\x8b" + struct.pack("<i", 0x7FFFFFFF) + b"few",
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
    "steps": b"\x80\x02" + b"]" * (MAX_STEPS + 5) + b".",
    "deep tuple": b"\x80\x02)" + b"\x85" * 300_000 + b".",
    "deep tuple as a key": b"\x80\x02})" + b"\x85" * 300_000 + b"Ns.",
    "deep list": b"\x80\x02" + b"]" * 300_000 + b"a" * 299_999 + b".",
    "deep calls": b"\x80\x02" + b"ctorch\ndevice\n" * 100_000 + b")" + b"R\x85" * 100_000 + b".",
    "doubling tuples": b"\x80\x04)\x94" + b"".join(bytes([104, k, 104, k, 0x86, 0x94]) for k in range(200)) + b".",
    "no end": b"\x80\x02" + b"N" * 100,
    "nothing to pop": b"\x80\x020" + b"0" * 100,
    "no mark": b"\x80\x02NNt" + b"." * 20,
}


def bomb(folder, name: str):
    path = folder / "bomb.pkl"
    path.write_bytes(BOMBS[name].ljust(17, b"."))
    return path


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(tmp_path, name):
    with pytest.raises(EngineError) as caught:
        load_generator(bomb(tmp_path, name))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="the memory of a process is known by a means of Unix")
def test_places_in_the_memo_take_no_memory(tmp_path):
    """Where they are an array, that of this file has 32 GiB."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EngineError):
        load_generator(bomb(tmp_path, "memo index"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB
