"""Edits of a portrait that can be asked for in words and read off by a truth meter."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EDITS", "PortraitEdit"]


@dataclass(frozen=True)
class PortraitEdit:
    """name: also of the embedded mapper. prompt, neutral: what is asked. attribute, goal: what is to be read then."""

    name: str
    prompt: str
    attribute: str
    goal: str
    neutral: str = "face"


EDITS = (
    PortraitEdit("glasses", "face with glasses", "glasses", "glasses"),
    PortraitEdit("sunglasses", "face with sunglasses", "glasses", "sunglasses"),
    PortraitEdit("beard", "face with a beard", "beard", "beard"),
    PortraitEdit("smile", "face with a smile", "expression", "smiling"),
    PortraitEdit("angry", "face with an angry expression", "expression", "angry", "face with a neutral expression"),
    PortraitEdit("blonde", "face with blonde hair", "hair colour", "blonde"),
    PortraitEdit("hat", "face with a top hat", "hat", "top hat", "face without a hat"),
    PortraitEdit("old", "old face", "age", "old"),
    PortraitEdit("make-up", "face with make-up", "make-up", "make-up"),
    PortraitEdit("curly", "face with curly hair", "hair style", "curly"),
)
