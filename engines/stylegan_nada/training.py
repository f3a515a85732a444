"""A generator on its way into another domain, a step at a time (Gal et al., arXiv 2108.00946, §4).

    loss = Σ over CLIPs of share · (directional_lambda · directional + global_lambda · global + …)
           + texture_lambda · texture

The frozen copy and the trained one are one set of tensors and a change of it (`engines.stylegan_nada.delta`), so both
have the same mapping network and the same mean of w. What the frozen copy makes of a pool of codes is rendered and seen
by CLIP once; noise is constant for that, and a step renders the trained copy only. Besides the whole picture CLIP sees
some views of it, crops that each code keeps: what deceives CLIP in one view only does not help, and so styles become
visible that it would else only believe to see.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from engines.clip.encoder import ClipEncoder
from engines.errors import EngineError
from engines.images import load_picture, middle_square
from engines.optimization import check_finite, copies, load_moments, set_learning_rate
from engines.stylegan2 import Generator
from engines.stylegan_nada.delta import Domain, new_change, private_copy, render
from engines.stylegan_nada.layers import layer_parameters, phase_layers, row_importance, rows_to_layers
from engines.stylegan_nada.losses import (
    cut_patches,
    directional_loss,
    global_loss,
    manifold_loss,
    patch_directional_loss,
    weighted_sum,
)
from engines.stylegan_nada.targets import DomainTarget
from engines.stylegan_nada.texture import StyleTexture
from engines.stylegan_nada.views import image_embeds, mixed_codes, with_views

if TYPE_CHECKING:
    from engines.style import StyleEncoder
    from engines.stylegan_nada.settings import StyleGANNadaSettings

__all__ = ["NadaTraining"]

BETAS = (0.0, 0.99**0.8)
"""Of Adam, as StyleGAN2 trains with a regularisation every fourth step. The published rate is 0.002 · 4/5."""
RATES = {"layers": 1.0, "low-rank": 1.0, "style offsets": 5.0}
"""What the learning rate is multiplied by: a few numbers have to go farther than many."""
POOL = 64
"""Codes that are learned from."""
SOURCE_SAMPLES = 16
"""Of the source, against which style pictures are set; as published."""
RENDERED_AT_ONCE = 8
SELECTION_LR = 0.01
"""Of the walk that shows which rows matter; with one step it does not count."""
PATCH_SHARE = 0.5
"""Of the picture's side; published: 510 of 1024 pixels."""
MOST_SNAPSHOTS = 8
"""Kept; with more of them every second one is forgotten."""
SMOOTHING, PATIENCE = 0.95, 60
"""Of the loss, and steps in which it has to fall, or the training is said to have gone on for too long."""


