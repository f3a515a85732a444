from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import domains
from benchmarks.domains import GLOBAL_LOSS, RIVALS, Judges, Result, Score, Task, faces_of, repainted, table
from engines.images import as_pixels
from engines.zoo import Models
from training.portrait_domains import PORTRAIT_DOMAINS, settings_for
from world.emoji import FONT
from world.painter import paint
from world.portraits import sample_portraits
from world.subjects import load_subjects

NAMED = {domain.name: domain for domain in PORTRAIT_DOMAINS}


@pytest.fixture(scope="module")
def judges():
    return Judges()


@pytest.fixture(scope="module")
def people():
    return sample_portraits(8, torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def portraits(people):
    return paint(people, 128)


def test_true_repaintings_reach_their_style_and_portraits_do_not(judges, portraits):
    for name in ("pencil-sketch", "mosaic", "pixel-art"):
        assert judges.reached(NAMED[name], repainted(NAMED[name], portraits)) >= 7 / 8
        assert judges.reached(NAMED[name], portraits) == 0


def test_portraits_are_no_other_beings(judges, portraits):
    for name in ("zombie", "robot", "clown", "cat"):
        assert judges.reached(NAMED[name], portraits) <= 1 / 3  # one in nine is a zombie to it


@pytest.mark.skipif(not FONT.exists(), reason="the emoji font is missing (Debian package fonts-noto-color-emoji)")
def test_beings_are_told_by_their_emoji(judges):
    from world.emoji import sprite_atlas

    subjects = {subject.en: subject for subject in load_subjects()}
    for name in ("zombie", "robot", "clown", "cat"):
        sprite = sprite_atlas([subjects[NAMED[name].shows]])
        assert judges.reached(NAMED[name], sprite[:, :3] + 1 - sprite[:, 3:]) == 1


def test_variety_falls_when_faces_become_alike(judges, portraits):
    assert judges.variety(portraits[:1].expand(4, -1, -1, -1)) == pytest.approx(0, abs=1e-3)
    alike = portraits.mean(0, keepdim=True) * 0.7 + portraits * 0.3
    assert 0 < judges.variety(alike) < 0.7 * judges.variety(portraits)


def test_kept_counts_what_need_not_change(judges, people, portraits):
    domain = replace(NAMED["mosaic"], touches=())
    moved = paint(people.changed(background="pink"), 128)
    assert judges.kept(domain, portraits, portraits) == 1
    assert judges.kept(domain, portraits, portraits.flip(0)) < 0.7
    assert judges.kept(replace(domain, touches=("background",)), portraits, moved) > 0.99
    assert judges.kept(domain, portraits, moved) < 0.96


def test_an_adaptation_that_changes_nothing_reaches_nothing_and_keeps_all(judges, portraits):
    assert judges.score(NAMED["woodcut"], portraits, portraits) == Score(0, 1, 1)


def test_the_ablation_has_the_global_loss_alone():
    weights = settings_for(PORTRAIT_DOMAINS[0], **dict(GLOBAL_LOSS)).loss_weights
    assert {name for name, weight in weights.items() if weight} == {"global"}


def test_every_being_has_its_place_among_the_rivals():
    assert {domain.shows for domain in PORTRAIT_DOMAINS if domain.kind == "being"} < set(RIVALS)
    assert set(RIVALS) < {subject.en for subject in load_subjects()}


def test_faces_are_numbered_and_differ(monkeypatch):
    generator = Models("pocket", "cpu").generator()
    pictures = faces_of(generator, 2)
    monkeypatch.setattr(domains, "FIRST_SEED", domains.FIRST_SEED + 1)
    assert torch.equal(faces_of(generator, 1)[0], pictures[1])
    assert (pictures[0] - pictures[1]).abs().mean() > 0.02
    assert as_pixels(pictures).dtype == np.uint8
    assert as_pixels(pictures).shape == (2, 128, 128, 3)


def test_the_table_has_a_line_for_each_domain_and_their_mean():
    tasks = [Task(NAMED["mosaic"], 4, "words"), Task(NAMED["zombie"], 4, "words")]
    results = [
        Result(0, Score(0.9, 0.8, 0.7), Score(1, 0.6, 0.5), 61, []),
        Result(0.25, Score(0.7, 0.6, 0.5), None, 59, []),
    ]
    *_, mosaic, zombie, mean = [line.split() for line in table(tasks, results).splitlines()]
    assert mosaic == ["mosaic", "0%", "90%", "80%", "70%", "61", "100%", "60%", "50%"]
    assert zombie == ["zombie", "25%", "70%", "60%", "50%", "59"]
    assert mean == ["mean", "80%", "70%", "60%"]
