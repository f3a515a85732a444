"""What the pocket CLIP knows of pictures it was not trained on: `make evaluate-clip`.

One unseen composition of every subject, the right name among all 1,327: as it is, in the disguises of the training, in
one disguise throughout, and in two renderings that no training uses. Then prompts fixed beforehand and phrased
otherwise than any training caption, and choices between a picture and its twin. Last, each attribute of portraits, told
by phrases for its choices. Needs the emoji font (Debian package fonts-noto-color-emoji).
"""

from __future__ import annotations

import random

import torch

from benchmarks.drawings import REPHRASED, read_prompts
from engines.clip.encoder import ClipEncoder
from engines.zoo import Models
from evaluation.retrieval import Examiner
from training.clip import shuffle_patches
from world.emoji import make_composer
from world.painter import paint
from world.portrait_captions import ASKED, attribute_phrases
from world.portraits import sample_portraits
from world.styles import HELD_OUT, STYLES, render
from world.subjects import load_subjects

SEED = 20_261_121
"""Of the test compositions; the training takes its own from seed and batch number."""


def main() -> None:
    torch.manual_seed(0)
    encoder = Models("pocket", "cpu").clip()
    subjects = load_subjects()
    examiner = Examiner(encoder.model, encoder.tokenizer, subjects, make_composer(subjects), SEED)

    print(f"{'pictures':<28}{'en R@1':>9}{'en R@5':>9}{'ko R@1':>9}{'ko R@5':>9}")
    questions = [("plain", {}), ("disguised as in training", {"guises": True})]
    questions += [(f"all {guise}", {"guises": guise}) for guise in ("hue", "grey", "lines", "silhouette")]
    questions += [
        (f"{style.en} (never trained on)", {"change": lambda p, g, s=style: render(p, s, g)}) for style in HELD_OUT
    ]
    for title, question in questions:
        values = examiner.retrieval(**question)
        print(f"{title:<28}" + "".join(f"{values[key]:>9.1%}" for key in ("en_r1", "en_r5", "ko_r1", "ko_r5")))

    prompts = examiner.prompts(read_prompts(REPHRASED))
    print(f"\n{'rephrased and Korean prompts → picture':<52}R@1 {prompts['r1']:.1%}  R@5 {prompts['r5']:.1%}")
    print(f"{'true picture liked better than patch-shuffled':<52}{examiner.preferred_to(shuffle_patches):.1%}")
    print(f"{f'style told among {len(STYLES)}, one picture per subject':<52}{examiner.style_naming():.1%}")

    print(f"\n{'attribute of a portrait':<28}{'told':>9}{'commonest':>11}")
    for name, told, commonest in attributes_told(encoder):
        print(f"{name:<28}{told:>9.1%}{commonest:>11.1%}")


@torch.no_grad()
def attributes_told(encoder: ClipEncoder, count: int = 500, wordings: int = 6) -> list[tuple[str, float, float]]:
    """(attribute, share told rightly where it can be seen, share of its commonest choice), over several wordings."""
    people = sample_portraits(count, torch.Generator().manual_seed(SEED))
    features = torch.cat([encoder.encode_image(chunk) for chunk in paint(people, encoder.image_size).split(50)])
    rows = []
    for name in ASKED:
        shown = people.visible(name)
        wanted = people.choices[name][shown]
        phrases = [encoder.encode_texts(attribute_phrases(name, random.Random(number))) for number in range(wordings)]
        told = torch.stack([(features[shown] @ texts.T).argmax(1) == wanted for texts in phrases])
        rows.append((name, told.float().mean().item(), (wanted.bincount().max() / len(wanted)).item()))
    return rows


if __name__ == "__main__":
    main()
