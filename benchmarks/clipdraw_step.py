"""Where the time of a CLIPDraw step goes: `python -m benchmarks.clipdraw_step`.

Steps/s of the whole loop at default pocket settings, then each stage by itself on the same drawing; medians. With
`--model ViT-B-32` the same for that open_clip architecture (with random weights, nothing is downloaded) at the paper's
settings.

Then one step without the rasteriser, as the original notebook is built and as ours is, at the paper's settings with
ViT-B-32 or the given model; medians of alternating rounds.
"""

from __future__ import annotations

import argparse
import copy
import random
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.clip._open_clip import open_clip
from engines.clip.augment import apply_views, random_views
from engines.clip.captured_tower import CapturedTower
from engines.clip.encoder import ClipEncoder
from engines.clip.fast_tower import matmul_dtype
from engines.clipdraw import CLIPDraw, CLIPDrawSettings
from engines.vector import composite, rasterize
from engines.zoo import Models

REPEATS = 15
ROUNDS = 9
"""Of the comparison with the original structure."""


def milliseconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - started) * 1000


def median_ms(action: Callable[[], object]) -> float:
    action()
    return statistics.median(milliseconds(action) for _ in range(REPEATS))


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


def random_models(architecture: str, device: str) -> tuple[Models, torch.nn.Module]:
    """Full models whose CLIP has random weights (costs do not depend on them), and that CLIP as open_clip built it."""
    models = Models("full", device)
    model = open_clip.create_model(architecture, device=models.device, force_quick_gelu=True)
    original = copy.deepcopy(model)
    encoder = ClipEncoder(architecture, model, open_clip.get_tokenizer(architecture), "")
    return models.override(clip=encoder), original


class ReferenceStep:
    """A step as the original notebook is built (kvfrans/clipdraw, clipdraw.ipynb), between rasteriser and rasteriser.

    Every copy is warped by itself, open_clip's own forward runs in float32 with weights that require gradients, and
    every path has three parameters of its own in three Adam optimisers.
    """

    def __init__(self, model: torch.nn.Module, settings: CLIPDrawSettings, device: torch.device):
        from torchvision import transforms  # importable since open_clip is

        self.model, self.copies, self.max_width = model.eval(), settings.num_augmentations, settings.max_width
        size = model.visual.image_size
        self.side = size if isinstance(size, int) else size[0]
        self.augment = transforms.Compose(
            [
                transforms.RandomPerspective(fill=1, p=1, distortion_scale=0.5),
                transforms.RandomResizedCrop(self.side, scale=(0.7, 0.9)),
            ]
        )
        with torch.no_grad():
            tokens = open_clip.tokenize([settings.prompt]).to(device)
            self.text = model.encode_text(tokens)
        inner = random.Random(0)
        shapes = [(3 * inner.randint(1, 3) + 1, 2) for _ in range(settings.num_strokes)]
        self.points, self.widths, self.colors = (
            [torch.rand(shape, device=device, requires_grad=True) for shape in group]
            for group in (shapes, [()] * len(shapes), [(4,)] * len(shapes))
        )
        groups = ((self.points, 1.0), (self.widths, 0.1), (self.colors, 0.01))
        self.optimisers = [torch.optim.Adam(group, lr=rate) for group, rate in groups]
        self.gradients = [torch.randn_like(parameter) for group, _ in groups for parameter in group]
        self.picture = torch.rand(1, 3, self.side, self.side, device=device)

    def __call__(self) -> None:
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        picture = self.picture.clone().requires_grad_(True)
        features = self.model.encode_image(torch.cat([self.augment(picture) for _ in range(self.copies)]))
        loss = -sum(F.cosine_similarity(self.text, features[n : n + 1]) for n in range(self.copies))
        loss.backward()
        for parameter, gradient in zip([*self.points, *self.widths, *self.colors], self.gradients, strict=True):
            parameter.grad = gradient  # the rasteriser's backward would leave it there
        for optimiser in self.optimisers:
            optimiser.step()
        for width in self.widths:
            width.data.clamp_(1.0, self.max_width)
        for color in self.colors:
            color.data.clamp_(0.0, 1.0)
        loss.item()


