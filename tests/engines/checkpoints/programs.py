"""Small pickles written opcode by opcode: what no honest pickler writes, and random programs."""

import random
import struct

HEADER = b"\x80\x04"
EXECUTED = ("os.system", "posix.system", "subprocess.Popen", "builtins.eval", "builtins.exec", "runpy.run_path")
CLASSES = (
    "argparse.Namespace", "builtins.set", "collections.OrderedDict", "collections.defaultdict", "numpy.dtype",
    "numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar", "pathlib.PosixPath", "torch.FloatStorage",
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_tensor_v2", "torch.storage._load_from_bytes",
    "torch_utils.persistence._reconstruct_persistent_obj", "dnnlib.tflib.network.Network", "training.loop.Statistics",
)  # fmt: skip
WORDS = (
    "G_ema", "g_ema", "state_dict", "opts", "latent_avg", "class_name", "Generator", "state", "_modules", "_parameters",
    "_buffers", "_init_args", "_init_kwargs", "synthesis", "mapping", "mapping_kwargs", "w_avg", "architecture", "skip",
    "synthesis.b4.const", "conv1.conv.weight", "conv_clamp", "version", "components", "variables", "static_kwargs",
    "label_size", "module", "mapper.mapping.mapping.1.bias", "description", "encoder.styles.0.linear.weight",
    "string_to_param", "emb_params", "*", "storage", "latin1", "f4", "<", "",
)  # fmt: skip
"""All that makes a reader look further."""


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def name(full: str) -> bytes:
    module, _, attribute = full.rpartition(".")
    return text(module) + text(attribute) + b"\x93"


def shared_tuple(depth: int = 60) -> bytes:
    """A tuple of two that are the same, `depth` levels deep: 2^depth leaves for whoever walks it."""
    return b")q\x00" + b"h\x00h\x00\x86q\x00" * depth


def random_program(chance: random.Random, steps: int) -> bytes:
    """A stream of opcodes that mostly fits together: values, containers, memo, names, calls and states."""
    program, depth, marks, memo = bytearray(HEADER), 0, [], 0
    for _ in range(steps):
        kind = chance.randrange(14)
        if kind < 3 or depth < 2:
            program += _leaf(chance)
            depth += 1
        elif kind == 3:
            program += b"q" + bytes([memo % 256])
            memo += 1
        elif kind == 4 and memo:
            program += b"h" + bytes([chance.randrange(min(memo, 256))])
            depth += 1
        elif kind == 5:
            program += b"("
            marks.append(depth)
        elif kind == 6 and marks and depth >= marks[-1]:
            depth = marks.pop() + 1
            program += chance.choice([b"t", b"\x91"])
        elif kind == 7 and depth >= 3 and not (marks and depth - 3 < marks[-1]):
            program += b"s"
            depth -= 2
        elif kind in (8, 9) and not (marks and depth - 2 < marks[-1]):
            program += {8: b"\x86", 9: chance.choice([b"R", b"\x81", b"b", b"a"])}[kind]
            depth -= 1
        elif kind == 10:
            program += name(chance.choice(CLASSES)) + b")\x81}" + text(chance.choice(WORDS)) + _leaf(chance) + b"sb"
            depth += 1
        elif kind == 11:
            program += b"}" + text(chance.choice(WORDS)) + (b"h\x00" if memo else b"N") + b"s"
            depth += 1
        else:
            program += b"\x85"
    return bytes(program + b".").ljust(17, b".")


def _leaf(chance: random.Random) -> bytes:
    return chance.choice(
        [
            lambda: text(chance.choice(WORDS)),
            lambda: name(chance.choice(CLASSES if chance.random() < 0.95 else EXECUTED)),
            lambda: b"K" + bytes([chance.randrange(256)]),
            lambda: b"\x8a\x09" + b"\xff" * 8 + b"\x00",
            lambda: b"G" + struct.pack(">d", chance.choice([0.0, 1.5, float("nan"), 1e308])),
            lambda: chance.choice([b"N", b"\x88", b"\x89", b")", b"]", b"}"]),
            lambda: b"C" + bytes([4]) + b"\x00\x00\x80?",
            lambda: shared_tuple(chance.randrange(60)),
        ]
    )()
