import random
import re

from world.phrasing import Phrasing


def sentences(subjects, count=600, seed=0):
    phrasing, rng = Phrasing(subjects), random.Random(seed)
    return [(subject, phrasing(subject, rng)) for subject in rng.choices(subjects, k=count)]


def test_every_sentence_holds_a_word_for_its_subject(subjects):
    for subject, sentence in sentences(subjects):
        words = {subject.en, *subject.aliases, *subject.keywords, subject.ko, *subject.aliases_ko, *subject.keywords_ko}
        assert any(word in sentence for word in words), sentence


def test_sentences_are_english_or_korean_and_mostly_longer_than_the_name(subjects):
    said = [(subject, sentence) for subject, sentence in sentences(subjects)]
    korean = [sentence for _, sentence in said if re.search("[가-힣]", sentence)]
    assert 0.3 < len(korean) / len(said) < 0.6
    longer = [sentence for subject, sentence in said if len(sentence) > len(subject.en) + 3]
    assert len(longer) > len(said) / 2


def test_the_same_seed_says_the_same(subjects):
    assert sentences(subjects, 20, seed=5) == sentences(subjects, 20, seed=5)
    assert sentences(subjects, 20, seed=5) != sentences(subjects, 20, seed=6)


def test_a_keyword_of_its_own_is_preferred_to_a_shared_one(subjects):
    phrasing, rng = Phrasing(subjects), random.Random(0)
    beetle = next(subject for subject in subjects if subject.en == "lady beetle")
    said = [phrasing(beetle, rng) for _ in range(2000)]
    own, shared = (sum(bool(re.search(rf"\b{word}\b", s)) for s in said) for word in ("ladybug", "garden"))
    assert phrasing.shared["ladybug"] < phrasing.shared["garden"]
    assert own > 1.5 * shared


def test_particles_fit_the_word_before(subjects):
    said = " / ".join(sentence for _, sentence in sentences(subjects, 3000))
    shown = re.findall(r"([가-힣])(을|를) 보여 줘", said)
    assert len(shown) > 20
    assert all(((ord(last) - ord("가")) % 28 > 0) == (particle == "을") for last, particle in shown)
