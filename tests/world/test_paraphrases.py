"""Every subject in other words, none of which is a test prompt."""

import random

from benchmarks.drawings import REPHRASED, read_prompts
from world.paraphrases import load_paraphrases, thinned
from world.subjects import load_subjects


def test_every_subject_has_phrases_in_both_languages():
    phrases = load_paraphrases()
    assert [subject.en for subject in load_subjects()] == list(phrases)
    for english, korean in phrases.values():
        assert all((*english, *korean))
        assert any("가" <= letter <= "힣" for letter in "".join(korean))


def test_no_test_prompt_holds_a_phrase_or_is_in_one():
    prompts = [prompt.lower() for prompt, name in read_prompts(REPHRASED)]
    names = {subject.ko for subject in load_subjects()}
    for english, korean in load_paraphrases().values():
        for phrase in (*english, *korean):
            known = phrase.lower()
            assert not any(known in prompt or prompt in known for prompt in prompts if prompt not in names)


def test_some_words_may_be_missing_but_never_most():
    rng = random.Random(0)
    phrase = "a small wooden boat with a big white sail"
    thin = [thinned(phrase, rng) for _ in range(200)]
    assert {len(text.split()) for text in thin} >= {7, 8, 9}
    assert all(len(text.split()) >= 3 and set(text.split()) <= set(phrase.split()) for text in thin)
    assert thinned("red apple", rng) == "red apple"
