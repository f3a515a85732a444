"""From a picture to its latent code in W+: the encoder of e4e (Tov et al., arXiv 2102.02766).

    encoder = load_encoder("e4e_ffhq_encode.pt")
    generator = load_generator("e4e_ffhq_encode.pt")        # the decoder in the same file, for which the codes are
    w = encoder(picture)                                    # (N, 3, 256, 256) → (N, num_ws, w_dim)
    again = generator.synthesis(w)

Faces have to be aligned (`engines.faces.alignment`). The architecture is that of pSp (Richardson et al.,
arXiv 2008.00951, section 3.1): a pyramid of features (arXiv 1612.03144), and for each row of the code a small head.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.checkpoints import (
    Budget,
    Record,
    claimed_shape,
    fill,
    items_of,
    open_checkpoint,
    to_tensor,
    without_data_parallel,
)
from engines.errors import EngineError
from engines.faces._ir_se import WIDTHS, ir_se_body, ir_se_input, read_widths
from engines.images import as_tensor
from engines.stylegan2.generator import FullyConnected

__all__ = ["Encoder", "load_encoder", "picture_to_tensor"]

SIDE = 256
"""Of the pictures in px."""
CAR_HEIGHT = 192
"""Of cars: rows 32 to 224 of 256."""
TAPS = (6, 20, 23)
"""Units of the body that end at a fourth, an eighth and a sixteenth of the side."""
COARSE, MEDIUM = 3, 7
"""Rows of the code below these see the coarsest features, and those in the middle; all others see the finest."""
MAX_ROWS = 20
"""Of the code for a generator of 2048 px."""
SLOPE = 0.01
"""Of the leaky ReLU in the heads."""
ENCODER_TYPE = "Encoder4Editing"
"""In the options of a file. The encoder of pSp has tensors of the same names and shapes, and another function."""


class Encoder(nn.Module):
    """The encoder for a generator with `num_ws` rows of `w_dim`. `widths`: channels of the four stages of IR-SE50.

    latent_avg: (num_ws, w_dim), what is added to each code.
    """

    def __init__(self, num_ws: int = 18, w_dim: int = 512, widths: tuple[int, ...] = WIDTHS):
        super().__init__()
        _, fine, medium, coarse = widths
        self.input_layer = ir_se_input(widths)
        self.body = ir_se_body(widths)
        self.styles = nn.ModuleList(Head(coarse, w_dim, _halvings(row)) for row in range(num_ws))
        self.latlayer1 = nn.Conv2d(medium, coarse, 1)
        self.latlayer2 = nn.Conv2d(fine, coarse, 1)
        self.register_buffer("latent_avg", torch.zeros(num_ws, w_dim), persistent=False)  # published beside the encoder

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, 256, 256), of cars (N, 3, 192, 256), RGB in [-1, 1] → (N, num_ws, w_dim). Differentiable.

        Raises `EngineError` for pictures of other sizes.
        """
        if tuple(pictures.shape[1:]) not in ((3, SIDE, SIDE), (3, CAR_HEIGHT, SIDE)):
            raise EngineError(
                "The encoder was given pictures of shape {shape}; give (count, 3, {SIDE}, {SIDE}), or "
                "{CAR_HEIGHT} rows of cars.",
                shape=tuple(pictures.shape),
                SIDE=SIDE,
                CAR_HEIGHT=CAR_HEIGHT,
            )
        fine, medium, coarse = self._features(pictures)
        medium = _upsampled(coarse, medium) + self.latlayer1(medium)
        fine = _upsampled(medium, fine) + self.latlayer2(fine)
        levels = [coarse if row < COARSE else medium if row < MEDIUM else fine for row in range(len(self.styles))]
        codes = torch.stack([head(level) for head, level in zip(self.styles, levels, strict=True)], dim=1)
        w = codes[:, :1]  # a code in W, from which the other rows depart
        return torch.cat([w, w + codes[:, 1:]], dim=1) + self.latent_avg

    def _features(self, pictures: Tensor) -> list[Tensor]:
        x, taps = self.input_layer(pictures), []
        for index, unit in enumerate(self.body):
            x = unit(x)
            if index in TAPS:
                taps.append(x)
        return taps


