"""Reads pickles without running them.

A pickle is a small program that may call any function. Here its opcodes (as the standard library's pickletools decodes
them) are executed by a machine that has nothing to call: classes and functions stay names, and a call becomes a
`Record` of the name and the arguments. What a record means is decided by the reader of a format, so a file may name
anything in places that nobody reads. Only a file that names a function which runs code or opens files is refused.

Time and memory are proportional to the file: only its own bytes are copied, dictionary keys are short plain values or
compared by identity (no hash descends into a structure), steps are counted, and no step recurses deeper than the last.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from engines.checkpoints.names import runs_code
from engines.errors import EngineError
from engines.shown import shown

__all__ = ["Global", "Record", "items_of", "read_pickle"]

MAX_STEPS = 1_000_000
"""Opcodes; a StyleGAN2 of 1024 px has about 50,000. A step may be a byte in the file and 100 in memory."""
MAX_NAME = 200
"""Characters of a module or of a name in it."""
MAX_KEY = 1000
"""Characters of a key. Equal keys that are two objects are compared with each other, again each time one is set."""
MAX_KEY_BITS = 60
"""Integers are hashed modulo 2^61 - 1: larger keys can be made to collide, which makes a dict quadratic."""
MAX_INT_BITS = 1024
"""No checkpoint holds larger integers; arithmetic with them would not be constant time."""

DICTS = {
    "builtins.dict",
    "collections.Counter",
    "collections.OrderedDict",
    "collections.defaultdict",
    "dnnlib.EasyDict",
    "dnnlib.util.EasyDict",
}

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
    """A call of `name` with `args`, the state that its result would be given, and the items that would be set in it."""

    name: str
    args: tuple
    state: Any = None
    items: dict | None = None


def items_of(value: Any) -> dict | None:
    """The items of a dict or of a record of a dict's subclass; None for anything else."""
    if type(value) is Record:
        value = value.items
    return value if type(value) is dict else None


def read_pickle(file: BinaryIO, persistent_load: Callable[[Any], Any] | None = None, max_steps: int = MAX_STEPS) -> Any:
    """The value of the pickle at the position of `file`, which is left behind its end.

    It consists of None, booleans, numbers, strings, bytes, lists (also for sets), tuples, dicts, `Global` and `Record`,
    and what `persistent_load` returns for each persistent id. Lists, dicts and records may contain themselves, and
    tuples may be shared so often that walking them takes forever: check types before doing anything with a value.
    Raises `EngineError` when a name in it runs code, and `ValueError` or `LookupError` when it is no pickle.
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
        if step == max_steps:
            raise EngineError(
                "The file has more than {max_steps} steps, far more than any model; choose another.",
                max_steps=max_steps,
            )
        match opcode.name:
            case name if name in PUSHED:
                stack.append(_bounded(value))
            case name if name in CONSTANTS:
                stack.append(CONSTANTS[name])
            case "PROTO" | "FRAME":
                pass
            case "POP":
                stack.pop()
            case "POP_MARK":
                pop_to_mark()
            case "STOP":
                return stack.pop()
            case "BYTEARRAY8":
                stack.append(bytes(value))
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
            case "FROZENSET":
                stack.append(pop_to_mark())
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
            # ------------------------------------------------------------------ names and calls
            case "GLOBAL":
                stack.append(_global(*value.split(" ", 1)))
            case "STACK_GLOBAL":
                name = stack.pop()
                stack.append(_global(stack.pop(), name))
            case "REDUCE" | "NEWOBJ":
                args = stack.pop()
                stack.append(_make(stack.pop(), args))
            case "NEWOBJ_EX":
                stack.pop()
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


def _bounded(value: Any) -> Any:
    if type(value) is int and value.bit_length() > MAX_INT_BITS:
        raise ValueError(f"it has {shown(value)}")
    return value


def _extend(target: Any, items: list[Any]) -> None:
    """Lists keep what is appended; the subclasses of lists that are records do not, as nobody reads them."""
    if type(target) is list:
        target.extend(items)
    elif type(target) is not Record:
        raise ValueError("it appends to what is no list")


def _update(target: Any, items: list[Any]) -> None:
    if type(target) is Record:
        target.items = {} if target.items is None else target.items
        target = target.items
    if type(target) is not dict:
        raise ValueError("it sets items of what is no dict")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[_key(key)] = value


def _key(key: Any) -> Any:
    """A key that is hashed and compared in constant time: a short plain value, or an object that equals only itself."""
    if type(key) in (str, bytes):
        is_short = len(key) <= MAX_KEY
    elif type(key) is int:
        is_short = key.bit_length() <= MAX_KEY_BITS
    elif type(key) is tuple:
        is_short = False
    elif key is None or type(key) in (bool, float, Global, Record):
        is_short = True
    else:
        raise ValueError("it has a key that is no plain value")
    return key if is_short else Record("key", (key,))


def _global(module: Any, name: Any) -> Global:
    if not (type(module) is type(name) is str and len(module) <= MAX_NAME and len(name) <= MAX_NAME):
        raise ValueError("it has a class without a name")
    if runs_code(module, name):
        raise EngineError(
            "The file wants to use {value}, which can run code on this computer. Nothing was run; choose "
            "one from a source you trust.",
            value=shown(f"{module}.{name}", 80),
        )
    return Global(f"{module}.{name}")


def _make(function: Any, args: Any) -> Any:
    if type(function) not in (Global, Record) or type(args) is not tuple:
        raise ValueError("it calls what is no function")
    if function.name in DICTS and (not args or type(args[0]) in (Global, dict)):
        return args[0] if args and type(args[0]) is dict else {}  # a defaultdict has a class as its argument
    return Record(function.name, args)


def _set_state(target: Any, state: Any) -> None:
    """A dict keeps its items alone: torch attaches the layout of modules to its ordered dicts."""
    if type(target) is Record:
        target.state = state
    elif type(target) is not dict:
        raise ValueError("it gives a state to what has none")
