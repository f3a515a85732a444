"""Files that ask for endless time or memory end in a sentence, in whatever place of a format their value stands."""

import io
import struct
import zipfile
from functools import partial

import pytest
import torch

from engines.base import EngineError
from engines.checkpoints import tensors
from engines.checkpoints.pickles import Record, read_pickle
from engines.dreamstyler.styles import load_style
from engines.faces.e4e import load_encoder
from engines.faces.identity import load_identity
from engines.shown import shown, shown_error
from engines.styleclip.mapper import load_mapper
from engines.stylegan2 import load_generator
from tests.engines.checkpoints.programs import CLASSES, HEADER, name, shared_tuple, text

READERS = {
    "generator": load_generator,
    "mapper": load_mapper,
    "encoder": load_encoder,
    "identity": load_identity,
    "style": partial(load_style, width=16),
}
DEEP = shared_tuple()
LOOPED = b"]q\x01h\x01a}q\x02" + text("a") + b"h\x02sh\x02a"
WIDE = text("x" * 100_000)
HUGE = b"\x8b" + struct.pack("<i", 5000) + b"\x7f" * 5000


@pytest.fixture
def loads(tmp_path, refused):
    """Every reader refuses the file in one sentence."""

    def check(content: bytes) -> None:
        path = tmp_path / "file.pkl"
        path.write_bytes(content.ljust(17, b"."))
        for load in READERS.values():
            refused(".", load, path)

    return check


def test_a_tuple_that_is_shared_sixty_levels_deep_as_a_name(loads):
    loads(b"\x80\x04)" + b"q\x00h\x00\x86" * 60 + b"\x8c\x01x\x93.")
    loads(HEADER + text("torch") + DEEP + b"\x93.")


def persistent(items: bytes) -> bytes:
    return name("torch_utils.persistence._reconstruct_persistent_obj") + b"}(" + items + b"u\x85R"


def module(state: bytes, class_name: bytes = text("Generator")) -> bytes:
    return persistent(text("class_name") + class_name + text("state") + b"}(" + state + b"u")


def entry(key: str, value: bytes) -> bytes:
    return b"}" + text(key) + value + b"s"


PLACES = {
    "whole": lambda v: v,
    "generator": lambda v: entry("G_ema", v),
    "averaged": lambda v: entry("g_ema", v),
    "class name": lambda v: entry("G_ema", module(text("_modules") + b"}", v)),
    "state": lambda v: entry("G_ema", persistent(text("class_name") + text("G") + text("state") + v)),
    "modules": lambda v: entry("G_ema", module(text("_modules") + v)),
    "parameters": lambda v: entry("G_ema", module(text("_parameters") + v)),
    "tensor": lambda v: entry("G_ema", module(text("_parameters") + entry("w", v))),
    "arguments": lambda v: entry("G_ema", module(text("_init_args") + v)),
    "options": lambda v: entry("G_ema", module(text("_init_kwargs") + v)),
    "architecture": lambda v: entry("G_ema", module(text("_init_kwargs") + entry("architecture", v))),
    "state dict": lambda v: entry("state_dict", v),
    "encoder": lambda v: entry("state_dict", entry("encoder.styles.0.linear.weight", v)),
    "options of a mapper": lambda v: b"}(" + text("opts") + v + text("state_dict") + b"}u",
    "embedding": lambda v: entry("string_to_param", v),
    "vector": lambda v: entry("string_to_param", entry("*", v)),
    "style": lambda v: entry("<s>-T0", v),
    "key": lambda v: b"}" + v + b"Ns",
    "arguments of a tensor": lambda v: entry("<s>", name("torch._utils._rebuild_tensor_v2") + v + b"R"),
    "storage": lambda v: entry("<s>", name("torch._utils._rebuild_tensor_v2") + b"(" + v + b"K\x00))tR"),
    "size": lambda v: entry("<s>", name("torch._utils._rebuild_tensor_v2") + b"(NK\x00" + v + b")tR"),
    "parameter": lambda v: entry("<s>", name("torch._utils._rebuild_parameter") + v + b"\x85R"),
    "blob": lambda v: entry(
        "<s>", name("torch._utils._rebuild_tensor_v2")
        + b"(" + name("torch.storage._load_from_bytes") + v + b"\x85RK\x00K\x10\x85K\x01\x85tR"),
    "networks": lambda v: b"(" + 3 * (name("dnnlib.tflib.network.Network") + b")\x81" + entry("version", v) + b"b")
    + b"t",
}  # fmt: skip


