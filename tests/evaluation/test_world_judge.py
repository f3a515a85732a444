"""The judge of the world, and its training on a tiny world."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from evaluation.world_judge import SIZE, WorldJudge, average_precision, leave_one_out, on_white, resized
from tests.tiny_world import CONCEPTS
from training import world_judge
from training.world_judge import JudgeTrainer, compose, compose_scenes, report


@pytest.fixture
def trainer(collection, monkeypatch):
    monkeypatch.setattr(world_judge, "BATCH", 12)
    monkeypatch.setattr(world_judge, "SCENES", 4)
    return lambda **options: JudgeTrainer(collection, 40, seed=1, **options)


@pytest.fixture
def chance():
    return torch.Generator().manual_seed(0)


def test_a_verdict_has_three_heads():
    judge = WorldJudge(7, 3).eval()
    verdict = judge(torch.rand(2, 3, SIZE, SIZE))
    assert (verdict.concept.shape, verdict.presence.shape, verdict.artist.shape) == ((2, 7), (2, 7), (2, 3))
    assert judge.presences(torch.rand(2, 3, SIZE, SIZE)).max() < 0.5


def test_ranks_are_among_all_or_among_some():
    judge = WorldJudge(5, 2).eval()
    torch.nn.init.zeros_(judge.concept.weight)
    judge.concept.bias.data = torch.tensor([0.0, 4.0, 3.0, 2.0, 1.0])
    pictures, right = torch.rand(2, 3, SIZE, SIZE), torch.tensor([1, 4])
    assert judge.ranks(pictures, right).tolist() == [1, 4]
    assert judge.ranks(pictures, right, torch.tensor([0, 3, 4])).tolist() == [1, 2]


def test_pictures_of_any_size_are_read():
    pictures = resized([np.full((90, 90, 3), 255, np.uint8), np.zeros((30, 60, 3), np.uint8)])
    assert pictures.shape == (2, 3, SIZE, SIZE)
    assert pictures.mean((1, 2, 3)).tolist() == [1, 0]


def test_sprites_stand_on_white():
    sprites = torch.zeros(1, 4, 64, 64, dtype=torch.uint8)
    sprites[:, 3] = 255
    (picture,) = on_white(sprites)
    assert picture[:, 32, 32].max() == 0
    assert picture[:, 0].min() == 1


def test_average_precision_is_one_when_all_that_is_there_comes_first():
    present = torch.tensor([[True, False, True, False]])
    assert average_precision(torch.tensor([[0.9, 0.1, 0.8, 0.2]]), present) == 1
    assert average_precision(torch.tensor([[0.9, 0.8, 0.7, 0.2]]), present) == pytest.approx((1 + 2 / 3) / 2)


def test_an_artist_can_be_left_out(trainer, collection):
    learned = trainer(without=("noto",)).places
    assert {collection.rows[place].artist for place in learned.tolist()} == {"game-icons", "openmoji"}


def test_its_pictures_differ_and_its_scenes_hold_what_they_say(trainer, chance):
    one = trainer()
    sprites = one._sprites(one.places[:6])
    pictures = compose(sprites, chance)
    assert pictures.shape == (6, 3, SIZE, SIZE)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    scenes, shown = one._scenes(5, one.places, chance)
    assert scenes.shape == (5, 3, SIZE, SIZE)
    assert (shown.sum(1) >= 1).all()
    assert (shown.sum(1) <= 3).all()
    drawn = torch.tensor([[True, False, False]])
    alone = compose_scenes(sprites[None, :3], drawn, torch.Generator().manual_seed(1))
    changed = compose_scenes(sprites[None, [0, 3, 4]], drawn, torch.Generator().manual_seed(1))
    assert torch.equal(alone, changed)


def test_it_learns_and_resumes_as_if_it_had_never_stopped(trainer):
    one, resumed = trainer(), trainer()
    for _ in range(2):
        one.step()
    resumed.load_state_dict(deepcopy(one.state_dict()))
    assert one.step() == resumed.step()
    for left, right in zip(one.judge.parameters(), resumed.judge.parameters(), strict=True):
        assert torch.equal(left, right)


def test_a_tiny_world_is_learned_and_reported(trainer):
    one = trainer(without=("openmoji",))
    reports = [one.step() for _ in range(40)]
    assert sum(r["naming"] for r in reports[-5:]) < sum(r["naming"] for r in reports[:5])
    figures = report(one, ("openmoji",))
    assert (
        figures["openmoji among all"]["count"] == leave_one_out(one.average, one.collection, "openmoji")["count"] == 5
    )
    assert 0 <= figures["presence"] <= 1
    assert len(one.judge.concept.bias) == len(CONCEPTS)
