"""Third stage of the pocket CLIP: `python -m training.clip_text` teaches its text tower to find names in sentences.

The picture tower stays as it is. The text tower learns from itself as it was (the teacher):
- a sentence around a name (`worlds/phrasing.py`), or a phrase for the thing in other words (`worlds/paraphrases.py`),
  should come to where the teacher puts the bare name, and be nearer to it than to all other names;
- names, captions, styles, scenes and what is said of portraits stay where the teacher puts them.
"""

from __future__ import annotations

import argparse
import random
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.clip._open_clip import open_clip
from evaluation.retrieval import name_embeddings
from evaluation.weights import load_weights
from training.clip import ASSETS, MODEL
from training.loop import descend
from training.schedule import learning_rate
from training.weights import save_weights, update_average
from world.captions import caption
from world.paraphrases import load_paraphrases, thinned
from world.phrasing import KOREAN, Phrasing
from world.portrait_captions import describe
from world.portraits import sample_portraits
from world.scenes import imagine, things_of
from world.styles import STYLES
from world.subjects import Subject, load_subjects

SENTENCES, KEPT = 192, 128
"""Sentences in a batch, and texts that should stay."""
PARAPHRASED = 0.6
"""Share of the sentences that are paraphrases."""
PEAK_LR, WEIGHT_DECAY, EMA = 6e-4, 0.02, 0.995
SCALE = 30.0
"""Inverse temperature of the choice among all names."""
STAY = 8.0
"""Weight of staying, beside moving a sentence to its name."""


class TextTrainer:
    def __init__(self, batches: int, seed: int, start: Path):
        self.batches, self.batch, self.rng = batches, 0, random.Random(seed)
        self.subjects = load_subjects()
        self.phrasing, self.things = Phrasing(self.subjects), things_of(tuple(self.subjects))
        self.paraphrases = load_paraphrases()
        self.people = sample_portraits(2000, torch.Generator().manual_seed(seed))
        open_clip.add_model_config(ASSETS / f"{MODEL}.json")
        self.teacher = open_clip.create_model(MODEL).eval().requires_grad_(False)
        self.teacher.load_state_dict(load_weights(start))
        self.tokenizer = open_clip.get_tokenizer(MODEL, bpe_path=str(ASSETS / "bpe.txt.gz"))
        self.names = name_embeddings(self.teacher, self.tokenizer, self.subjects)
        self.model = deepcopy(self.teacher)
        self.tower = text_tower(self.model)
        self.tower.requires_grad_(True)
        self.average = deepcopy(self.model)
        self.optimizer = torch.optim.AdamW(self.tower, lr=PEAK_LR, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98))

    def step(self) -> dict[str, float]:
        index = torch.tensor([self.rng.randrange(len(self.subjects)) for _ in range(SENTENCES)])
        sentences = [self._sentence(self.subjects[i]) for i in index.tolist()]
        kept = self._texts_to_keep()
        features = self._encode(self.model, sentences + kept)
        sentence, stayed = features.split([SENTENCES, KEPT])
        with torch.no_grad():
            before = self._encode(self.teacher, kept)
        scores = SCALE * torch.einsum("bd,lnd->lbn", sentence, self.names)
        naming = (F.cross_entropy(scores[0], index) + F.cross_entropy(scores[1], index)) / 2
        near = 1 - (sentence * F.normalize(self.names[:, index].sum(0), dim=1)).sum(1).mean()
        away = 1 - (stayed * before).sum(1).mean()
        rate = learning_rate(PEAK_LR, self.batch / self.batches, warm_up=0.05, first=0.01)
        descend(naming + near + STAY * away, self.optimizer, rate, self.tower)
        update_average(text_tower(self.average), self.tower, EMA)
        accuracy = (scores[0].argmax(1) == index).float().mean()
        self.batch += 1
        return {"naming": naming.item(), "accuracy": accuracy.item(), "near": near.item(), "away": away.item()}

    def _sentence(self, subject: Subject) -> str:
        if self.rng.random() > PARAPHRASED:
            return self.phrasing(subject, self.rng)
        english, korean = self.paraphrases[subject.en]
        return thinned(self.rng.choice(korean if self.rng.random() < KOREAN else english), self.rng)

    def _texts_to_keep(self) -> list[str]:
        """A quarter each: names, captions (half of them with a style), scenes, portraits."""
        texts = []
        for number in range(KEPT):
            subject, lot = self.rng.choice(self.subjects), number % 4
            if lot == 0:
                texts.append(subject.en if self.rng.random() < 0.5 else subject.ko)
            elif lot == 1:
                style = self.rng.choice(STYLES) if self.rng.random() < 0.5 else None
                texts.append(caption(subject, self.rng, style))
            elif lot == 2:
                person = self.rng.randrange(len(self.people))
                texts.append(describe(self.people[person : person + 1], self.rng).text)
            else:
                texts.append(imagine(*self.things, self.rng).caption(self.rng))
        return texts

    def _encode(self, model, texts: list[str]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            features = model.encode_text(self.tokenizer(texts))
        return F.normalize(features.float(), dim=-1)


def text_tower(model: nn.Module) -> nn.ParameterList:
    return nn.ParameterList(parameter for name, parameter in model.named_parameters() if not name.startswith("visual."))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=1400)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--start", type=Path, default=ASSETS / f"{MODEL}.safetensors", help="weights to begin from")
    parser.add_argument("--export", type=Path, default=ASSETS / f"{MODEL}.safetensors")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    trainer = TextTrainer(options.batches, options.seed, options.start)
    while trainer.batch < options.batches:
        report = trainer.step()
        if trainer.batch % 25 == 0:
            print(f"batch {trainer.batch}  " + "  ".join(f"{k} {v:.3f}" for k, v in report.items()), flush=True)
    save_weights(trainer.average, options.export)


if __name__ == "__main__":
    main()