@pytest.mark.parametrize("value", [DEEP, LOOPED, WIDE, HUGE], ids=["shared", "looped", "long", "huge"])
@pytest.mark.parametrize("place", PLACES)
def test_hostile_values_in_every_place(loads, place, value):
    loads(HEADER + PLACES[place](value) + b".")


@pytest.mark.parametrize("full", [*CLASSES, "collections.Counter"])
@pytest.mark.parametrize("value", [DEEP, LOOPED], ids=["shared", "looped"])
def test_hostile_arguments_of_every_class(loads, full, value):
    call = name(full) + value + b"\x85R" + value + b"b"
    loads(HEADER + call + b".")
    loads(HEADER + entry("G_ema", module(text("_buffers") + entry("w_avg", call))) + b".")


def test_keys_are_compared_in_constant_time():
    many = b"".join(b"\x8a\x0b" + (k * (2**61 - 1)).to_bytes(11, "little") + b"N" for k in range(1, 20_000))
    found = read_pickle(io.BytesIO(HEADER + b"}(" + many + b"u."))  # whose hashes are all zero
    assert len(found) == 19_999
    assert {type(key) for key in found} == {Record}
    long = read_pickle(io.BytesIO(HEADER + b"}(" + 2 * (text("y" * 5000) + b"N") + b"u."))
    assert len(long) == 2


def test_storages_that_claim_a_lot(tmp_path, refused):
    """A view of the last number of a large storage, and one whose two numbers are far apart."""
    for size, stride, offset in [((1,), (1,), 1 << 39), ((2,), (1 << 39,), 0), ((1 << 41,), (0,), 0)]:

        def integer(value: int) -> bytes:
            return b"\x8a\x06" + value.to_bytes(6, "little")

        claim = (
            name("torch._utils._rebuild_tensor_v2") + b"(("
            + text("storage") + name("torch.FloatStorage") + text("0") + text("cpu") + integer(1 << 39) + b"tQ"
            + integer(offset) + integer(size[0]) + b"\x85" + integer(stride[0]) + b"\x85tR"
        )  # fmt: skip
        with zipfile.ZipFile(tmp_path / "b.bin", "w") as archive:
            archive.writestr("b/data.pkl", HEADER + entry("<s>", claim) + b".")
            archive.writestr("b/data/0", b"\0" * 4000)
        refused("'b.bin'", partial(load_style, width=size[0]), tmp_path / "b.bin")


def test_members_and_directories_that_claim_a_lot(tmp_path, refused, monkeypatch):
    path = tmp_path / "a.pt"
    torch.save({"<s>": torch.ones(16)}, path)
    content = path.read_bytes()
    place = content.rindex(b"PK\x01\x02")  # the last member in the directory
    lie = content[: place + 20] + b"\xf0\xff\xff\xff" * 2 + content[place + 28 :]
    path.write_bytes(lie)
    load_style(path, 16)  # that member is not read
    path.write_bytes(content)
    monkeypatch.setattr(tensors, "MAX_DIRECTORY_BYTES", 100)
    refused("where a small one belongs", load_style, path, 16)


def test_compressed_members_are_refused(tmp_path, refused):
    with zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\0" * 50_000_000)
    refused("is compressed", load_style, tmp_path / "a.pt", 16)


def test_a_header_of_safetensors_is_bounded(tmp_path, refused):
    header = b'{"__metadata__":{"format":"' + b"x" * (17 << 20) + b'"}}'
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    refused("header is larger", load_style, tmp_path / "a.safetensors", 16)
    refused("header is larger", load_generator, tmp_path / "a.safetensors")


