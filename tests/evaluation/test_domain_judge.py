"""The judge of domains; its training is tried with a pool of a few portraits."""

from __future__ import annotations

import os
from copy import deepcopy

import pytest
import torch

from evaluation.domain_judge import MANNERS, SIZE, DomainJudge, accuracy
from training import domain_judge
from training.domain_judge import Trainer, jitter
from world.emoji import FONT


@pytest.fixture
def chance():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def new_trainer(monkeypatch):
    if not FONT.exists() and "CI" not in os.environ:
        pytest.skip("the emoji font is missing (Debian package fonts-noto-color-emoji)")
    monkeypatch.setattr(domain_judge, "POOL", 8)
    monkeypatch.setattr(domain_judge, "EVERY", 100)
    return lambda: Trainer(20, seed=3)


def test_it_looks_at_pictures_of_any_size(chance):
    judge = DomainJudge().eval()
    pictures = torch.rand(2, 3, 128, 128, generator=chance)
    small = torch.nn.functional.avg_pool2d(pictures, 2)
    assert judge(pictures).shape == (2, len(MANNERS))
    assert torch.allclose(judge(pictures), judge(small), atol=1e-5)


def test_the_shipped_judge_tells_manners_apart():
    right = accuracy(DomainJudge.load(), count=4, seed=1)
    assert set(right) == set(MANNERS)
    assert sum(right.values()) / len(right) > 0.95
    assert right["plain"] == 1


def test_its_pictures_and_how_they_are_painted(new_trainer, chance):
    trainer = new_trainer()
    large, manners = trainer._pictures(chance)
    trainer.batch = 1
    quick, _ = trainer._pictures(chance)
    for pictures in (large, quick):
        assert pictures.shape == (domain_judge.BATCH, 3, SIZE, SIZE)
        assert 0 <= pictures.min() <= pictures.max() <= 1
    assert (manners == MANNERS.index("plain")).sum() == domain_judge.LEFT_PLAIN
    assert manners.unique().numel() > 15


def test_it_learns_and_resumes_as_if_it_had_never_stopped(new_trainer):
    trainer, resumed = new_trainer(), new_trainer()
    for _ in range(2):
        trainer.step()
    resumed.load_state_dict(deepcopy(trainer.state_dict()))
    before = [parameter.clone() for parameter in trainer.judge.parameters()]
    assert trainer.step() == resumed.step()
    for old, one, two in zip(before, trainer.judge.parameters(), resumed.judge.parameters(), strict=True):
        assert torch.equal(one, two)
        assert not torch.equal(one, old)


def test_jitter_is_small_and_of_colour(chance):
    grey = torch.full((3, 3, 4, 4), 0.5)
    shifted = jitter(grey, chance)
    assert 0.01 < (shifted - grey).abs().mean() <= 0.05
    assert (shifted.amax(1) - shifted.amin(1) > 0.005).all()
