"""The StyleGAN2 generator against one with grouped convolutions: `python -m benchmarks.stylegan2`.

The other one is the same network with the same weights, as the papers write it: for every picture of the batch the
weights are scaled by style and demodulation, the pictures are convolved as groups of channels, pixels are filtered
after zeros were put between them. Synthesis alone and with the gradient of W+, in ms, medians of alternating runs; the
factor between the two; and how far their pictures are apart. Then one picture of the size and the shapes of FFHQ-1024,
with the memory it takes. Weights are random.
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.stylegan2 import Generator, GeneratorConfig, block_channels

CASES = [(256, 16384, 1), (256, 16384, 4)]
"""Side in px, channel base, pictures."""


def grouped_synthesis(generator: Generator, w: Tensor) -> Tensor:
    """`generator.synthesis(w)` without any of its shortcuts (arXiv 1912.04958, §2.2 and fig. 2b)."""
    styles = generator.styles(w)
    taps = generator.synthesis.resample_filter
    x = picture = None
    for index in range(len(generator.config.channels)):
        name = f"b{4 << index}"
        block = generator.synthesis.get_submodule(name)
        if picture is None:
            x = block.const.expand(len(w), -1, -1, -1)
        else:
            x = grouped_layer(block.conv0, x, styles[f"{name}.conv0"], taps)
            picture = filtered(with_zeros(picture), taps, before=2, after=1)
        x = grouped_layer(block.conv1, x, styles[f"{name}.conv1"])
        style = styles[f"{name}.torgb"] / math.sqrt(x.shape[1])
        own = grouped_convolution(x, block.torgb.weight * style[:, None, :, None, None])
        own = own + block.torgb.bias.view(1, -1, 1, 1)
        picture = own if picture is None else picture + own
    return picture


def grouped_layer(layer, x: Tensor, style: Tensor, taps: Tensor | None = None) -> Tensor:
    weight = layer.weight * style[:, None, :, None, None]  # (N, C, C_in, 3, 3)
    weight = weight * (weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    x = grouped_convolution(x, weight, taps) + layer.noise_const * layer.noise_strength
    return F.leaky_relu(x + layer.bias.view(1, -1, 1, 1), 0.2) * math.sqrt(2)


def grouped_convolution(x: Tensor, weight: Tensor, taps: Tensor | None = None) -> Tensor:
    count, channels, in_channels, size, _ = weight.shape
    x = x.reshape(1, count * in_channels, *x.shape[2:])
    if taps is None:
        x = F.conv2d(x, weight.flatten(0, 1), padding=size // 2, groups=count)
        return x.view(count, channels, *x.shape[2:])
    x = F.conv_transpose2d(x, weight.transpose(1, 2).flatten(0, 1), stride=2, groups=count)
    return filtered(x.view(count, channels, *x.shape[2:]), taps, before=1, after=1)


def with_zeros(x: Tensor) -> Tensor:
    """A zero after every row and column."""
    count, channels, height, width = x.shape
    x = F.pad(x.view(count, channels, height, 1, width, 1), (0, 1, 0, 0, 0, 1))
    return x.view(count, channels, 2 * height, 2 * width)


def filtered(x: Tensor, taps: Tensor, before: int, after: int) -> Tensor:
    kernel = (4 * torch.outer(taps, taps)).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(F.pad(x, (before, after, before, after)), kernel, groups=x.shape[1])


def random_generator(resolution: int, channel_base: int) -> Generator:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(block_channels(resolution, channel_base))).eval().requires_grad_(False)
    for name, strength in generator.named_parameters():
        if name.endswith("noise_strength"):
            strength.fill_(0.1)
    return generator


def time_once(synthesis: Callable[[Tensor], Tensor], w: Tensor, backward: bool) -> float:
    """Seconds."""
    w = w.detach().requires_grad_(backward)
    started = time.perf_counter()
    with torch.set_grad_enabled(backward):
        picture = synthesis(w)
        if backward:
            picture.square().mean().backward()
    return time.perf_counter() - started


def measure(repeats: int) -> None:
    print(f"{torch.get_num_threads()} threads")
    print("   px   base  pictures  pass                  grouped     ours  factor  apart")
    for resolution, channel_base, count in CASES:
        generator = random_generator(resolution, channel_base)
        w = generator.mapping(torch.randn(count, generator.z_dim))
        both = {"grouped": lambda w, g=generator: grouped_synthesis(g, w), "ours": generator.synthesis}
        with torch.no_grad():
            apart = (both["grouped"](w) - both["ours"](w)).abs().max().item()
        for backward in (False, True):
            times: dict[str, list[float]] = {name: [] for name in both}
            for repeat in range(repeats + 1):
                for name, synthesis in both.items():
                    seconds = time_once(synthesis, w, backward)
                    if repeat:  # the first round warms up
                        times[name].append(1000 * seconds)
            grouped, ours = (statistics.median(own) for own in times.values())
            label = "forward and backward" if backward else "forward"
            print(
                f"{resolution:>5} {channel_base:>6} {count:>9}  {label:<20} {grouped:>8.0f} {ours:>8.0f} "
                f"{grouped / ours:>7.2f}  {apart:.0e}",
                flush=True,
            )


def measure_ffhq() -> None:
    """Three pictures of 1024 px, config F, in this process: the last two are warm."""
    generator = random_generator(1024, 32768)
    w = generator.mapping(torch.randn(1, generator.z_dim))
    seconds = [time_once(generator.synthesis, w, backward=False) for _ in range(3)][1:]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"\nFFHQ-1024, config F: {statistics.mean(seconds):.1f} s a picture; peak of the process {peak:.1f} GiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--repeats", type=int, default=9, help="rounds per case")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    measure_ffhq()
    measure(arguments.repeats)


if __name__ == "__main__":
    main()
