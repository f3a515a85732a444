"""Sentences for the user, and the error that carries one.

A sentence keeps its template and the values that fill it, so that the page can translate it by its template::

    Sentence("Setting '{name}' needs a number.", name="seed")
    raise EngineError("There is no setting '{name}'.", name="colour")
"""

from __future__ import annotations

from typing import Any

__all__ = ["EngineError", "Sentence", "joined"]


class Sentence(str):
    """A sentence with named values: a plain `str` that also knows its `template` and its `values`.

    A value may be a `Sentence` in its turn. Without values the template is the sentence, braces included.
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, /, **values: Any) -> Sentence:
        sentence = super().__new__(cls, template.format(**values) if values else template)
        sentence.template, sentence.values = template, values
        return sentence

    def __reduce__(self) -> tuple:
        return Sentence.from_plain, (self.to_plain(),)

    def to_plain(self) -> dict[str, Any]:
        """Template and values as JSON values, for files."""
        return {"template": self.template, "values": {name: _plain(value) for name, value in self.values.items()}}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Sentence:
        """The reverse of `to_plain`."""
        values = {
            name: cls.from_plain(value) if isinstance(value, dict) else value for name, value in plain["values"].items()
        }
        return cls(plain["template"], **values)


def _plain(value: Any) -> Any:
    if isinstance(value, Sentence):
        return value.to_plain()
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def joined(*sentences: str) -> str:
    """Several sentences as one, without the empty ones."""
    present = [sentence for sentence in sentences if sentence]
    if len(present) < 2:
        return present[0] if present else ""
    return Sentence("{first} {rest}", first=present[0], rest=joined(*present[1:]))


class EngineError(Exception):
    """An error the user can fix; the message says how.

    template: one plain sentence with named blanks, "There is no setting '{name}'."; values: what fills the blanks, also
    other sentences or errors. A template without values is taken as it is.
    """

    def __init__(self, template: str, /, **values: Any):
        values = {name: value.sentence if isinstance(value, EngineError) else value for name, value in values.items()}
        if not values and isinstance(template, Sentence):
            self.sentence = template
        else:
            self.sentence = Sentence(template, **values)
        super().__init__(self.sentence)

    @property
    def template(self) -> str:
        return self.sentence.template

    @property
    def values(self) -> dict[str, Any]:
        return self.sentence.values
