"""Format twins: files with the names, shapes and nesting of the published ones, filled with random numbers.

And what the networks should make of them, written a second time from the method's note, as functions of the tensors.
"""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

STAGES = {0: 0, 3: 1, 7: 2, 21: 3}
"""First unit of each stage."""
NARROW = (16, 32, 48, 64)

Shapes = dict[str, tuple[int, ...]]


def norm_shapes(name: str, channels: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def ir_se_shapes(widths: tuple[int, ...]) -> Shapes:
    shapes = {"input_layer.0.weight": (widths[0], 3, 3, 3)} | norm_shapes("input_layer.1", widths[0])
    shapes["input_layer.2.weight"] = (widths[0],)
    before = width = widths[0]
    for i in range(24):
        width = widths[STAGES[i]] if i in STAGES else width
        name = f"body.{i}.res_layer"
        shapes |= norm_shapes(f"{name}.0", before) | norm_shapes(f"{name}.4", width)
        shapes |= {f"{name}.1.weight": (width, before, 3, 3), f"{name}.2.weight": (width,)}
        shapes |= {f"{name}.3.weight": (width, width, 3, 3)}
        shapes |= {
            f"{name}.5.fc1.weight": (width // 16, width, 1, 1),
            f"{name}.5.fc2.weight": (width, width // 16, 1, 1),
        }
        if i in (3, 7, 21):
            shapes |= {f"body.{i}.shortcut_layer.0.weight": (width, before, 1, 1)}
            shapes |= norm_shapes(f"body.{i}.shortcut_layer.1", width)
        before = width
    return shapes


def identity_shapes(widths: tuple[int, ...], features: int) -> Shapes:
    shapes = ir_se_shapes(widths) | norm_shapes("output_layer.0", widths[3]) | norm_shapes("output_layer.4", features)
    return shapes | {"output_layer.3.weight": (features, widths[3] * 49), "output_layer.3.bias": (features,)}


def random_state(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Tensors that keep the size of what goes through the network, and let each of them matter."""
    source = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        draw = torch.randn(shape, generator=source)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(1234)
        elif name.endswith("running_var"):
            state[name] = 0.5 + draw.abs()
        elif len(shape) == 1 and name.endswith("weight"):  # a normalisation or a slope
            state[name] = (0.25 if ".2.weight" in name else 1) + 0.1 * draw
        elif len(shape) == 1:
            state[name] = 0.2 * draw
        elif name.endswith("linear.weight"):  # of an equalised learning rate
            state[name] = draw
        else:
            state[name] = draw / draw[0].numel() ** 0.5
    return state


def marked_state(shapes: Shapes) -> dict[str, Tensor]:
    """Each tensor filled with a number of its own; one number in the file, whatever its size."""
    marks = {name: torch.tensor(1 + k / 256).expand(shape) for k, (name, shape) in enumerate(shapes.items())}
    return {name: mark.long() if name.endswith("num_batches_tracked") else mark for name, mark in marks.items()}


class Calls:
    """Unpickled by anything that runs pickles, it runs a command."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


# ---------------------------------------------------------------------------------------------- what they should do


def norm(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    weight, bias, mean, var = (
        state[f"{name}.{part}"].view(-1, *[1] * (x.dim() - 2))
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def prelu(slope: Tensor, x: Tensor) -> Tensor:
    return torch.where(x > 0, x, slope.view(-1, 1, 1) * x)


def ir_se_units(state: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """The outputs of the 24 units."""
    x = F.conv2d(x, state["input_layer.0.weight"], padding=1)
    x = prelu(state["input_layer.2.weight"], norm(state, "input_layer.1", x))
    outputs = []
    for i in range(24):
        stride = 2 if i in STAGES else 1
        part = {k: state[f"body.{i}.res_layer.{k}.weight"] for k in ("1", "2", "3", "5.fc1", "5.fc2")}
        y = F.conv2d(norm(state, f"body.{i}.res_layer.0", x), part["1"], padding=1)
        y = F.conv2d(prelu(part["2"], y), part["3"], padding=1, stride=stride)
        y = norm(state, f"body.{i}.res_layer.4", y)
        squeezed = (y.flatten(2).mean(2) @ part["5.fc1"][:, :, 0, 0].T).clamp_min(0)
        y = y * torch.sigmoid(squeezed @ part["5.fc2"][:, :, 0, 0].T)[:, :, None, None]
        x = x[:, :, ::stride, ::stride]
        if i in (3, 7, 21):
            x = torch.einsum("oi,nihw->nohw", state[f"body.{i}.shortcut_layer.0.weight"][:, :, 0, 0], x)
            x = norm(state, f"body.{i}.shortcut_layer.1", x)
        x = x + y
        outputs.append(x)
    return outputs


def identity_features(state: dict[str, Tensor], crops: Tensor) -> Tensor:
    x = norm(state, "output_layer.0", ir_se_units(state, crops)[-1]).flatten(1)
    x = norm(state, "output_layer.4", x @ state["output_layer.3.weight"].T + state["output_layer.3.bias"])
    return x / x.square().sum(1, keepdim=True).sqrt()


# ---------------------------------------------------------------------------------------------- e4e


def halvings(row: int) -> int:
    """Heads 0-2 begin at 16 px, 3-6 at 32, all others at 64."""
    return 4 + (row >= 3) + (row >= 7)


def encoder_shapes(widths: tuple[int, ...], num_ws: int, w_dim: int) -> Shapes:
    shapes = ir_se_shapes(widths)
    for row in range(num_ws):
        for k in range(halvings(row)):
            shapes[f"styles.{row}.convs.{2 * k}.weight"] = (w_dim, w_dim if k else widths[3], 3, 3)
            shapes[f"styles.{row}.convs.{2 * k}.bias"] = (w_dim,)
        shapes |= {f"styles.{row}.linear.weight": (w_dim, w_dim), f"styles.{row}.linear.bias": (w_dim,)}
    for layer, width in (("latlayer1", widths[2]), ("latlayer2", widths[1])):
        shapes |= {f"{layer}.weight": (widths[3], width, 1, 1), f"{layer}.bias": (widths[3],)}
    return shapes


def encoder_codes(state: dict[str, Tensor], pictures: Tensor, num_ws: int) -> Tensor:
    """Without the mean code."""
    units = ir_se_units(state, pictures)
    levels = [units[23]]
    for layer, unit in (("latlayer1", 20), ("latlayer2", 6)):
        lateral = F.conv2d(units[unit], state[f"{layer}.weight"], state[f"{layer}.bias"])
        levels.append(enlarged(levels[-1], lateral.shape[2:]) + lateral)
    rows = []
    for row in range(num_ws):
        x = levels[(row >= 3) + (row >= 7)]
        for k in range(halvings(row)):
            name = f"styles.{row}.convs.{2 * k}"
            x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=2, padding=1)
            x = torch.maximum(x, 0.01 * x)
        weight, bias = state[f"styles.{row}.linear.weight"], state[f"styles.{row}.linear.bias"]
        rows.append(x[:, :, 0, 0] @ weight.T / weight.shape[1] ** 0.5 + bias + (rows[0] if rows else 0))
    return torch.stack(rows, dim=1)


def enlarged(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Bilinear, corners on corners."""
    down, across = (between(old, new) for old, new in zip(x.shape[2:], size, strict=True))
    return torch.einsum("nchw,Hh,Ww->ncHW", x, down, across)


def between(old: int, new: int) -> Tensor:
    """(new, old): how much of each old place is in each new one."""
    places = torch.arange(new) * (old - 1) / (new - 1)
    return (1 - (places[:, None] - torch.arange(old)).abs()).clamp_min(0)
