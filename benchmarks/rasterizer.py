"""The rasteriser's backends against each other: `python -m benchmarks.rasterizer`.

Scenes as CLIPDraw starts them (half-width 1 px at 224 px) and late in a run (half-widths 1 to 12). Forward and backward
in ms, medians of alternating runs; covered pixel-stroke pairs per second; the factor to the torch backend; and how far
the picture is from the torch backend's in float64 (PSNR over white). diffvg has its rows where pydiffvg is installed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from importlib.util import find_spec

import numpy as np
import torch

from engines.vector import Scene, composite, rasterize, resolve_backend
from engines.vector.rasterizer import torch_backend

CASES = [  # strokes, side in px, late in a run
    (16, 224, False),
    (64, 224, False),
    (256, 224, False),
    (1024, 224, False),
    (256, 224, True),
    (64, 512, False),
    (256, 512, False),
    (1024, 512, False),
    (256, 512, True),
]

TURN = 8
"""Measurements of one backend before the next one's turn; the first half, with the other's threads and caches, goes."""


def clipdraw_scene(strokes: int, side: int, late: bool, seed: int = 0) -> Scene:
    """Random walks of 1 to 3 cubics, as CLIPDraw's initialisation draws them (methods note clipdraw.md §1.1)."""
    rng = np.random.default_rng(seed)
    segments = [[2] * int(rng.integers(1, 4)) for _ in range(strokes)]
    points = []
    for chain in segments:
        steps = 0.1 * (rng.random((1 + 3 * len(chain), 2)) - 0.5) * (1.6 if late else 1)
        steps[0] = rng.random(2)
        points.append(steps.cumsum(0) * side)
    widths = (rng.uniform(1, 12, strokes) if late else np.ones(strokes)) * side / 224
    scene = Scene.from_paths(points, segments, widths, rng.random((strokes, 4)), side, side)
    for parameter in (scene.points, scene.widths, scene.colors):
        parameter.requires_grad_()
    return scene


def count_pairs(scene: Scene) -> int:
    """Pixels covered, summed over strokes."""
    size = round(scene.height), round(scene.width)
    with torch.no_grad():
        path, *_ = torch_backend.cover_strokes(scene.points, scene.widths, scene.layout, size[1], (0, size[0]))
    return len(path)


def time_once(scene: Scene, backend: str, cotangent: torch.Tensor, convention: str) -> tuple[float, float]:
    """Seconds for the forward and the backward pass."""
    started = time.perf_counter()
    picture = rasterize(scene, backend=backend, convention=convention)
    drawn = time.perf_counter()
    picture.backward(cotangent)
    return drawn - started, time.perf_counter() - drawn


def accuracy(scene: Scene, backend: str, convention: str) -> float:
    """PSNR in dB."""
    exact = scene.detach().to(dtype=torch.float64)
    with torch.no_grad():
        wanted = composite(rasterize(exact, backend="torch", convention=convention), (1, 1, 1))
        found = composite(rasterize(scene, backend=backend, convention=convention), (1, 1, 1))
    return -10 * (found.double() - wanted).square().mean().clamp_min(1e-20).log10().item()


def measure(backends: list[str], convention: str, repeats: int) -> None:
    print(f"{convention}, {torch.get_num_threads()} threads")
    print("     strokes   px  kpairs  backend  forward  backward  Mpairs/s  factor     dB")
    for strokes, side, late in CASES:
        scene = clipdraw_scene(strokes, side, late)
        pairs = count_pairs(scene)
        medians = median_times(scene, backends, convention, repeats)
        for backend, (forward, backward) in medians.items():
            factor = sum(medians["torch"]) / (forward + backward)
            rate = pairs / (forward + backward) / 1000
            label = " late" if late else "     "
            decibels = accuracy(scene, backend, convention)
            print(
                f"{strokes:>7}{label} {side:>4} {pairs / 1000:>7.1f} {backend:>8} {forward:>8.2f} "
                f"{backward:>9.2f} {rate:>9.1f} {factor:>7.1f} {decibels:>6.1f}"
            )


def median_times(scene: Scene, backends: list[str], convention: str, repeats: int) -> dict[str, list[float]]:
    """Backend → milliseconds forward and backward. Backends take turns, so that a busy machine slows all alike."""
    cotangent = torch.rand(4, round(scene.height), round(scene.width), generator=torch.Generator().manual_seed(0))
    times: dict[str, list[tuple[float, float]]] = {backend: [] for backend in backends}
    for repeat in range(repeats + 1):
        for backend in backends:
            measured = [time_once(scene, backend, cotangent, convention) for _ in range(TURN)]
            if repeat:  # the first round warms up
                times[backend] += measured[TURN // 2 :]
    return {
        backend: [1000 * statistics.median(one) for one in zip(*own, strict=True)] for backend, own in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--repeats", type=int, default=5, help="rounds per case; four measurements each")
    parser.add_argument("--convention", choices=("opaque", "clipdraw"), default="opaque")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    backends = list(dict.fromkeys(["torch", resolve_backend("cpu")])) + ["diffvg"] * bool(find_spec("pydiffvg"))
    measure(backends, arguments.convention, arguments.repeats)


if __name__ == "__main__":
    main()
