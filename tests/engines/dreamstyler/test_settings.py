import pytest

from engines.base import EngineError, LiveSettings
from engines.dreamstyler.settings import DreamStylerSettings

BAD = {
    "no painting": ({}, "'painting_1' is empty"),
    "no prompt": ({"mode": "paint"}, "'prompt' is empty"),
    "no photo": ({"mode": "restyle"}, "'photo' is empty"),
    "no place": ({"mode": "paint", "style_file": "a.bin", "prompt": "a dog"}, "'prompt': .*'a dog' has no place"),
    "two places": ({"painting_1": "a.png", "prompt": "a {} dog, {}"}, "'prompt': .* has 2 places"),
    "two names": ({"painting_1": "a.png", "prompt": "a <style> dog, {}"}, "'prompt': .* has 2 places"),
    "two in a caption": ({"painting_1": "a.png", "caption_1": "{} {}"}, "'caption_1': .* has 2 places"),
    "nothing to mix with": ({"mode": "paint", "prompt": "a dog", "second_style_file": "a.bin"}, "choose 'style' too"),
    "no shares": ({"painting_1": "a.png", "mix": "0 half"}, "'mix' needs numbers"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_refused(kind):
    values, reason = BAD[kind]
    with pytest.raises(EngineError, match=reason) as caught:
        DreamStylerSettings.parse(values)
    assert "\n" not in str(caught.value)


def test_a_place_is_needed_only_for_a_style():
    DreamStylerSettings.parse({"mode": "paint", "prompt": "a dog"})
    live = LiveSettings(DreamStylerSettings.parse({"painting_1": "a.png", "prompt": "a dog in <style> style"}))
    assert live.current.normalized("prompt") == "a dog in {} style"
    with pytest.raises(EngineError, match="has no place"):
        live.update(prompt="a dog")


def test_captions_may_be_bare():
    settings = DreamStylerSettings.parse({"painting_1": "a.png", "caption_1": "a cat", "painting_3": "b.png"})
    assert settings.paintings == (("a.png", "a cat"), ("b.png", ""))


def test_shares_begin_with_the_structure():
    settings = DreamStylerSettings.parse({"painting_1": "a.png", "mix": "0, 0.5, 1"})
    assert [settings.share_at(timestep, 1000) for timestep in (999, 667, 666, 334, 333, 0)] == [0, 0, 0.5, 0.5, 1, 1]
