"""A step of StyleGAN-NADA against a straightforward loop of two generators: `python -m benchmarks.nada_step`.

The straightforward loop renders the frozen generator and shows it to CLIP at every step, beside the trained one, and,
where layers are selected, chooses them anew at every step by eight codes, all as published (arXiv 2108.00946); ours
knows what the frozen one makes of its pool of codes, and chooses every tenth step by four. Both have the same batch,
views, CLIP and layers. The loop is measured with our generator in both places and with one that has grouped
convolutions, as StyleGAN2 is mostly written. Medians of alternating runs of ten steps, in ms a step; and the factor.

Then three steps with the shapes of FFHQ-256 (config F, random weights), and what a step with those of FFHQ-1024 holds
in memory for each picture of the batch, besides the CLIP: all that is kept for the way back, counted, not measured on a
GPU.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor

from benchmarks.stylegan2 import grouped_synthesis, random_generator
from engines.clip.encoder import ClipEncoder
from engines.stylegan2 import Generator
from engines.stylegan_nada.layers import layer_parameters, phase_layers, row_importance, rows_to_layers
from engines.stylegan_nada.losses import directional_loss, global_loss, text_direction
from engines.stylegan_nada.settings import StyleGANNadaSettings
from engines.stylegan_nada.training import BETAS, NadaTraining
from engines.stylegan_nada.views import image_embeds, with_views
from engines.zoo import Models

STEPS, SELECTION_BATCH = 10, 8
GIB = 1024**3
SELECTIONS = ("off", "exact")

Synthesis = Callable[[Generator, Tensor], Tensor]
SYNTHESES: dict[str, Synthesis] = {
    "our generator": lambda generator, w: generator.synthesis(w),
    "grouped convolutions": grouped_synthesis,
}


class TwoGenerators:
    def __init__(
        self, generator: Generator, encoder: ClipEncoder, settings: StyleGANNadaSettings, synthesis: Synthesis
    ):
        self.frozen, self.trained = generator, deepcopy(generator)
        self.encoder, self.settings, self.synthesis = encoder, settings, synthesis
        texts = (encoder.encode_text(text) for text in (settings.prompt, settings.source_text))
        self.direction = text_direction(*texts)
        self.target = encoder.encode_text(settings.prompt)
        layers = phase_layers(generator.img_resolution, "default")
        self.parameters = self._enable(layers)
        self.optimizer = torch.optim.Adam(self.parameters, lr=settings.lr, betas=BETAS)

    def _enable(self, layers: tuple[str, ...]) -> list[Tensor]:
        self.trained.requires_grad_(False)
        chosen = [
            self.trained.synthesis.get_parameter(name) for name in layer_parameters(self.trained.synthesis, layers)
        ]
        return [parameter.requires_grad_(True) for parameter in chosen]

    def step(self) -> None:
        if self.settings.selection != "off":
            self._enable(self._selected())
        z = torch.randn(self.settings.batch_size, self.frozen.z_dim)
        places = torch.rand(len(z), self.settings.views, 3)
        with torch.no_grad():
            w = self.frozen.mapping(z)
            before = image_embeds(self.encoder, with_views(self.synthesis(self.frozen, w), places))
        seen = image_embeds(self.encoder, with_views(self.synthesis(self.trained, w), places))
        self.optimizer.zero_grad(set_to_none=True)
        directional_loss(before, seen, self.direction).backward()
        self.optimizer.step()

    def _selected(self) -> tuple[str, ...]:
        self.trained.requires_grad_(False)
        before = self.trained.mapping(torch.randn(SELECTION_BATCH, self.trained.z_dim))
        w = before.clone().requires_grad_()
        loss = global_loss(image_embeds(self.encoder, self.synthesis(self.trained, w)), self.target)
        (gradient,) = torch.autograd.grad(loss, w)
        importance = row_importance(before, before - gradient)
        return rows_to_layers(importance, self.settings.selection_k, self.trained.img_resolution)


def seconds_of(step: Callable[[], None], count: int = STEPS) -> float:
    """Of one step."""
    started = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - started) / count


def measure(models: Models, repeats: int) -> None:
    generator, encoder = models.generator(), models.clip()
    print(f"{torch.get_num_threads()} threads, {generator.img_resolution} px")
    print(f"{'selection':<11}{'the loop with':<24}{'loop':>7}{'ours':>7}{'factor':>8}")
    for selection in SELECTIONS:
        settings = StyleGANNadaSettings(prompt="pencil sketch", templates=False, selection=selection, num_steps=10_000)
        training = NadaTraining(generator, [(encoder, 1.0)], models.style_features, settings)
        loops = {name: TwoGenerators(generator, encoder, settings, synthesis) for name, synthesis in SYNTHESES.items()}
        ways = {"ours": lambda training=training, settings=settings: training.step(settings)}
        ways |= {name: loop.step for name, loop in loops.items()}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for repeat in range(repeats + 1):
            for name, steps in ways.items():
                seconds = seconds_of(steps)
                if repeat:  # the first round warms up
                    times[name].append(1000 * seconds)
        ours, *others = (statistics.median(own) for own in times.values())
        for name, other in zip(loops, others, strict=True):
            print(f"{selection:<11}{name:<24}{other:>7.0f}{ours:>7.0f}{other / ours:>8.2f}", flush=True)


def measure_ffhq(models: Models) -> None:
    generator, settings = random_generator(256, 32768), StyleGANNadaSettings(prompt="pencil sketch", batch_size=2)
    training = NadaTraining(generator, [(models.clip(), 1.0)], models.style_features, settings)
    seconds = [seconds_of(lambda: training.step(settings), 1) for _ in range(3)]
    print(f"\nFFHQ-256, batch 2: {', '.join(f'{each:.1f}' for each in seconds)} s a step; {training.losses}")
    generator = random_generator(1024, 32768).requires_grad_(True)
    with torch.no_grad():
        w = generator.mapping(torch.randn(1, generator.z_dim))
    kept: dict[int, int] = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in generator.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        _ = generator.synthesis(w)
    trained = sum(p.numel() for p in generator.synthesis.parameters())
    weights = 4 * (5 * trained) / GIB  # frozen, change, gradient, and Adam's two moments
    print(f"FFHQ-1024: {weights:.2f} GiB of weights and {sum(kept.values()) / GIB:.2f} GiB a picture")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    models = Models("pocket", "cpu")
    measure(models, arguments.repeats)
    measure_ffhq(models)


if __name__ == "__main__":
    main()
