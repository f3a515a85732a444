"""The StyleGAN2 generator, written from the papers (Karras et al., arXiv 1912.04958 and 2006.06676).

    generator = load_generator("ffhq.pkl")
    w = generator.mapping(z, psi=0.7)                   # (N, z_dim) → (N, num_ws, w_dim)
    picture = generator.synthesis(w)                    # → (N, 3, H, W), nominally in [-1, 1], not clamped

The architecture is "skip", as in all published StyleGAN2 checkpoints: every block adds to the picture of the block
before. Tensors are named as in StyleGAN2-ADA ("synthesis.b8.conv0.weight"). Convolutions scale their input by the style
and their output by the demodulation, which equals the paper's scaling of weights and needs no grouped convolution.
N pictures, C channels, r the resolution of a block.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.errors import EngineError
from engines.stylegan2.operators import (
    EPSILON,
    as_rgb,
    binomial,
    channels_last,
    convolve,
    demodulation,
    over_pixels,
    upsample2d,
    within_fp16,
)
from engines.stylegan2.style_space import style_rows

__all__ = ["Generator", "GeneratorConfig", "Noise", "block_channels"]

Noise = Literal["const", "none", "random"]
"""The maps of the checkpoint (a picture is the same each time), no noise at all, or new noise in every picture."""

SLOPE, GAIN = 0.2, math.sqrt(2)
"""Of the leaky ReLU; the gain keeps the variance."""


def block_channels(resolution: int, channel_base: int = 32768, channel_max: int = 512) -> tuple[int, ...]:
    """Channels of the blocks 4, 8, … resolution: min(channel_base / r, channel_max). 32768 is the paper's config F."""
    return tuple(min(channel_base // (4 << block), channel_max) for block in range(resolution.bit_length() - 2))


@dataclass(frozen=True)
class GeneratorConfig:
    """All that defines a generator except its tensors.

    channels: of each block, from 4 px up. mapping_features: outputs of each layer of the mapping network, the last one
    is w_dim. c_dim, embed_features: of the class label and its embedding, 0 without classes. img_channels: 1 for grey,
    3 for RGB, and one more for alpha; pictures are RGB in any case. resample_taps: length of the upsampling filter.
    conv_clamp: layers are clamped to ±conv_clamp. num_fp16_res: number of largest blocks in fp16 on a GPU.
    """

    channels: tuple[int, ...]
    z_dim: int = 512
    mapping_features: tuple[int, ...] = (512,) * 8
    c_dim: int = 0
    embed_features: int = 0
    img_channels: int = 3
    resample_taps: int = 4
    lr_multiplier: float = 0.01
    conv_clamp: float | None = None
    num_fp16_res: int = 0

    @property
    def resolution(self) -> int:
        return 2 << len(self.channels)

    @property
    def w_dim(self) -> int:
        return self.mapping_features[-1]

    @property
    def num_ws(self) -> int:
        """Rows of W+."""
        return 2 * len(self.channels)


class Generator(nn.Module):
    """z → w → picture. Weights are random until loaded."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        self.notes: tuple[str, ...] = ()
        """What a checkpoint lacked and was made up for, a sentence each, for a person to read."""
        self.sha256 = ""
        """Of the file it was loaded from, where that is known."""
        self.mapping = MappingNetwork(config)
        self.synthesis = SynthesisNetwork(config)

    @property
    def z_dim(self) -> int:
        return self.config.z_dim

    @property
    def c_dim(self) -> int:
        return self.config.c_dim

    @property
    def w_dim(self) -> int:
        return self.config.w_dim

    @property
    def num_ws(self) -> int:
        return self.config.num_ws

    @property
    def img_resolution(self) -> int:
        return self.config.resolution

    def of_class(self, index: int) -> Generator:
        """This generator with `index` as the class of all latents that come without one; it shares all tensors.

        Its `sha256` names the class too, as what is measured or trained with it belongs to that class. A generator
        without classes is returned as it is. Raises `EngineError` when there is no such class.
        """
        if not self.c_dim:
            return self
        if not 0 <= index < self.c_dim:
            raise EngineError(
                "This generator has the classes 0 to {c_dim} and no class {index}; choose one of these.",
                c_dim=self.c_dim - 1,
                index=index,
            )
        chosen = copy(self)
        chosen._modules = {**self._modules, "mapping": copy(self.mapping)}
        chosen.mapping.default_class = index
        chosen.sha256 = hashlib.sha256(f"{self.sha256}-{index}".encode()).hexdigest() if self.sha256 else ""
        return chosen

    def classes_in_turn(self, count: int) -> Tensor | None:
        """(count,): the class indices 0, 1, 2, …, again and again; None for a generator without classes."""
        return torch.arange(count) % self.c_dim if self.c_dim else None

    def forward(
        self,
        z: Tensor,
        psi: float = 1.0,
        cutoff: int | None = None,
        noise: Noise = "const",
        c: Tensor | int | None = None,
    ) -> Tensor:
        """`synthesis(mapping(z, psi, cutoff, c), noise)`."""
        return self.synthesis(self.mapping(z, psi, cutoff, c), noise)

    def styles(self, w: Tensor) -> dict[str, Tensor]:
        """(N, num_ws, w_dim) → {"b4.conv1": (N, C), "b4.torgb": (N, C), "b8.conv0": …}, the raw affine outputs."""
        return self.synthesis.styles(w)

    def synthesis_from_styles(
        self, styles: Mapping[str, Tensor], noise: Noise = "const", generator: torch.Generator | None = None
    ) -> Tensor:
        """`synthesis(w, noise)` is `synthesis_from_styles(styles(w), noise)`."""
        return self.synthesis.render(styles, noise, generator)


# ---------------------------------------------------------------------------------------------- mapping


class FullyConnected(nn.Module):
    """x Wᵀ · lr_multiplier / √in + b · lr_multiplier: the equalised learning rate of arXiv 1710.10196, §4.1."""

    def __init__(self, in_features: int, out_features: int, *, lr_multiplier: float = 1.0, bias_init: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init))
        self.lr_multiplier = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        gain = self.lr_multiplier / math.sqrt(self.weight.shape[1])
        return F.linear(x * gain, self.weight, self.bias * self.lr_multiplier)


class MappingNetwork(nn.Module):
    """z → w. `w_avg`, the mean of w, is the centre of truncation; nothing here moves it."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.z_dim, self.c_dim, self.num_ws = config.z_dim, config.c_dim, config.num_ws
        if config.c_dim:
            self.embed = FullyConnected(config.c_dim, config.embed_features)
        self.default_class: int | None = None
        """The class of latents that come without one."""
        self.num_layers = len(config.mapping_features)
        sizes = (config.z_dim + config.embed_features, *config.mapping_features)
        for k in range(self.num_layers):
            layer = FullyConnected(sizes[k], sizes[k + 1], lr_multiplier=config.lr_multiplier)
            self.add_module(f"fc{k}", layer)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, psi: float = 1.0, cutoff: int | None = None, c: Tensor | None = None) -> Tensor:
        """(N, z_dim) → (N, num_ws, w_dim).

        psi: w_avg + psi · (w - w_avg), in the rows below `cutoff` (all, unless given). c: the class, needed by a
        generator that has classes and ignored by others: an index for all pictures, (N,) integer indices, or (N, c_dim)
        labels, one-hot. Raises `EngineError` for other shapes and classes.
        """
        _expect("A latent z", z, self.z_dim)
        x = normalize_second_moment(z)
        if self.c_dim:
            x = torch.cat([x, normalize_second_moment(self.embed(self._labels(c, x)))], dim=1)
        for k in range(self.num_layers):
            x = F.leaky_relu(self.get_submodule(f"fc{k}")(x), SLOPE) * GAIN
        w = x[:, None].repeat(1, self.num_ws, 1)
        if psi == 1:
            return w
        rows = self.num_ws if cutoff is None else cutoff
        return torch.cat([torch.lerp(self.w_avg, w[:, :rows], psi), w[:, rows:]], dim=1)

    def _labels(self, c: Tensor | int | None, x: Tensor) -> Tensor:
        """(N, c_dim) in the type and on the device of x."""
        c = self.default_class if c is None else c
        if c is None:
            raise EngineError(
                "This generator makes {c_dim} classes of pictures; give it a class label.", c_dim=self.c_dim
            )
        if isinstance(c, int):
            c = torch.tensor(c).expand(len(x))
        if c.dim() == 1 and not c.is_floating_point():
            if c.min() < 0 or c.max() >= self.c_dim:
                raise EngineError(
                    "This generator has classes from 0 to {c_dim}; choose one of these.", c_dim=self.c_dim - 1
                )
            c = F.one_hot(c.long(), self.c_dim)
        _expect("A class label", c, self.c_dim)
        return c.to(x)


def normalize_second_moment(x: Tensor) -> Tensor:
    """x / √(mean of its squares), row by row."""
    return x * (x.square().mean(dim=1, keepdim=True) + EPSILON).rsqrt()


def _expect(what: str, x: Tensor, *shape: int) -> None:
    if tuple(x.shape[1:]) != shape:
        wanted = ", ".join(map(str, ("N", *shape)))
        raise EngineError(
            "{what} must be of shape ({wanted}) for this generator (got {shape}).",
            what=what,
            wanted=wanted,
            shape=tuple(x.shape),
        )


# ---------------------------------------------------------------------------------------------- synthesis


class SynthesisNetwork(nn.Module):
    """W+ → picture."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        self.rows = style_rows(config.resolution)
        self.register_buffer("resample_filter", binomial(config.resample_taps))
        for index, channels in enumerate(config.channels):
            in_channels = config.channels[index - 1] if index else 0
            self.add_module(f"b{4 << index}", SynthesisBlock(4 << index, in_channels, channels, config))

    def forward(self, w: Tensor, noise: Noise = "const", generator: torch.Generator | None = None) -> Tensor:
        """(N, num_ws, w_dim) → (N, 3, H, W) float32, nominally in [-1, 1], not clamped.

        generator: of random noise, torch's own unless given. Raises `EngineError` for another shape or kind of noise.
        """
        return self.render(self.styles(w), noise, generator)

    def styles(self, w: Tensor) -> dict[str, Tensor]:
        _expect("A latent w", w, self.config.num_ws, self.config.w_dim)
        return {name: self.get_submodule(name).affine(w[:, row]) for name, row in self.rows.items()}

    def render(self, styles: Mapping[str, Tensor], noise: Noise, generator: torch.Generator | None = None) -> Tensor:
        if noise not in get_args(Noise):
            raise EngineError(
                "There is no noise '{noise}'; choose one of {choices}.", noise=noise, choices=", ".join(get_args(Noise))
            )
        for name in self.rows:
            if name not in styles:
                raise EngineError("The styles lack '{name}'; give all style vectors of this generator.", name=name)
            _expect(f"The style '{name}'", styles[name], self.get_submodule(name).in_channels)
        x = picture = None
        for index in range(len(self.config.channels)):
            name = f"b{4 << index}"
            own = {layer: styles[f"{name}.{layer}"] for layer in self.get_submodule(name).layers}
            x, picture = self.get_submodule(name)(x, picture, own, self.resample_filter, noise, generator)
        return as_rgb(picture).contiguous()


class SynthesisBlock(nn.Module):
    """One resolution: from the second block on an upsampling convolution, then a plain one and the step to RGB."""

    def __init__(self, resolution: int, in_channels: int, channels: int, config: GeneratorConfig):
        super().__init__()
        self.layers = ("conv0", "conv1", "torgb") if in_channels else ("conv1", "torgb")
        if in_channels:
            self.conv0 = StyledConvolution(in_channels, channels, resolution, config, is_upsampling=True)
        else:
            self.const = nn.Parameter(torch.randn(channels, resolution, resolution))
        self.conv1 = StyledConvolution(channels, channels, resolution, config)
        self.torgb = ToRGB(channels, config)
        self.is_fp16 = resolution >= max(config.resolution >> config.num_fp16_res << 1, 8)

    def forward(
        self,
        x: Tensor | None,
        picture: Tensor | None,
        styles: dict[str, Tensor],
        resample_filter: Tensor,
        noise: Noise,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor]:
        """Features (N, C_in, r/2, r/2) and picture (N, 3, r/2, r/2) → (N, C, r, r) and (N, 3, r, r)."""
        style = styles["conv1"]
        if x is None:
            x = self.const.expand(len(style), -1, -1, -1)
        # fp16 is for GPUs: CPUs compute it more slowly than float32, or not at all.
        x = x.to(torch.float16 if self.is_fp16 and style.is_cuda else style.dtype, memory_format=torch.channels_last)
        if picture is not None:
            x = self.conv0(x, styles["conv0"], noise, generator, resample_filter)
            picture = upsample2d(picture, resample_filter)
        x = self.conv1(x, style, noise, generator)
        own = self.torgb(x, styles["torgb"]).to(style.dtype)
        return x, own if picture is None else picture + own


class StyledConvolution(nn.Module):
    """Modulated 3 × 3 convolution, noise, bias, leaky ReLU (arXiv 1912.04958, fig. 2c); upsampling with a filter."""

    def __init__(
        self, in_channels: int, channels: int, resolution: int, config: GeneratorConfig, *, is_upsampling: bool = False
    ):
        super().__init__()
        self.in_channels, self.conv_clamp = in_channels, config.conv_clamp
        self.affine = FullyConnected(config.w_dim, in_channels, bias_init=1.0)
        weight = torch.randn(channels, in_channels, 3, 3)
        # Laid out in memory as the convolution wants it, transposed or not; it would rearrange it every time.
        self.weight = nn.Parameter(
            channels_last(weight.transpose(0, 1)).transpose(0, 1) if is_upsampling else channels_last(weight)
        )
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def forward(
        self,
        x: Tensor,
        style: Tensor,
        noise: Noise,
        generator: torch.Generator | None,
        resample_filter: Tensor | None = None,
    ) -> Tensor:
        """(N, C_in, h, w) → (N, C, h, w), or (N, C, 2h, 2w) with a `resample_filter`."""
        weight, scale = self.weight, demodulation(self.weight, style)
        if x.dtype == torch.float16:
            weight, style, scale = within_fp16(weight, style, scale)
        x = convolve(x * over_pixels(style, x), weight.to(x.dtype), resample_filter)
        # The gain of the activation is in all that goes into it: a leaky ReLU is homogeneous.
        bias, scale = over_pixels(self.bias * GAIN, x), over_pixels(scale * GAIN, x)
        # Without gradients in place: allocating what is as large costs more than computing it.
        x = torch.addcmul(bias, x, scale, out=None if torch.is_grad_enabled() else x)
        if noise != "none":
            x = x.add_((self._noise(noise, len(x), generator) * self.noise_strength * GAIN).to(x.dtype))
        x = F.leaky_relu_(x, SLOPE)
        return x if self.conv_clamp is None else x.clamp(-self.conv_clamp, self.conv_clamp)

    def _noise(self, noise: Noise, count: int, generator: torch.Generator | None) -> Tensor:
        """(1 or N, 1, r, r)"""
        if noise == "const":
            return self.noise_const[None, None]
        device = self.noise_const.device if generator is None else generator.device
        shape = (count, 1, *self.noise_const.shape)
        return torch.randn(shape, generator=generator, device=device, dtype=self.noise_const.dtype).to(self.bias.device)


class ToRGB(nn.Module):
    """Modulated 1 × 1 convolution without demodulation, and bias."""

    def __init__(self, in_channels: int, config: GeneratorConfig):
        super().__init__()
        self.in_channels, self.conv_clamp = in_channels, config.conv_clamp
        self.affine = FullyConnected(config.w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(config.img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(config.img_channels))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(N, C, r, r) → (N, img_channels, r, r)"""
        style = style / math.sqrt(self.in_channels)
        weight = self.weight.flatten(1) * style[:, None]  # (N, img_channels, C); for so few outputs smaller than x
        x = torch.einsum("nchw,nkc->nkhw", x, weight.to(x.dtype)) + over_pixels(self.bias, x)
        return x if self.conv_clamp is None else x.clamp(-self.conv_clamp, self.conv_clamp)
