"""What a descendant differs from its base in: by name, small to keep, and never anything but numbers.

    domain = load_domain("sketch.safetensors", base)
    sketch = descendant(base, domain.values)                    # an ordinary Generator
    half = descendant(base, domain.values, Strengths(0.5, 0.5, 0.5))

A change is a dict of tensors to add to parameters of the synthesis network ("b8.conv0.weight"). Where it is of low rank
there are two in their place, "….up", (outputs, rank), and "….down", (rank, all other axes), whose product it is. An
offset of a style is a change of the bias of the affine layer that makes it. The mapping network is never changed: all
descendants of a base share it, and so their latents mean the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.func import functional_call

from engines.checkpoints import OwnFile, expect_small_header, open_checkpoint
from engines.errors import EngineError
from engines.files import write_bytes
from engines.shown import shown
from engines.stylegan2 import Generator, load_generator
from engines.stylegan2.generator import SynthesisNetwork

__all__ = [
    "FULL",
    "Change",
    "Domain",
    "Method",
    "Strengths",
    "descendant",
    "differences",
    "difference_of",
    "expect_relative",
    "load_domain",
    "moved_parameters",
    "new_change",
    "private_copy",
    "render",
    "save_domain",
]

Change = Mapping[str, Tensor]
Method = Literal["layers", "low-rank", "style offsets"]
"""layers: all that a layer has. low-rank: matrices by products of two thin ones. style offsets: only a vector each."""

FORMAT = "atelier-nada-domain-1"
KIND = "a domain of StyleGAN-NADA"
COARSE, MEDIUM = 8, 32
"""The largest blocks of these levels, in px; all larger ones are fine."""
MAPPING_TOLERANCE = 2e-3
"""Of its largest number: mapping networks that were once rounded to fp16 are still the same."""


class Strengths(NamedTuple):
    """How much of a change is made in the blocks of up to 8 px, up to 32 px, and above; 1 as trained."""

    coarse: float
    medium: float
    fine: float

    def of(self, parameter: str) -> float:
        """Of a parameter of the synthesis network: "b8.conv0.weight"."""
        resolution = int(parameter.partition(".")[0].removeprefix("b"))
        return self.coarse if resolution <= COARSE else self.medium if resolution <= MEDIUM else self.fine


FULL = Strengths(1.0, 1.0, 1.0)


# ---------------------------------------------------------------------------------------------- changes


def new_change(
    synthesis: SynthesisNetwork, names: Iterable[str], method: Method, rank: int, random: torch.Generator
) -> dict[str, Tensor]:
    """A change of these parameters that does nothing yet, ready to be trained by `method`, on their device.

    rank: of "low-rank", of everything that has more than one axis but for the constant input. Strengths of the noise
    are left out: as it is constant, they would learn one grain for all pictures.
    """
    change = {}
    for name in names:
        parameter = synthesis.get_parameter(name)
        if name.endswith("noise_strength") or (method == "style offsets" and not name.endswith("affine.bias")):
            continue
        if method == "low-rank" and parameter.dim() > 1 and not name.endswith("const"):
            outputs, inputs = len(parameter), parameter[0].numel()
            down = torch.randn(rank, inputs, generator=random) / rank**0.5
            change[f"{name}.up"] = parameter.new_zeros(outputs, rank)
            change[f"{name}.down"] = down.to(parameter.device)
        else:
            change[name] = torch.zeros_like(parameter)
    return change


def differences(change: Change, synthesis: SynthesisNetwork) -> dict[str, Tensor]:
    """What is added to each parameter, of its shape."""
    found = {}
    for name, value in change.items():
        if name.endswith(".up"):
            whole = name.removesuffix(".up")
            found[whole] = (value @ change[f"{whole}.down"]).view(synthesis.get_parameter(whole).shape)
        elif not name.endswith(".down"):
            found[name] = value
    return found


def moved_parameters(synthesis: SynthesisNetwork, change: Change, strengths: Strengths = FULL) -> dict[str, Tensor]:
    """The parameters that a change moves, as they are then: θ + strength · Δθ."""
    return {
        name: synthesis.get_parameter(name) + strengths.of(name) * difference
        for name, difference in differences(change, synthesis).items()
    }


def render(synthesis: SynthesisNetwork, w: Tensor, change: Change, strengths: Strengths = FULL) -> Tensor:
    """`synthesis(w)` of the descendant, (N, 3, H, W), with constant noise; differentiable in the change.

    synthesis: the base's, as `private_copy` gives it: for an instant its parameters are exchanged.
    """
    return functional_call(synthesis, moved_parameters(synthesis, change, strengths), (w,))


def private_copy(generator: Generator) -> SynthesisNetwork:
    """The synthesis network as modules of one's own around the same tensors."""
    with torch.device("meta"):
        copy = SynthesisNetwork(generator.config)
    copy.load_state_dict(generator.synthesis.state_dict(), assign=True)
    return copy.eval().requires_grad_(False)


