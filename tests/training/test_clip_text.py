import random

import pytest
import torch

from training import clip_text
from training.clip import ASSETS, MODEL
from training.clip_text import TextTrainer


@pytest.fixture
def trainer(monkeypatch):
    monkeypatch.setattr(clip_text, "SENTENCES", 12)
    monkeypatch.setattr(clip_text, "KEPT", 12)
    return TextTrainer(20, 1, ASSETS / f"{MODEL}.safetensors")


def test_only_the_text_tower_learns(trainer):
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.step()
    changed = {name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert not any(name.startswith("visual.") for name in changed)
    assert trainer.teacher.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in trainer.teacher.state_dict().items())


def test_sentences_come_nearer_to_their_names_and_other_texts_stay(trainer):
    reports = []
    for _ in range(12):
        trainer.rng = random.Random(0)  # the same batch again
        reports.append(trainer.step())
    assert reports[-1]["naming"] < 0.8 * reports[0]["naming"]
    assert reports[-1]["near"] < reports[0]["near"]
    assert reports[0]["away"] < 1e-3
    assert reports[-1]["away"] < 0.25


def test_what_stays_are_names_captions_styles_scenes_and_portraits(trainer):
    texts = trainer._texts_to_keep()
    names = {word for subject in trainer.subjects for word in (subject.en, subject.ko)}
    assert len(texts) == 12
    assert all(text in names for text in texts[::4])
    assert all(isinstance(text, str) and text for text in texts)
