import pytest
import torch
import torch.nn.functional as F

from evaluation.retrieval import Examiner
from world.subjects import Subject


class Reader:
    """A model whose pictures and texts are one-hot: a picture by its brightest channel, a text by its first letter."""

    def encode_image(self, pictures, normalize):
        return F.one_hot(pictures.mean((2, 3)).argmax(1), 3).float()

    def encode_text(self, letters, normalize):
        return F.one_hot(letters, 3).float()


def first_letters(texts):
    return torch.tensor(["rgb".index(text[0]) for text in texts])


class Plain:
    """Composes nothing: subject 0 is a red picture, 1 a green one, 2 a blue one."""

    def __call__(self, index, generator, guises=False):
        pictures = torch.zeros(len(index), 3, 4, 4)
        pictures[torch.arange(len(index)), index] = 1
        return pictures.roll(1, dims=1) if guises == "wrong" else pictures


@pytest.fixture
def examiner():
    subjects = [Subject(name[0], name, name, (), False) for name in ("red", "green", "blue")]
    return Examiner(Reader(), first_letters, subjects, Plain(), seed=1)


def test_retrieval_is_perfect_for_who_knows_and_nil_for_who_is_misled(examiner):
    assert examiner.retrieval() == {"en_r1": 1.0, "en_r5": 1.0, "ko_r1": 1.0, "ko_r5": 1.0}
    assert examiner.retrieval(guises="wrong")["en_r1"] == 0
    assert examiner.retrieval(change=lambda pictures, _: pictures.roll(1, dims=1))["ko_r1"] == 0


def test_prompts_are_matched_with_the_pictures(examiner):
    assert examiner.prompts([("ruby", "red"), ("grass", "green")])["r1"] == 1
    assert examiner.prompts([("ruby", "blue"), ("grass", "green")])["r1"] == 0.5


def test_a_twin_is_preferred_only_when_it_fits_better(examiner):
    assert examiner.preferred_to(lambda pictures, _: pictures.roll(1, dims=1)) == 1
    assert examiner.preferred_to(lambda pictures, _: pictures) == 0


def test_the_shipped_weights_name_unseen_compositions(pocket, subjects, composer):
    encoder = pocket.clip()
    scores = Examiner(encoder.model, encoder.tokenizer, subjects, composer, seed=20_261_121).retrieval()
    assert scores["en_r1"] >= 0.85
    assert scores["ko_r1"] >= 0.75