class Head(nn.Module):
    """One row of the code: the map is halved until one pixel is left."""

    def __init__(self, in_channels: int, w_dim: int, halvings: int):
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (in_channels, *[w_dim] * (halvings - 1)):
            layers += [nn.Conv2d(channels, w_dim, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        self.convs = nn.Sequential(*layers)
        self.linear = FullyConnected(w_dim, w_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


def _halvings(row: int) -> int:
    """From 16, 32 or 64 px to one."""
    return 4 if row < COARSE else 5 if row < MEDIUM else 6


def _upsampled(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)


def picture_to_tensor(picture: np.ndarray) -> Tensor:
    """An aligned picture as the encoder wants it: (256, 256, 3) uint8 RGB → (1, 3, 256, 256) in [-1, 1].

    Raises `EngineError` for other pictures.
    """
    if picture.dtype != np.uint8 or picture.shape != (SIDE, SIDE, 3):
        raise EngineError(
            "The picture is of shape {shape} and type {dtype}; give an aligned one, ({SIDE}, {SIDE}, 3) in uint8.",
            shape=picture.shape,
            dtype=picture.dtype,
            SIDE=SIDE,
        )
    return as_tensor(picture)[None] * 2 - 1


# ---------------------------------------------------------------------------------------------- files


def load_encoder(path: Path | str) -> Encoder:
    """The encoder in a published file of e4e: float32, on the CPU, in evaluation mode, weights without gradients.

    Nothing in the file is run; the number of rows and the widths are those of its tensors, and its decoder is left to
    `load_generator`. Raises `EngineError` when it cannot be read, is damaged, or holds no encoder of e4e.
    """
    with open_checkpoint(path, "an e4e checkpoint") as content:
        root = items_of(content) or {}
        state = items_of(root.get("state_dict"))
        if state is None:
            raise ValueError("it holds no 'state_dict'")
        options = _options(root.get("opts"))
        kind = options.get("encoder_type", ENCODER_TYPE)
        if type(kind) is not str or kind != ENCODER_TYPE:
            raise EngineError("The file has an encoder of another kind, as pSp does; choose an e4e checkpoint.")
        prefix = "encoder."
        named = without_data_parallel({name: value for name, value in state.items() if type(name) is str})
        records = {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}
        if not records:
            raise EngineError("The file has no encoder; choose a complete e4e checkpoint.")
        num_ws = 0
        while num_ws < MAX_ROWS and f"styles.{num_ws}.linear.weight" in records:
            num_ws += 1
        with torch.device("meta"):
            encoder = Encoder(num_ws, claimed_shape(records, "styles.0.linear.weight")[0], read_widths(records))
        fill(encoder, records, "the encoder of e4e")
        encoder.latent_avg = torch.zeros(num_ws, encoder.styles[0].linear.weight.shape[0])
        if options.get("start_from_latent_avg") is True:
            encoder.latent_avg += _latent_avg(root, encoder.latent_avg.shape)
    return encoder


def _options(value: Any) -> dict[str, Any]:
    """By name: those of a dict, or those of an argparse.Namespace."""
    if type(value) is Record and value.name == "argparse.Namespace":
        value = value.state
    options = items_of(value)
    if options is None:
        raise ValueError("it has something else in the place of its options")
    return options


def _latent_avg(content: dict, shape: torch.Size) -> Tensor:
    """A code in W+, or one in W for all rows."""
    claimed = claimed_shape(content, "latent_avg")
    if claimed not in (shape, shape[1:], (1, *shape)):
        raise EngineError(
            "The mean code of the file is of shape {claimed} where {shape} is wanted; choose an "
            "undamaged e4e checkpoint.",
            claimed=claimed,
            shape=tuple(shape),
        )
    latent_avg = to_tensor(content["latent_avg"], Budget())
    if not latent_avg.isfinite().all():
        raise EngineError("The mean code of the file has numbers that are not finite; choose an undamaged file.")
    return latent_avg.reshape(-1, shape[1])
