"""Reading pickles without running them.

A pickle is a small program that may call any function. Here its opcodes (as the standard library's pickletools decodes
them) are carried out by a machine that has nothing to call: functions and classes stay names, and what would be made
with them becomes a `Record` of name and arguments. What a record means, if anything, is for the reader of a format.

Time and memory are in proportion to the file: nothing is copied but from its bytes, keys are plain values (so that no
hash goes into a deep structure), steps are counted, and no step goes deeper into the interpreter than the one before.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from engines.errors import EngineError

__all__ = ["Global", "Record", "read_pickle"]

MAX_STEPS = 1_000_000
"""Opcodes; a StyleGAN2 of 1024 px has about 50,000. A step may be a byte in the file and 100 in memory."""

DICTS = {"collections.OrderedDict", "dnnlib.EasyDict", "dnnlib.util.EasyDict"}

STORED = ("BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")

NAMES = DICTS | {
    "__builtin__.set",
    "_codecs.encode",
    "argparse.Namespace",
    "builtins.dict",
    "builtins.list",
    "builtins.set",
    "dnnlib.tflib.network.Network",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
    "torch.Size",
    "torch.device",
    "torch.storage._load_from_bytes",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch_utils.persistence._reconstruct_persistent_obj",
    *(f"torch.{kind}Storage" for kind in STORED),
    *(f"torch.{kind}" for kind in ("bfloat16", "bool", "float16", "float32", "float64", "int32", "int64", "uint8")),
}
"""All that the checkpoints in use name. None of them is ever looked up; a file that names another is refused."""

PUSHED = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
          "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}  # fmt: skip
CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function, "module.name"."""

    name: str


@dataclass(slots=True, eq=False, repr=False)
class Record:
    """What a call of `name` with `args` would have made, and the state it would have been given."""

    name: str
    args: tuple
    state: Any = None


def read_pickle(file: BinaryIO, persistent_load: Callable[[Any], Any] | None = None) -> Any:
    """The value of the pickle at the position of `file`, which is left behind its end.

    It consists of None, booleans, numbers, strings, bytes, lists (also for sets), tuples, dicts, `Global` and `Record`,
    and what `persistent_load` returns for each persistent id. Lists, dicts and records may contain themselves.
    Raises `EngineError` for a name that is not in `NAMES`, and `ValueError` or `LookupError` for what is no pickle.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def pop_to_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for step, (opcode, value, _) in enumerate(pickletools.genops(file)):
        if step == MAX_STEPS:
            raise EngineError(
                "The file has more than {MAX_STEPS} steps, far more than any model; choose another.",
                MAX_STEPS=MAX_STEPS,
            )
        match opcode.name:
            case name if name in PUSHED:
                stack.append(value)
            case name if name in CONSTANTS:
                stack.append(CONSTANTS[name])
            case "PROTO" | "FRAME":
                pass
            case "POP":
                stack.pop()
            case "STOP":
                return stack.pop()
            # ------------------------------------------------------------------ memory
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINPUT" | "LONG_BINPUT":
                memo[value] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[value])
            # ------------------------------------------------------------------ containers
            case "MARK":
                marks.append(len(stack))
            case "EMPTY_LIST" | "EMPTY_SET":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case name if name in TUPLES:
                items = tuple(stack[-TUPLES[name] :])
                del stack[-TUPLES[name] :]
                stack.append(items)
            case "TUPLE":
                stack.append(tuple(pop_to_mark()))
            case "APPEND":
                _extend(stack[-2], [stack.pop()])
            case "APPENDS" | "ADDITEMS":
                items = pop_to_mark()
                _extend(stack[-1], items)
            case "SETITEM":
                items = stack[-2:]
                del stack[-2:]
                _update(stack[-1], items)
            case "SETITEMS":
                items = pop_to_mark()
                _update(stack[-1], items)
            # ------------------------------------------------------------------ names and what is made with them
            case "GLOBAL":
                stack.append(_global(*value.split(" ", 1)))
            case "STACK_GLOBAL":
                name = stack.pop()
                stack.append(_global(stack.pop(), name))
            case "REDUCE" | "NEWOBJ":
                args = stack.pop()
                stack.append(_make(stack.pop(), args))
            case "BUILD":
                state = stack.pop()
                _set_state(stack[-1], state)
            case "BINPERSID":
                if persistent_load is None:
                    raise ValueError("it refers to data outside itself")
                stack.append(persistent_load(stack.pop()))
            case name:
                raise ValueError(f"it uses the opcode {name}")
    raise ValueError("it has no end")


def _extend(target: Any, items: list[Any]) -> None:
    if type(target) is not list:
        raise ValueError("it appends to what is no list")
    target.extend(items)


def _update(target: Any, items: list[Any]) -> None:
    if type(target) is not dict:
        raise ValueError("it sets items of what is no dict")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str | int | float | bytes | None):
            raise ValueError("it has a key that is no plain value")
        target[key] = value


def _global(module: Any, name: Any) -> Global:
    full = f"{module}.{name}"
    if full not in NAMES:
        raise EngineError(
            "The file wants to use '{full}', which no model needs, and was not opened any further; "
            "choose one from a source you trust.",
            full=full[:80],
        )
    return Global(full)


def _make(function: Any, args: Any) -> Any:
    if type(function) is not Global or type(args) is not tuple:
        raise ValueError("it calls what is no function")
    if function.name in DICTS:
        if args:
            raise ValueError("it makes a dict from other things than its items")
        return {}
    return Record(function.name, args)


def _set_state(target: Any, state: Any) -> None:
    """A dict keeps its items alone: torch hangs a note on the layout of modules to its ordered dicts."""
    if type(target) is Record:
        target.state = state
    elif type(target) is not dict:
        raise ValueError("it gives a state to what has none")
