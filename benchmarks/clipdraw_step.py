"""Where the time of a CLIPDraw step goes: `python -m benchmarks.clipdraw_step`.

Steps/s of the whole loop at default pocket settings, then each stage by itself on the same drawing; medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from engines.clip.augment import apply_views, random_views
from engines.clipdraw import CLIPDraw, CLIPDrawSettings
from engines.vector import composite, rasterize
from engines.zoo import Models

REPEATS = 15


def median_ms(action: Callable[[], object]) -> float:
    action()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        action()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def steps_per_second(models: Models, settings: CLIPDrawSettings, steps: int = 40) -> tuple[float, float]:
    """(seconds to the first frame with its picture, steps/s after it), models already loaded."""
    run = CLIPDraw(models).run(settings)
    started = time.perf_counter()
    assert next(run).image is not None
    first = time.perf_counter() - started
    next(run)
    started = time.perf_counter()
    for _ in range(steps):
        next(run)
    return first, steps / (time.perf_counter() - started)


def stages(models: Models, settings: CLIPDrawSettings) -> dict[str, float]:
    """Milliseconds per stage, with the drawing after some steps."""
    engine = CLIPDraw(models)
    run = engine.run(settings)
    for _ in range(20):
        frame = next(run)
    encoder = models.clip()
    backend, size, scene = engine._backend, engine._guidance_size, engine._strokes.scene
    rgba = rasterize(scene, size, backend=backend)
    cotangent = torch.rand_like(rgba)
    views = random_views(settings.num_augmentations, torch.Generator().manual_seed(0))
    leaf = rgba.detach().requires_grad_(True)
    background = torch.ones(3, device=models.device)
    copies = composite(apply_views(leaf, views, encoder.image_size), background).detach().requires_grad_(True)
    text = encoder.encode_text(settings.prompt)

    def look() -> None:
        (-(encoder.encode_image(copies) @ text.T).mean()).backward()

    def view() -> None:
        composite(apply_views(leaf, views, encoder.image_size), background).sum().backward()

    return {
        "render forward": median_ms(lambda: rasterize(scene, size, backend=backend)),
        "render forward + backward": median_ms(lambda: rasterize(scene, size, backend=backend).backward(cotangent)),
        "views forward + backward": median_ms(view),
        "CLIP forward + backward": median_ms(look),
        "optimiser": median_ms(lambda: engine._update(settings)),
        "frame picture, if looked at": median_ms(frame.render),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    models = Models("pocket", options.device)
    settings = CLIPDrawSettings(prompt="a red apple")
    started = time.perf_counter()
    models.clip()
    print(f"{'models loaded':<32}{(time.perf_counter() - started) * 1000:>9.0f} ms")
    first, rate = steps_per_second(models, settings)
    print(f"{'first frame after that':<32}{first * 1000:>9.0f} ms")
    print(f"{'steps per second':<32}{rate:>9.1f}     ({options.threads} threads, {models.device})")
    for name, milliseconds in stages(models, settings).items():
        print(f"{name:<32}{milliseconds:>9.2f} ms")


if __name__ == "__main__":
    main()
