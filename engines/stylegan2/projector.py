"""From a picture to the latent code that makes it, by optimisation ("inversion").

    projector = Projector(generator, models.style_features(), picture, num_steps=200, seed=0)
    while projector.steps_done < projector.num_steps:
        losses = projector.step()
    w = projector.latent                                # (1, num_ws, w_dim)

    loss = feature_distance + PIXELS * mean squared error of pixels + ROWS * row_spread(w)

The start, the schedule and the exploration are those of StyleGAN2's projection (Karras et al., arXiv 1912.04958, app.
D). It stays in W, which holds few pictures but the generator's own; here the rows of W+ part after a while, as in
Image2StyleGAN (Abdal et al., arXiv 1904.03189, which also adds the pixels to the features). They are held near their
mean: a code is the easier to edit the nearer it is to W (Tov et al., arXiv 2102.02766).

From the code of an encoder the same schedule goes on. Measured on such portraits from codes at 27.6 dB: 60 steps end
where 200 from the mean do, at 29.5 dB, whether or not the rows first move together and explore.

Noise maps stay those of the checkpoint, unlike in the paper: optimised ones take up detail of the picture that no edit
moves, and would have to go along with the code wherever it is rendered.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from engines.errors import EngineError
from engines.images import as_tensor
from engines.style.features import StyleEncoder
from engines.stylegan2.generator import Generator
from engines.stylegan2.schedule import learning_rate

__all__ = ["Projector", "feature_distance", "latent_std", "row_spread", "target_tensor"]

PEAK_LR = 0.1
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Of Adam (Kingma and Ba, arXiv 1412.6980)."""
EXPLORATION, EXPLORED = 0.05, 0.75
"""Noise on the code, in deviations of w, and the share of the steps in which it fades."""
SHARED = 0.3
"""Share of the steps with one row of W, before the rows of W+ part."""
PIXELS, ROWS = 20.0, 1.0
"""Weights beside 1 for the features. Measured on portraits that a generator was never taught: more for the pixels gains
decibels and loses likeness of features; 3 for the rows costs 0.4 dB, 0.3 gains 0.05 dB and spreads them a quarter more.
"""
COMPARED_SIDE = 256
"""Pixels of the side at which features are compared, at most."""
LAYERS = (2, 4, 7, 8, 9)
"""relu1_2, 2_2, 3_3, 4_3 and 5_3 among `StyleEncoder.maps`: the layers of LPIPS (Zhang et al., arXiv 1801.03924)."""


