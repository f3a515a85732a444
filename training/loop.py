"""What trainings share: the options of their commands, a step down, being resumed, and the loop.

    parser = make_parser(__doc__, batches=2000, seed=1, folder=Path("checkpoints/judge"), export=WEIGHTS)
    options = read_options(parser)
    trainer = JudgeTrainer(options.batches, options.seed, options.device)          # a Resumable
    train(trainer, options.folder / "last.pt", export=options.export)

What a training learns and how is its own affair; so is what it says of itself when it is done.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import deque
from pathlib import Path

import torch
from torch import Tensor, nn

from training.weights import save_checkpoint

__all__ = ["Resumable", "descend", "make_parser", "read_options", "train"]

SAVE_AFTER, SHEET_AFTER = 240.0, 600.0
"""Seconds between checkpoints, and between sheets of the process's own time: on a busy machine they would eat it up."""
RECENT = 50
"""Batches over which reported numbers are averaged, as far as they report the same."""


# ---------------------------------------------------------------------------------------------- options


def make_parser(
    description: str | None, *, batches: int, seed: int, folder: Path, export: Path
) -> argparse.ArgumentParser:
    """The options of every training, with these defaults; more can be added."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=batches)
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folder", type=Path, default=folder, help="for checkpoints, and sheets to look at")
    parser.add_argument("--export", type=Path, default=export)
    return parser


def read_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What the command line says; the threads are set and the folder is made."""
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.device == "cpu":
        torch.backends.cuda.enable_flash_sdp(False)  # of the CPU, too, where its way back takes longest of all
    options.folder.mkdir(parents=True, exist_ok=True)
    return options


# ---------------------------------------------------------------------------------------------- training


class Resumable:
    """A training that can be stopped between any two batches and goes on as if it had never stopped.

    kept: names of the attributes with a state, networks, averages and optimizers, that a checkpoint holds.
    batch: how many are done; `step()` learns one more and returns what there is to report of it, name → number.
    """

    kept: tuple[str, ...]

    def __init__(self, batches: int, seed: int, device: str | torch.device):
        torch.manual_seed(seed)
        self.batches, self.seed, self.device, self.batch = batches, seed, device, 0

    def chances(self) -> tuple[torch.Generator, random.Random]:
        """What the coming batch draws from, whatever was drawn before it."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.batch)
        return generator, random.Random(self.seed * 7_919 + self.batch)

    def state_dict(self) -> dict:
        return {name: getattr(self, name).state_dict() for name in self.kept} | {"batch": self.batch}

    def load_state_dict(self, state: dict) -> None:
        for name in self.kept:
            getattr(self, name).load_state_dict(state[name])
        self.batch = state["batch"]


def descend(
    loss: Tensor, optimizer: torch.optim.Optimizer, rate: float, *networks: nn.Module, max_norm: float = 1.0
) -> None:
    """One step of the optimizer, at `rate` times the "share" of each of its groups that has one.

    The gradient of each of the networks, if any, is first brought within `max_norm`.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("share", 1.0)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    for network in networks:
        nn.utils.clip_grad_norm_(network.parameters(), max_norm)
    optimizer.step()


def train(
    trainer: Resumable, checkpoint: Path, *, every: int = 10, export: Path | None = None, sheet: Path | None = None
) -> None:
    """Learn all batches, or what the checkpoint has left of them, with a line of recent means after `every` of them.

    checkpoint: written every SAVE_AFTER seconds and at the end, so that a killed run loses no more than that.
    export: where `trainer.export(export)` then writes the model as it is so far.
    sheet: where the picture of `trainer.sheet()` is saved, every SHEET_AFTER seconds and at the end.
    """
    if checkpoint.exists():
        trainer.load_state_dict(torch.load(checkpoint, weights_only=True, map_location=trainer.device))
    saved, looked = time.monotonic(), time.process_time()
    reports = deque(maxlen=RECENT)
    while trainer.batch < trainer.batches:
        started = time.monotonic()
        reports.append(trainer.step())
        if trainer.batch % every == 0:
            alike = [report for report in reports if report.keys() == reports[-1].keys()]
            means = {name: sum(report[name] for report in alike) / len(alike) for name in reports[-1]}
            numbers = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
            print(f"batch {trainer.batch}  {time.monotonic() - started:.2f} s  {numbers}", flush=True)
        done = trainer.batch == trainer.batches
        if time.monotonic() - saved > SAVE_AFTER or done:
            saved = time.monotonic()
            save_checkpoint(trainer, checkpoint)
            if export:
                trainer.export(export)
        if sheet and (time.process_time() - looked > SHEET_AFTER or done):
            looked = time.process_time()
            trainer.sheet().save(sheet)
