"""Values from untrusted files in messages for people.

Printing, comparing or hashing an unchecked value is not safe: a tuple that is shared 60 levels deep takes 300 bytes in
a pickle and 2^60 characters as text. Everything from a file that goes into a message goes through `shown` first.
"""

from __future__ import annotations

from typing import Any

__all__ = ["shown", "shown_error"]

MAX_BITS = 128
"""Integers beyond this are described and not printed."""


def shown(value: Any, limit: int = 60) -> str:
    """A plain value as text of at most `limit` characters on one line, strings in quotes; others by their type only."""
    if type(value) is str:
        text = "".join(character if character.isprintable() else "?" for character in value[: limit + 1])
        return f"'{text}'" if len(text) <= limit else f"'{text[: limit - 3]}...'"
    if type(value) is int and value.bit_length() > MAX_BITS:
        return f"an integer of {value.bit_length()} bits"
    if value is None or type(value) in (bool, int, float):
        return repr(value)
    return f"a value of type {type(value).__name__[:limit]}"


def shown_error(error: Exception, limit: int = 160) -> str:
    """The first line of an error's message; the name of its class if it has none or carries other than plain values."""
    if not all(type(value) in (str, int, float, bool, type(None)) for value in error.args):
        return type(error).__name__
    if any(type(value) is int and value.bit_length() > MAX_BITS for value in error.args):
        return type(error).__name__
    lines = str(error).strip()[: 4 * limit].splitlines()
    return "".join(c if c.isprintable() else "?" for c in lines[0][:limit]) if lines else type(error).__name__
