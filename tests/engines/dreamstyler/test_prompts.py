import pytest

from engines.dreamstyler.prompts import STYLE_PROMPT, normalize, sentence_of, split_at_place, without_style


def test_one_place(refused):
    assert split_at_place("a dog in the style of {}, at night") == ("a dog in the style of ", ", at night")
    refused("'a dog' has no place for the style; write {} in it exactly once", split_at_place, "a dog")
    refused("has 2 places for the style", split_at_place, "{} in {}")


def test_the_style_may_be_called_by_its_name():
    assert normalize("a dog in <sks1> style", "<sks1>") == "a dog in {} style"
    assert normalize("a dog", "") == "a dog"


def test_a_caption_becomes_a_sentence():
    assert sentence_of(" two pears on a cloth. ") == "A painting of two pears on a cloth, in the style of {}"
    assert sentence_of("an etching of pears by {}") == "an etching of pears by {}"
    assert sentence_of("") == STYLE_PROMPT


@pytest.mark.parametrize(
    ("prompt", "context"),
    [
        ("A painting of a dog in the style of {}", "A painting of a dog"),
        ("A painting of a dog, in the style of {}", "A painting of a dog"),
        ("A dog painted in the manner of {}, at night", "A dog, at night"),
        ("a dog in {} style", "a dog"),
        ("a dog in {}'s style", "a dog"),
        ("a dog, {}", "a dog"),
        ("a {} dog", "a dog"),
        ("강아지 그림, {} 스타일로", "강아지 그림"),
        ("{} 풍으로 그린 강아지", "강아지"),
        ("a dog", "a dog"),
    ],
)
def test_the_context_is_what_is_not_style(prompt, context):
    assert without_style(prompt) == context
