"""Retrieval of the pocket CLIP on compositions it was not trained on: `make evaluate-clip`.

One unseen composition of every subject; the right name among all, English and Korean. "disguised" also holds
hue-turned, grey and line-drawn ones. Needs the emoji font (Debian package fonts-noto-color-emoji).
"""

from __future__ import annotations

import torch

from engines.zoo import Models
from training.clip import make_composer, retrieval
from training.worlds.subjects import load_subjects

SEED = 20_261_121
"""Of the test compositions; the training takes its own from seed and batch number."""


def measure() -> list[tuple[str, dict[str, float]]]:
    encoder = Models("pocket", "cpu").clip()
    subjects = load_subjects()
    composer = make_composer(subjects)
    return [
        (title, retrieval(encoder.model, encoder.tokenizer, subjects, composer, seed=SEED, guises=guises))
        for title, guises in (("plain", False), ("disguised", True))
    ]


def main() -> None:
    torch.manual_seed(0)
    print(f"{'pictures':<12}{'en R@1':>9}{'en R@5':>9}{'ko R@1':>9}{'ko R@5':>9}")
    for title, values in measure():
        print(f"{title:<12}" + "".join(f"{values[key]:>9.1%}" for key in ("en_r1", "en_r5", "ko_r1", "ko_r5")))


if __name__ == "__main__":
    main()
