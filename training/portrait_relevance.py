"""Measure the embedded table of channel relevance: `python -m training.portrait_relevance`.

fs3 of the pocket generator under the pocket CLIP, exactly as StyleCLIP does it (`engines.styleclip.relevance`), and how
well the quick estimate ranks channels beside it. Resumable: rows are kept as they come.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from engines.files import ASSETS
from engines.styleclip.directions import text_direction, text_relevance
from engines.styleclip.loading import relevance_name
from engines.styleclip.relevance import (
    RelevanceTable,
    estimate_relevance,
    measure_table,
    relevance_codes,
    style_statistics,
)
from engines.zoo import Models

FACES, ESTIMATED = 32, 8
"""Pictures per channel, and pictures of the estimate. The paper has 100 of the former."""
PAIRS = (
    ("face", "face with glasses"),
    ("face", "smiling face"),
    ("face", "face with blonde hair"),
    ("face", "face with a hat"),
    ("face", "old face"),
)
CHUNK = 16


def rank_correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    """Spearman's."""
    ranks = torch.stack([values.argsort().argsort().float() for values in (one, other)])
    return torch.corrcoef(ranks)[0, 1].item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=FACES)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--folder", type=Path, default=Path("checkpoints/faces"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    models = Models("pocket", options.device)
    generator, encoder = models.generator(), models.clip()
    statistics = style_statistics(generator)
    codes = relevance_codes(generator, options.faces)
    name = relevance_name(generator, encoder)
    partial = options.folder / f"{name}.rows.pt"
    rows = list(torch.load(partial, weights_only=True)) if partial.exists() else []
    started, total = time.monotonic(), len(statistics.std)
    while len(rows) < total:
        channels = range(len(rows), min(len(rows) + CHUNK, total))
        rows += measure_table(generator, encoder, statistics, codes, channels=channels).cpu()
        options.folder.mkdir(parents=True, exist_ok=True)
        torch.save(torch.stack(rows), partial)
        print(f"{len(rows)} of {total} channels  {time.monotonic() - started:.0f} s", flush=True)
    fs3 = torch.stack(rows)
    for old in (ASSETS / "faces").glob("relevance-*.safetensors"):
        old.unlink()
    RelevanceTable(fs3, statistics.std.cpu(), generator.sha256, encoder.sha256).save(ASSETS / "faces" / name)
    for neutral, target in PAIRS:
        direction = text_direction(encoder.encode_texts([target]), encoder.encode_texts([neutral]))
        *_, estimated = estimate_relevance(
            generator, encoder, statistics, relevance_codes(generator, ESTIMATED), direction
        )
        exact = text_relevance(fs3.to(direction), direction)
        print(f"{target}: rank correlation of the estimate {rank_correlation(exact, estimated):.3f}", flush=True)


if __name__ == "__main__":
    main()
