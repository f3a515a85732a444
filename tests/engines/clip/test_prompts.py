from contextlib import suppress

import pytest

from engines.base import EngineError
from engines.clip.prompts import MAX_PROMPT, WeightedText, parse_prompt


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a red apple", [("a red apple", 1.0)]),
        ("a red apple:1 | watercolor:0.4 | text:-0.3", [("a red apple", 1.0), ("watercolor", 0.4), ("text", -0.3)]),
        ("빨간 사과 : .5", [("빨간 사과", 0.5)]),
        ("a cat at 10:30 | tea", [("a cat at 10:30", 1.0), ("tea", 1.0)]),
        ("a clock showing 10:30", [("a clock showing 10:30", 1.0)]),
        ("a screen of 16:9", [("a screen of 16:9", 1.0)]),
        ("16:9", [("16:9", 1.0)]),
        ("a clock showing 10:30:0.5", [("a clock showing 10:30", 0.5)]),
        ("a street in 1900:-0.5", [("a street in 1900", -0.5)]),
        ("apple:10 | pear:-10.0", [("apple", 10.0), ("pear", -10.0)]),
        ("chapter one:11", [("chapter one:11", 1.0)]),
        ("apple:1e3 | pear:2,5 | fig:nan", [("apple:1e3", 1.0), ("pear:2,5", 1.0), ("fig:nan", 1.0)]),
        ("(watercolor:1.3)", [("watercolor", 1.3)]),
        ("( watercolor : 1.3 ) | ink", [("watercolor", 1.3), ("ink", 1.0)]),
        ("a (red:1.3) apple", [("a red apple", 1.0)]),
        ("a ((red)) [shiny] apple:2", [("a red shiny apple", 2.0)]),
        ("(a) and (b)", [("a and b", 1.0)]),
        (r"a smile \(happy\)", [("a smile (happy)", 1.0)]),
        ("a ( without an end", [("a ( without an end", 1.0)]),
        ("note: a dog", [("note: a dog", 1.0)]),
        ("  ", []),
        (" | a | ", [("a", 1.0)]),
        ("a\x00b\nc", [("a b c", 1.0)]),
    ],
)
def test_known_values(prompt, parts):
    assert parse_prompt(prompt) == [WeightedText(*part) for part in parts]


@pytest.mark.parametrize(
    ("prompt", "weight"), [("(ink)", 1.1), ("((ink))", 1.21), ("[ink]", 1 / 1.1), ("[(ink)]", 1.0), ("(ink):2", 2.2)]
)
def test_emphasis_of_a_whole_part(prompt, weight):
    (part,) = parse_prompt(prompt)
    assert part.text == "ink"
    assert part.weight == pytest.approx(weight)


def test_a_wrong_weight_is_named(refused):
    refused("The weight 30 of 'ink' is beyond ±10", parse_prompt, "(ink:30)")
    refused("The weight -20 of 'ink' is beyond", parse_prompt, "a | (ink:-2):10")
    refused("The prompt part ':0.5' has a weight but no words", parse_prompt, "a | :0.5")


@pytest.mark.parametrize("prompt", ["(" * 250 + ")" * 250, "([" * 250, ":" * 500, " " * 499 + ":", "((a:1)" * 80])
def test_hostile_prompts_are_text_or_a_sentence(prompt):
    with suppress(EngineError):
        parse_prompt(prompt)


@pytest.mark.parametrize("prompt", [":0.5", "a | :1", "x" * (MAX_PROMPT + 1)])
def test_exceptions(prompt):
    with pytest.raises(EngineError):
        parse_prompt(prompt)