# ---------------------------------------------------------------------------------------------- printing


def test_plain_values_are_shown_and_others_named():
    deep = ()
    for _ in range(60):
        deep = (deep, deep)
    assert [shown(value) for value in ("a'b", 3, -1.5, None, True)] == ["'a'b'", "3", "-1.5", "None", "True"]
    assert shown(deep) == "a value of type tuple"
    assert shown("x" * 10**6, 10) == "'xxxxxxx...'"
    assert shown("line\nand \x1b[31m") == "'line?and ?[31m'"
    assert shown(1 << 10_000) == "an integer of 10001 bits"
    assert shown(b"bytes") == "a value of type bytes"


def test_errors_are_shown_only_when_their_values_are_plain():
    deep = ()
    for _ in range(60):
        deep = (deep, deep)
    assert shown_error(KeyError(deep)) == "KeyError"
    assert shown_error(ValueError(1 << 10_000)) == "ValueError"
    assert shown_error(ValueError()) == "ValueError"
    assert shown_error(ValueError("one\ntwo")) == "one"
    assert len(shown_error(ValueError("x" * 10**6))) == 160


# ---------------------------------------------------------------------------------------------- unknown classes


def test_unknown_classes_in_places_that_nobody_reads(tmp_path):
    """Paths, random states, statistics of a training loop: they are not looked up, and do not matter."""
    import pathlib

    import numpy as np

    class Statistics(dict):
        pass

    Statistics.__qualname__ = "Statistics"
    globals()["Statistics"] = Statistics
    beside = {
        "path": pathlib.PurePosixPath("a/b"),
        "numpy": np.random.RandomState(0),
        "generator": np.random.default_rng(0),
        "statistics": Statistics(a=1),
        "parameters": torch.nn.ParameterDict({"a": torch.nn.Parameter(torch.ones(2))}),
        "module": torch.nn.Linear(2, 2),
        "frozen": frozenset([1]),
        (1, 2): "a tuple as a key",
        2**70: "a large key",
    }
    torch.save({"string_to_param": {"*": torch.ones(1, 16)}, "name": "sepia", "beside": beside}, tmp_path / "a.pt")
    assert load_style(tmp_path / "a.pt", 16).vectors.shape == (1, 16)


ACCUSED = (
    "os.system", "posix.popen", "nt.system", "subprocess.Popen", "builtins.eval", "builtins.exec", "runpy.run_path",
    "__builtin__.execfile", "builtins.getattr", "importlib.import_module", "socket.socket", "shutil.rmtree",
    "ctypes.CDLL", "pickle.loads", "torch.load", "numpy.load", "operator.attrgetter", "io.open", "pty.spawn",
    "collections.OrderedDict.__reduce__", "webbrowser.open", "torch.hub.load",
)  # fmt: skip
NOT_ACCUSED = (
    "pathlib.PosixPath", "torch.nn.modules.container.ParameterDict", "__main__.Config", "osmium.Map", "io.BytesIO",
    "numpy.random._pickle.__randomstate_ctor", "training.loop.Statistics", "functools.partial",
    "types.SimpleNamespace", "builtins.frozenset", "code.model.Generator", "test.Options",
)  # fmt: skip


@pytest.mark.parametrize("full", ACCUSED)
def test_names_that_run_code_are_named(full):
    module_name, _, attribute = full.partition(".") if full.startswith("collections") else full.rpartition(".")
    with pytest.raises(EngineError, match=f"wants to use '{full}', which can run code"):
        read_pickle(io.BytesIO(HEADER + text(module_name) + text(attribute) + b"\x93."))


@pytest.mark.parametrize("full", NOT_ACCUSED)
def test_other_names_are_records(full):
    found = read_pickle(io.BytesIO(HEADER + name(full) + b"K\x01\x85R."))
    assert (found.name, found.args) == (full, (1,))
