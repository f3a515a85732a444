import pytest

from engines.base import EngineError
from engines.clip.prompts import MAX_PROMPT, WeightedText, parse_prompt


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a red apple", [("a red apple", 1.0)]),
        ("a red apple:1 | watercolor:0.4 | text:-0.3", [("a red apple", 1.0), ("watercolor", 0.4), ("text", -0.3)]),
        ("빨간 사과 : .5", [("빨간 사과", 0.5)]),
        ("a cat at 10:30 | tea", [("a cat at 10", 30.0), ("tea", 1.0)]),
        ("note: a dog", [("note: a dog", 1.0)]),
        ("  ", []),
        (" | a | ", [("a", 1.0)]),
        ("a\x00b\nc", [("a b c", 1.0)]),
    ],
)
def test_known_values(prompt, parts):
    assert parse_prompt(prompt) == [WeightedText(*part) for part in parts]


@pytest.mark.parametrize("prompt", [":0.5", "a | :1", "x" * (MAX_PROMPT + 1)])
def test_exceptions(prompt):
    with pytest.raises(EngineError):
        parse_prompt(prompt)
