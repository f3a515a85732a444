"""What of a generator is trained: a phase's layers for all steps, or those that matter most to the text just now.

Layers are named as in the style space ("b8.conv0"); "b4.const" is the constant input. Phases are those of the released
code. Adaptive selection is §4.2 of Gal et al., arXiv 2108.00946: codes of W+ walk towards the text for an instant, and
the layers whose rows moved most are trained.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from engines.stylegan2.style_space import is_torgb, style_rows

__all__ = ["Phase", "RowMapping", "layer_parameters", "phase_layers", "row_importance", "rows_to_layers", "top_rows"]

Phase = Literal["default", "texture", "shape", "shape_expanded", "no_fine"]
"""The mapping network and all toRGB layers stay frozen in each of them."""
PHASES: dict[Phase, slice] = dict(
    zip(get_args(Phase), (slice(None), slice(2, 10), slice(0, 2), slice(0, 3), slice(0, 10)), strict=True)
)
"""Of the convolutions after b4.conv1, in their order; up to 128 px there are ten of them."""

RowMapping = Literal["exact", "reference"]
"""exact: a row stands for the convolution that it drives. reference: for the one before, as released by mistake, so
that the second row stands for b4.torgb."""


def phase_layers(resolution: int, phase: Phase) -> tuple[str, ...]:
    """The constant input, b4.conv1, and the phase's share of the other convolutions."""
    first, *others = _convolutions(resolution)
    return "b4.const", first, *others[PHASES[phase]]


def row_importance(before: Tensor, after: Tensor) -> Tensor:
    """How far each row of W+ moved, the mean over codes and channels: (codes, rows, w_dim) each → (rows,)."""
    return (after - before).abs().mean(dim=(0, 2))


def top_rows(importance: Tensor, k: int) -> list[int]:
    """The k rows that moved most, or as many as there are; the foremost first."""
    return importance.topk(min(k, len(importance))).indices.tolist()


def rows_to_layers(importance: Tensor, k: int, resolution: int, row_mapping: RowMapping = "exact") -> tuple[str, ...]:
    """The k layers whose rows moved most, (rows,) as of `row_importance`.

    The last row drives nothing but a toRGB layer, so that only the reference mapping considers it.
    """
    layers = list(_convolutions(resolution))
    if row_mapping == "reference":
        layers.insert(1, "b4.torgb")
    return tuple(layers[row] for row in top_rows(importance[: len(layers)], k))


def layer_parameters(synthesis: nn.Module, layers: tuple[str, ...]) -> list[str]:
    """Names of all parameters of these layers in a synthesis network.

    Of a convolution: weight, bias, strength of the noise, and the affine layer that makes its style.
    """
    return [
        name
        for name, _ in synthesis.named_parameters()
        if any(name == layer or name.startswith(f"{layer}.") for layer in layers)
    ]


def _convolutions(resolution: int) -> tuple[str, ...]:
    return tuple(name for name in style_rows(resolution) if not is_torgb(name))