class OurStep:
    """The engine's step between rasteriser and rasteriser."""

    def __init__(self, models: Models, settings: CLIPDrawSettings):
        self.engine, self.settings = CLIPDraw(models), settings
        self.engine._prepare(settings)
        scene = self.engine._strokes.scene
        self.rgba = rasterize(scene, self.engine._guidance_size, backend=self.engine._backend).detach()
        self.gradients = {name: torch.randn_like(getattr(scene, name)) for name in ("points", "widths", "colors")}

    def __call__(self) -> None:
        rgba = self.rgba.clone().requires_grad_(True)
        loss, _ = self.engine._guidance(self.settings, rgba, self.engine._background_now(self.settings))
        loss.backward()
        for name, gradient in self.gradients.items():
            getattr(self.engine._strokes.scene, name).grad = gradient
        self.engine._update(self.settings)
        loss.item()


def compare(models: Models, original: torch.nn.Module, settings: CLIPDrawSettings) -> tuple[float, float]:
    """Median ms of a step without the rasteriser: (original structure, ours)."""
    steps = ReferenceStep(original, settings, models.device), OurStep(models, settings)
    for step in steps:
        step()
    rounds = [[milliseconds(step) for step in steps] for _ in range(ROUNDS)]
    return tuple(statistics.median(times) for times in zip(*rounds, strict=True))


def capture(encoder: ClipEncoder, settings: CLIPDrawSettings) -> tuple[float, float]:
    """Replace the tower by its CUDA graphs; returns the cosines of features and of gradients to the eager ones."""
    eager, encoder.tower = encoder.tower, CapturedTower(encoder.tower)
    pixels = torch.rand(settings.num_augmentations, 3, encoder.image_size, encoder.image_size, device=encoder.device)

    def look(tower: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        leaf = pixels.clone().requires_grad_(True)
        features = F.normalize(tower(leaf), dim=-1)
        features[:, 0].sum().backward()
        return features.detach().flatten(), leaf.grad.flatten()

    for _ in range(3):  # what a replay leaves behind must not show in the next
        wanted, found = look(eager), look(encoder.tower)
    return tuple(F.cosine_similarity(*pair, dim=0).item() for pair in zip(wanted, found, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--model", help="an open_clip architecture, with random weights; the pocket CLIP unless given")
    parser.add_argument("--cuda-graphs", action="store_true", help="replay the image tower as CUDA graphs")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    paper = CLIPDrawSettings(prompt="a red apple", **CLIPDrawSettings.PRESETS["Paper"])
    full, original = random_models(options.model or "ViT-B-32", options.device)
    models, settings = full, paper
    if not options.model:
        models, settings = Models("pocket", options.device), CLIPDrawSettings(prompt="a red apple")
    started = time.perf_counter()
    models.clip()
    print(f"{'models loaded':<32}{(time.perf_counter() - started) * 1000:>9.0f} ms")
    if options.cuda_graphs:
        for family, used in {models: settings, full: paper}.items():
            features, gradients = capture(family.clip(), used)
            print(f"{family.clip().name}: CUDA graphs agree to {features:.6f} (features), {gradients:.6f} (gradients)")
    first, rate = steps_per_second(models, settings)
    print(f"{'first frame after that':<32}{first * 1000:>9.0f} ms")
    print(f"{'steps per second':<32}{rate:>9.1f}     ({options.threads} threads, {models.device})")
    for name, duration in stages(models, settings).items():
        print(f"{name:<32}{duration:>9.2f} ms")
    reference, ours = compare(full, original, paper)
    print(f"\nOne step without the rasteriser, {full.clip().name}, {paper.num_strokes} strokes, ", end="")
    print(f"{paper.num_augmentations} views; ours multiplies in {matmul_dtype(models.device)}")
    for name, duration in (("original structure", reference), ("ours", ours)):
        print(f"{name:<32}{duration:>9.1f} ms{1000 / duration:>9.2f} steps/s")
    print(f"{'ratio':<32}{reference / ours:>9.2f}")


if __name__ == "__main__":
    main()