class NadaTraining:
    """The change that turns `generator` into another domain, in training.

    encoders: CLIPs and their shares of the loss, which add up to 1. style_features: loads what texture is seen with;
    called once that counts. settings: method, rank, mixing, views and seed are read here, everything else
    at each step. `change` is what was learned, `layers` are those of the last step, `losses`
    its terms; `snapshots` are changes as they were after so many steps, fp16.
    """

    def __init__(
        self,
        generator: Generator,
        encoders: list[tuple[ClipEncoder, float]],
        style_features: Callable[[], StyleEncoder],
        settings: StyleGANNadaSettings,
    ):
        self.steps_done, self.losses, self.layers = 0, {}, ()
        self.snapshots: dict[int, dict[str, Tensor]] = {}
        self._generator, self._encoders, self._method = generator, encoders, settings.method
        self._style_features = style_features
        self._device = generator.mapping.w_avg.device
        self._synthesis = private_copy(generator)
        self._random = torch.Generator().manual_seed(settings.training_seed)
        names = layer_parameters(self._synthesis, self._all_layers())
        self.change = new_change(self._synthesis, names, settings.method, settings.rank, self._random)
        self._optimizer = torch.optim.Adam(list(self.change.values()), betas=BETAS)
        self._codes = mixed_codes(generator, POOL, settings.mixing, self._random)
        self._views = torch.rand(POOL, settings.views, 3, generator=self._random).to(self._device)
        self._sources = self._source_embeds()
        self._chosen_by: tuple | None = None
        self._smoothed, self._least, self._least_step = math.inf, math.inf, 0
        self.targets: list[DomainTarget] = []
        self._pictures: list[np.ndarray] = []
        self._texture: StyleTexture | None = None
        self._target_key: tuple | None = None

    def _all_layers(self) -> tuple[str, ...]:
        """All that a phase or the selection may ask for."""
        return ("b4.torgb", *phase_layers(self._generator.img_resolution, "default"))

    @torch.no_grad()
    def _source_embeds(self) -> list[Tensor]:
        """Embeddings of the original's pictures, whole and in views: (POOL, 1 + views, d) for each CLIP."""
        embeds = []
        for rows in torch.arange(POOL, device=self._device).split(RENDERED_AT_ONCE):
            pictures = with_views(self._generator.synthesis(self._codes[rows]), self._views[rows])
            embeds.append(
                [image_embeds(encoder, pictures).unflatten(0, (len(rows), -1)) for encoder, _ in self._encoders]
            )
        return [torch.cat(parts) for parts in zip(*embeds, strict=True)]

    # ------------------------------------------------------------------ a step

    def step(self, settings: StyleGANNadaSettings) -> None:
        """Learn from `batch_size` codes of the pool. Raises `EngineError` when the loss is no longer a number."""
        self._update_targets(settings)
        self._choose_layers(settings)
        rows = torch.randint(POOL, (settings.batch_size,), generator=self._random)
        terms = self._terms(rows, settings)
        loss = weighted_sum(terms, settings.loss_weights)
        self.losses = {"loss": loss.item(), **{name: term.item() for name, term in terms.items()}}
        check_finite(self.losses)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        set_learning_rate(self._optimizer, settings.lr * RATES[self._method])
        self._optimizer.step()
        self.steps_done += 1
        self._watch()
        if self.steps_done % settings.snapshot_every == 0:
            self._take_snapshot()

    def _terms(self, rows: Tensor, settings: StyleGANNadaSettings) -> dict[str, Tensor]:
        """The losses that count, each but the texture the sum over the CLIPs of share · loss."""
        rows, weights = rows.to(self._device), settings.loss_weights
        codes = self._codes[rows]
        pictures = render(self._synthesis, codes, self.change)
        views = with_views(pictures, self._views[rows])
        seen = [image_embeds(encoder, views) for encoder, _ in self._encoders]
        before = [sources[rows].flatten(0, 1) for sources in self._sources]
        terms = {
            "directional": lambda k, aim: directional_loss(before[k], seen[k], aim.direction),
            "global": lambda k, aim: global_loss(seen[k], aim.global_text),
            "manifold": lambda k, aim: manifold_loss(before[k], seen[k], aim.target_texts, aim.source_texts),
        }
        if weights["patch"]:
            patches = self._patches(codes, pictures)
            terms["patch"] = lambda k, aim: patch_directional_loss(*aim.image_embeds(patches), aim.part_directions)
        shares = [share for _, share in self._encoders]
        losses = {
            name: torch.stack([share * term(k, self.targets[k]) for k, share in enumerate(shares)]).sum()
            for name, term in terms.items()
            if weights[name]
        }
        if weights["texture"]:
            losses["texture"] = self._style_texture().loss(pictures)
        return losses

    def _style_texture(self) -> StyleTexture:
        """Of the style pictures; what sees it is loaded only if it counts."""
        if self._texture is None:
            self._texture = StyleTexture(self._style_features(), self._pictures, self._generator.img_resolution)
        return self._texture

    def _patches(self, codes: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """One from each picture of the original, and from the same place of the trained copy's."""
        with torch.no_grad():
            originals = self._generator.synthesis(codes)
        size = pictures.shape[-1]
        side = max(round(PATCH_SHARE * size) // 2 * 2, 2)
        centers = torch.randint(side // 2, size - side // 2 + 1, (len(codes), 2), generator=self._random)
        return cut_patches(originals, centers, side), cut_patches(pictures, centers, side)

    def _update_targets(self, settings: StyleGANNadaSettings) -> None:
        target_key = (settings.source_text, settings.prompt, settings.templates, *settings.style_pictures)
        if target_key == self._target_key:
            return
        pictures = [middle_square(load_picture(path)) for path in settings.style_pictures]
        self.targets = [
            DomainTarget(
                encoder,
                settings.source_text,
                settings.prompt,
                settings.templates,
                pictures,
                sources[:SOURCE_SAMPLES, 0],
            )
            for (encoder, _), sources in zip(self._encoders, self._sources, strict=True)
        ]
        if not all(aim.direction.any() for aim in self.targets):
            raise EngineError("Source and target mean the same to CLIP; change one of the two texts.")
        self._pictures, self._texture = pictures, None
        if self._target_key is not None:  # the loss is another one from now on
            self._least = math.inf
        self._target_key = target_key

    def _watch(self) -> None:
        """Remember when the loss was least; single steps differ too much to tell."""
        loss = self.losses["loss"]
        self._smoothed = loss if math.isinf(self._smoothed) else SMOOTHING * self._smoothed + (1 - SMOOTHING) * loss
        if self._smoothed < self._least:
            self._least, self._least_step = self._smoothed, self.steps_done

    @property
    def is_overtrained(self) -> bool:
        """Whether the loss has not fallen for long: what changes now are rather colours and persons than the style."""
        return self.steps_done - self._least_step >= PATIENCE

    # ------------------------------------------------------------------ layers

    def _choose_layers(self, settings: StyleGANNadaSettings) -> None:
        chosen_by = (settings.selection, settings.selection_k, settings.phase)
        if settings.selection == "off":
            self.layers = phase_layers(self._generator.img_resolution, settings.phase)
        elif self.steps_done % settings.selection_every == 0 or chosen_by != self._chosen_by:
            self.layers = self._select_layers(settings)
        self._chosen_by = chosen_by
        trained = set(layer_parameters(self._synthesis, self.layers))
        for name, value in self.change.items():
            value.requires_grad_(re.sub(r"\.(up|down)$", "", name) in trained)

    def _select_layers(self, settings: StyleGANNadaSettings) -> tuple[str, ...]:
        z = torch.randn(settings.selection_batch, self._generator.z_dim, generator=self._random)
        with torch.no_grad():
            before = self._generator.mapping(z.to(self._device))
        change = {name: value.detach() for name, value in self.change.items()}
        w = before.clone().requires_grad_()
        for _ in range(settings.selection_steps):
            pictures = render(self._synthesis, w, change)
            losses = [
                share * global_loss(image_embeds(encoder, pictures), aim.target)
                for (encoder, share), aim in zip(self._encoders, self.targets, strict=True)
            ]
            (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), w)
            w = (w - SELECTION_LR * gradient).detach().requires_grad_()
        importance = row_importance(before, w.detach())
        return rows_to_layers(importance, settings.selection_k, self._generator.img_resolution, settings.selection)

    # ------------------------------------------------------------------ snapshots and state

    def _take_snapshot(self) -> None:
        self.snapshots[self.steps_done] = {name: value.detach().half() for name, value in self.change.items()}
        if len(self.snapshots) > MOST_SNAPSHOTS:
            self.snapshots = dict(list(self.snapshots.items())[1::2])

    def change_at(self, step: int) -> dict[str, Tensor]:
        """The change at the last snapshot up to `step`, none before the first of them; 0 is the latest change."""
        if not step:
            return self.change
        taken = max((number for number in self.snapshots if number <= step), default=None)
        return {} if taken is None else {name: value.float() for name, value in self.snapshots[taken].items()}

    def domain(self, settings: StyleGANNadaSettings) -> Domain:
        """What was learned, as `engines.stylegan_nada.delta.save_domain` writes it."""
        return Domain(
            self.change,
            {
                "generator": self._generator.sha256,
                "source": settings.source_text,
                "target": settings.prompt,
                "clip": ", ".join(encoder.name for encoder, _ in self._encoders),
                "method": self._method,
                "steps": str(self.steps_done),
            },
        )

    def state_dict(self) -> dict[str, Any]:
        """CPU tensors that later steps do not change, and numbers."""
        return {
            "step": self.steps_done,
            "losses": dict(self.losses),
            "layers": list(self.layers),
            "chosen_by": self._chosen_by,
            "change": copies(self.change),
            "optimizer": {
                name: copies(self._optimizer.state[value])
                for name, value in self.change.items()
                if value in self._optimizer.state
            },
            "random": self._random.get_state(),
            "snapshots": {str(step): copies(change) for step, change in self.snapshots.items()},
            "watch": [self._smoothed, self._least, self._least_step] if self.steps_done else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["change"].keys() != self.change.keys():
            raise KeyError
        with torch.no_grad():
            for name, value in self.change.items():
                value.copy_(state["change"][name])
        saved = state["optimizer"]
        load_moments(self._optimizer, [self.change[name] for name in saved], list(saved.values()))
        self._random.set_state(state["random"])
        self.snapshots = {
            int(step): {name: value.to(self._device) for name, value in change.items()}
            for step, change in state["snapshots"].items()
        }
        if state["watch"] is not None:
            self._smoothed, self._least, self._least_step = state["watch"]
        self._chosen_by = state["chosen_by"] and tuple(state["chosen_by"])
        self.steps_done, self.losses, self.layers = state["step"], dict(state["losses"]), tuple(state["layers"])
