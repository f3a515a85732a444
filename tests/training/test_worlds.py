import random

import torch

from training.worlds.captions import caption, corpus
from training.worlds.emoji import hue_rotation, line_drawing


def test_subjects_have_two_names_and_no_twins(subjects):
    assert len(subjects) == 1327
    assert len({subject.en for subject in subjects}) == len(subjects)
    assert all(any("가" <= letter <= "힣" for letter in s.ko) or s.ko.isascii() or s.ko for s in subjects)
    by_name = {subject.en: subject for subject in subjects}
    assert by_name["red apple"].ko == "빨간 사과"
    assert by_name["red apple"].colour_named
    assert not by_name["sailboat"].colour_named


def test_captions_are_of_the_subject_and_in_the_corpus(subjects):
    rng, known = random.Random(0), set(corpus(subjects[:20]))
    assert all(caption(subject, rng) in known for subject in subjects[:20] for _ in range(20))


def test_pictures_are_composed_by_the_seed(composer):
    index = torch.tensor([3, 500, 900])
    one, same, other = (composer(index, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one.shape == (3, 3, 64, 64)
    assert one.min() >= 0
    assert one.max() <= 1
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_hue_rotation_keeps_grey_and_comes_round():
    turns = hue_rotation(torch.tensor([1.0, 2 * torch.pi / 3, 2 * torch.pi]))
    grey = torch.full((3, 3, 1), 0.4)
    assert torch.allclose(turns @ grey, grey, atol=1e-6)
    assert torch.allclose(turns[2], torch.eye(3), atol=1e-5)
    red = torch.tensor([1.0, 0, 0])
    assert torch.allclose(turns[1] @ red, torch.tensor([0.0, 1, 0]), atol=1e-5)


def test_lines_stand_where_brightness_changes():
    picture = torch.ones(1, 3, 8, 8)
    picture[..., 4:] = 0
    ink = line_drawing(picture)[0, 3]
    assert ink[:, 3:5].min() > 0.5
    assert ink[:, :3].max() == 0
