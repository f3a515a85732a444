"""What each stage of the pocket CLIP's training does to drawings: `python -m benchmarks.ablation NAME=WEIGHTS …`.

Each checkpoint draws every second of the 60 prompts with the bare cosine of the paper as objective, the last one once
more with the default contrast, and once more with a painting beside it. Everything else is at its default. Prints the
judge's table and writes a strip for each stage: every third drawing, unselected.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from benchmarks.drawings import DOCS, Task, contact_sheet, draw_all, judged, read_prompts, summary

BARE, CONTRAST = {"contrast": 0.0, "painter_weight": 0.0}, {"painter_weight": 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="+", metavar="NAME=WEIGHTS")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sheet", type=Path, default=DOCS / "clip-ablation.png")
    options = parser.parse_args()
    stages = [(name, Path(weights), BARE) for name, weights in (stage.split("=", 1) for stage in options.stages)]
    stages += [("default contrast", stages[-1][1], CONTRAST), ("default objective", stages[-1][1], {})]

    strips = []
    print(f"{'stage':<28}{'first':>8}{'in five':>9}")
    for name, weights, changes in stages:
        tasks = [Task(prompt, wanted, changes, weights=weights) for prompt, wanted in read_prompts()[::2]]
        drawings = draw_all(tasks, options.processes)
        ranks = judged(drawings)
        scores = summary(ranks)
        print(f"{name:<28}{scores['first']:>8.0%}{scores['in five']:>9.0%}", flush=True)
        strips.append(contact_sheet(drawings[::3], ranks[::3]))
    sheet = Image.new("RGB", (strips[0].width, sum(strip.height for strip in strips)))
    for number, strip in enumerate(strips):
        sheet.paste(strip, (0, number * strip.height))
    sheet.save(options.sheet, optimize=True)


if __name__ == "__main__":
    main()