class Projector:
    """One projection of one picture, a step at a time, on the device of the generator and the features.

    target: (H, W, 3) uint8 RGB of any size. Its middle square is resized to the generator's resolution and is
    `.target`, (1, 3, R, R) in [-1, 1]. num_steps: over which the schedule runs; 200 do for 128 px.
    start: the code that an encoder found, (1, num_ws, w_dim), to be refined; without one the search begins at w_avg.
    Raises `EngineError` for another kind of picture, and for a generator with classes.
    """

    def __init__(
        self,
        generator: Generator,
        features: StyleEncoder,
        target: np.ndarray,
        *,
        num_steps: int = 200,
        seed: int = 0,
        start: Tensor | None = None,
    ):
        self.num_steps, self.steps_done = num_steps, 0
        self._generator, self._features = generator, features
        centre = generator.mapping.w_avg
        self.target = target_tensor(target, generator.img_resolution).to(centre)
        self._std = latent_std(generator)
        self._random = torch.Generator().manual_seed(seed)
        start = centre.repeat(1, generator.num_ws, 1) if start is None else start
        self._latent = start.detach().clone().requires_grad_()
        self._mean, self._mean_square = torch.zeros_like(self._latent), torch.zeros_like(self._latent)
        with torch.no_grad():
            self._target_features = self._features_of(self.target)

    @property
    def latent(self) -> Tensor:
        """The code of now, (1, num_ws, w_dim)."""
        return self._latent.detach().clone()

    @torch.no_grad()
    def picture(self) -> Tensor:
        """What the generator makes of the code, (1, 3, R, R), nominally in [-1, 1], not clamped."""
        return self._generator.synthesis(self._latent)

    def step(self) -> dict[str, float]:
        """Improve the code once → "loss" and its terms "features", "pixels" and "rows", as they were before.

        Raises `EngineError` after `num_steps` steps.
        """
        if self.steps_done >= self.num_steps:
            raise EngineError(
                "The projection has made all its {num_steps} steps; start a longer one.", num_steps=self.num_steps
            )
        progress = self.steps_done / self.num_steps
        is_shared = progress < SHARED

        picture = self._generator.synthesis(self._latent + self._exploration(progress, is_shared))
        terms = {
            "features": feature_distance(self._features_of(picture), self._target_features),
            "pixels": PIXELS * F.mse_loss(picture, self.target),
            "rows": ROWS * row_spread(self._latent / self._std),
        }
        loss = torch.stack(list(terms.values())).sum()
        (gradient,) = torch.autograd.grad(loss, self._latent)
        # Rows that begin alike and get the same gradient are one row.
        self._adam_step(gradient.mean(dim=1, keepdim=True) if is_shared else gradient)
        self.steps_done += 1
        return {name: value.item() for name, value in {"loss": loss, **terms}.items()}

    @torch.no_grad()
    def _adam_step(self, gradient: Tensor) -> None:
        """(1, 1 or num_ws, w_dim). Written out, because torch.optim takes seconds to import."""
        self._mean.lerp_(gradient.expand_as(self._mean), 1 - BETA1)
        self._mean_square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        steps = self.steps_done + 1
        rate = learning_rate(self.steps_done, self.num_steps, PEAK_LR)
        root = (self._mean_square / (1 - BETA2**steps)).sqrt_().add_(EPSILON)
        self._latent.addcdiv_(self._mean, root, value=-rate / (1 - BETA1**steps))

    def _exploration(self, progress: float, is_shared: bool) -> Tensor:
        """(1, 1 or num_ws, w_dim)"""
        _, rows, columns = self._latent.shape
        noise = torch.randn(1, 1 if is_shared else rows, columns, generator=self._random).to(self._latent)
        return noise * (EXPLORATION * self._std * max(0.0, 1 - progress / EXPLORED) ** 2)

    def _features_of(self, picture: Tensor) -> list[Tensor]:
        if picture.shape[-1] > COMPARED_SIDE:
            picture = F.interpolate(picture, (COMPARED_SIDE, COMPARED_SIDE), mode="area")
        maps = self._features.maps((picture + 1) / 2)
        return [maps[layer] for layer in LAYERS]

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, but for what the projector was made with: CPU tensors and a number."""
        return {
            "step": self.steps_done,
            "random": self._random.get_state(),
            **{name: tensor.detach().cpu().clone() for name, tensor in self._tensors().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a projector made with the same arguments stood. Raises `EngineError` for another state."""
        try:
            if any(state[name].shape != tensor.shape for name, tensor in self._tensors().items()):
                raise KeyError
            self._random.set_state(state["random"])
            for name, tensor in self._tensors().items():
                tensor.copy_(state[name])
            self.steps_done = state["step"]
        except (KeyError, TypeError, AttributeError, RuntimeError):
            raise EngineError("The saved state is not one of this projection; choose another one.") from None

    def _tensors(self) -> dict[str, Tensor]:
        return {"latent": self._latent.detach(), "mean": self._mean, "mean_square": self._mean_square}


# ---------------------------------------------------------------------------------------------- target and start


def target_tensor(picture: np.ndarray, side: int) -> Tensor:
    """(H, W, 3) uint8 RGB → its middle square, (1, 3, side, side) in [-1, 1]. `EngineError` for other pictures."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise EngineError(
            "The picture to project is of shape {shape} and type {dtype}; give an RGB picture of 8 bits, "
            "(height, width, 3).",
            shape=picture.shape,
            dtype=picture.dtype,
        )
    square = ImageOps.fit(Image.fromarray(picture), (side, side), Image.Resampling.LANCZOS)
    return as_tensor(np.asarray(square))[None] * 2 - 1


@torch.no_grad()
def latent_std(generator: Generator) -> float:
    """Standard deviation of the numbers of w about w_avg, over 10,000 seeded z."""
    mapping = generator.mapping
    z = torch.randn(10_000, mapping.z_dim, generator=torch.Generator().manual_seed(0)).to(mapping.w_avg)
    squares = [(mapping(part)[:, 0] - mapping.w_avg).square().mean() for part in z.split(1000)]
    return float(torch.stack(squares).mean().sqrt())


# ---------------------------------------------------------------------------------------------- terms


def feature_distance(features: list[Tensor], others: list[Tensor]) -> Tensor:
    """Σ over the layers of the mean over pixels of |f / |f| - g / |g||²; (1, C, h, w) each → scalar in [0, 4 · layers].

    LPIPS (arXiv 1801.03924, eq. 1) with all its learned weights 1: they belong to the published VGG-16, and this is to
    work with any.
    """
    layers = zip(features, others, strict=True)
    return torch.stack(
        [(F.normalize(own, dim=1) - F.normalize(other, dim=1)).square().sum(dim=1).mean() for own, other in layers]
    ).sum()


def row_spread(w: Tensor) -> Tensor:
    """Mean squared deviation of the rows from their mean, (1, num_ws, w_dim) → scalar; 0 in W."""
    return (w - w.mean(dim=1, keepdim=True)).square().mean()
