import numpy as np
import torch

from evaluation.judge import Judge
from training.judge import compose


def test_the_judge_names_clean_pictures(subjects, composer):
    """One plain picture of every thirteenth subject; it was trained on far wilder ones."""
    judge = Judge.load()
    chosen = list(range(0, len(subjects), 13))
    sprites = composer.atlas[chosen]
    pictures = ((sprites[:, :3] + 1 - sprites[:, 3:]) * 255).byte().permute(0, 2, 3, 1).numpy()
    ranks = np.array(judge.ranks(list(pictures), chosen))
    assert (ranks == 1).mean() > 0.9


def test_a_blank_picture_is_not_named(subjects):
    ranks = Judge.load().ranks([np.full((64, 64, 3), 255, np.uint8)] * 3, [0, 400, 800])
    assert max(ranks) > 20


def test_its_pictures_are_its_own(composer):
    index = torch.tensor([5, 6])
    sprites, flags = composer.atlas[index], composer.recolourable[index]
    pictures = compose(sprites, flags, torch.Generator().manual_seed(0))
    assert pictures.shape == (2, 3, 64, 64)
    assert not torch.equal(pictures, composer(index, torch.Generator().manual_seed(0)))