# ---------------------------------------------------------------------------------------------- generators


@torch.no_grad()
def descendant(base: Generator, change: Change, strengths: Strengths = FULL) -> Generator:
    """A generator of its own that differs from `base` by the change; in evaluation mode, without gradients."""
    with torch.device("meta"):
        generator = Generator(base.config)
    tensors = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    for name, value in moved_parameters(base.synthesis, change, strengths).items():
        tensors[f"synthesis.{name}"] = value
    generator.load_state_dict(tensors, assign=True)
    generator.mapping.default_class = base.mapping.default_class
    return generator.eval().requires_grad_(False)


@torch.no_grad()
def difference_of(generator: Generator, base: Generator) -> dict[str, Tensor]:
    """The change that makes `generator` of `base`. Raises `EngineError` when they are not of one base."""
    expect_relative(generator, base)
    return {
        name: parameter.to(base.synthesis.get_parameter(name)) - base.synthesis.get_parameter(name)
        for name, parameter in generator.synthesis.named_parameters()
    }


def expect_relative(generator: Generator, base: Generator) -> None:
    """Raises `EngineError` unless both are of one base, which shows in equal shapes and one mapping network."""
    if _shapes(generator) != _shapes(base):
        raise EngineError("The two generators are of different sizes; choose two that were adapted from the same one.")
    for name, parameter in base.mapping.named_parameters():
        other = generator.mapping.get_parameter(name).to(parameter)
        if (other - parameter).abs().max() > MAPPING_TOLERANCE * parameter.abs().max():
            raise EngineError(
                "The two generators have different mapping networks; choose two that were adapted from the same one."
            )


def _shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: parameter.shape for name, parameter in network.named_parameters()}


# ---------------------------------------------------------------------------------------------- files


@dataclass(frozen=True)
class Domain:
    """A change, and what its file tells about it: "generator" (sha256 of the base's file), "source", "target", "clip",
    "method", "steps", as far as known."""

    change: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)


def save_domain(domain: Domain, path: Path | str) -> None:
    """Write a change as fp16 safetensors, atomically; parts that change nothing are left out."""
    changing = {name: value for name, value in domain.change.items() if _factor(domain.change, name).any()}
    tensors = {name: value.detach().cpu().half().contiguous() for name, value in changing.items()}
    if not all(value.isfinite().all() for value in tensors.values()):
        raise EngineError("The change has numbers beyond the range of fp16; train it at a lower learning rate.")
    write_bytes(Path(path), save(tensors, {**domain.metadata, "format": FORMAT}))


def _factor(change: Change, name: str) -> Tensor:
    """The tensor that decides whether this one changes anything: of a product, the factor that begins with zeros."""
    return change[f"{name.removesuffix('.down')}.up"] if name.endswith(".down") else change[name]


def load_domain(path: Path | str, base: Generator) -> Domain:
    """The domain of `save_domain`, or of any generator's file whose generator was adapted from `base`; on its device.

    Raises `EngineError` when the file cannot be read, is damaged, or belongs to another base.
    """
    path = Path(path)
    if not _is_domain(path):
        return Domain(difference_of(load_generator(path), base))
    with open_checkpoint(path, KIND, FORMAT) as file:
        if not isinstance(file, OwnFile):
            raise ValueError("it is no safetensors file")
        if file.metadata.get("generator", base.sha256) != base.sha256:
            raise EngineError("The domain was trained from another generator; choose that one or another domain.")
        _check(file.tensors, base.synthesis)
        device = base.mapping.w_avg.device
        return Domain({name: value.to(device) for name, value in file.tensors.items()}, file.metadata)


def _is_domain(path: Path) -> bool:
    try:
        expect_small_header(path)
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError, ValueError):
        return False


def _check(change: Change, synthesis: SynthesisNetwork) -> None:
    """Raises `EngineError` unless every tensor changes a parameter of the network."""
    shapes = _shapes(synthesis)
    for name, value in change.items():
        whole, _, part = name.rpartition(".")
        if part in ("up", "down") and whole in shapes:
            pair = [
                tuple(change[factor].shape) if factor in change else () for factor in (f"{whole}.up", f"{whole}.down")
            ]
            rank = pair[0][-1:]
            fits = len(shapes[whole]) > 0 and pair == [(shapes[whole][0], *rank), (*rank, shapes[whole][1:].numel())]
        else:
            fits = value.shape == shapes.get(name)
        if not fits:
            raise EngineError(
                "The tensor {name} does not fit the generator; choose a domain made for it.", name=shown(name)
            )
        if not value.isfinite().all():
            raise EngineError(
                "The tensor {name} has numbers that are not finite; choose an undamaged file.", name=shown(name)
            )
