"""How far each style channel means what a text says: measured exactly, once for a generator, or estimated for a text.

    statistics = style_statistics(generator)
    fs3 = measure_table(generator, encoder, statistics, codes)             # exact: two renders per channel and picture
    relevance = estimate_relevance(generator, encoder, statistics, codes, direction)   # a few dozen backward passes

StyleCLIP (Patashnik et al., arXiv 2103.17249), §6. A table belongs to one generator and one CLIP; `RelevanceTable`
names both. `RelevanceEstimates` keeps what was estimated for such a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from engines.checkpoints import expect_small_header
from engines.clip.encoder import ClipEncoder
from engines.clip.losses import clip_input
from engines.errors import EngineError
from engines.files import write_bytes
from engines.shown import shown, shown_error
from engines.styleclip.directions import channel_relevance
from engines.stylegan2.generator import Generator
from engines.stylegan2.style_space import conv_channels, is_torgb, move_conv_channels

__all__ = [
    "RelevanceEstimates",
    "RelevanceTable",
    "StyleStatistics",
    "estimate_relevance",
    "measure_remaining",
    "measure_table",
    "relevance_codes",
    "style_statistics",
]

PSI, CUTOFF = 0.7, 8
"""Of the codes, as published."""
REACH = 5.0
"""Standard deviations to either side."""
FORMAT = "atelier-relevance"
MOST_ESTIMATES = 200
"""Texts whose relevance is kept for a generator and a CLIP: 5 MB for 1024 px."""
SAME_DIRECTION = 1e-4
"""Distance of two directions of length 1 that stem from the same texts, on whatever device."""
LATENT_SEED = 5


@dataclass(frozen=True)
class StyleStatistics:
    """Mean and population standard deviation of each style channel of the convolutions, (channels,) each."""

    mean: Tensor
    std: Tensor


@torch.no_grad()
def relevance_codes(generator: Generator, count: int, seed: int = LATENT_SEED) -> Tensor:
    """(count, num_ws, w_dim): the faces that relevance is measured on; rows from 8 on are not truncated."""
    z = np.random.RandomState(seed).randn(count, generator.z_dim).astype(np.float32)
    return generator.mapping(torch.from_numpy(z).to(generator.mapping.w_avg.device), psi=PSI, cutoff=CUTOFF)


@torch.no_grad()
def style_statistics(generator: Generator, count: int = 4000) -> StyleStatistics:
    codes = relevance_codes(generator, count)
    channels = torch.cat([conv_channels(generator.styles(part)) for part in codes.split(500)])
    std, mean = torch.std_mean(channels, dim=0, correction=0)
    return StyleStatistics(mean, std)


# ---------------------------------------------------------------------------------------------- exact


@torch.no_grad()
def measure_table(
    generator: Generator,
    encoder: ClipEncoder,
    statistics: StyleStatistics,
    codes: Tensor,
    *,
    channels: range | None = None,
    batch: int = 32,
    advanced: Callable[[int], None] = lambda channel: None,
) -> Tensor:
    """fs3, (channels, d): each channel at its mean - 5 σ and + 5 σ in every picture, all others as they are.

    channels: which ones, all unless given. advanced: called with each channel that is done.
    """
    styles = generator.styles(codes)
    places = [(name, k) for name, style in styles.items() if not is_torgb(name) for k in range(style.shape[1])]
    rows = []
    for channel in channels if channels is not None else range(len(places)):
        name, k = places[channel]
        embeddings = []
        for side in (-REACH, REACH):
            moved = styles[name].clone()
            moved[:, k] = statistics.mean[channel] + side * statistics.std[channel]
            embeddings.append(_embed(generator, encoder, {**styles, name: moved}, batch))
        rows.append(channel_relevance(torch.stack(embeddings, 1)[None])[0])
        advanced(channel)
    return torch.stack(rows)


def _embed(generator: Generator, encoder: ClipEncoder, styles: dict[str, Tensor], batch: int) -> Tensor:
    """(N, d); of 8-bit pictures, as published."""
    count = len(next(iter(styles.values())))
    found = []
    for start in range(0, count, batch):
        part = {name: style[start : start + batch] for name, style in styles.items()}
        pixels = ((generator.synthesis_from_styles(part) * 127.5 + 128).clamp(0, 255).byte().float() / 255) * 2 - 1
        found.append(encoder.encode_image(clip_input(pixels, encoder.image_size)))
    return torch.cat(found)


@dataclass(frozen=True)
class RelevanceTable:
    """fs3, the standard deviations it belongs to, and the SHA-256 of the generator and the CLIP it was made with.

    While it is being measured it lacks its last channels.
    """

    fs3: Tensor
    std: Tensor
    generator: str
    clip: str

    @property
    def is_whole(self) -> bool:
        return len(self.fs3) == len(self.std)

    def save(self, path: Path | str) -> None:
        """fp16 safetensors, atomically."""
        tensors = {"fs3": self.fs3.half().contiguous(), "std": self.std.contiguous()}
        write_bytes(Path(path), save(tensors, {"format": FORMAT, "generator": self.generator, "clip": self.clip}))

    @classmethod
    def load(cls, path: Path | str) -> RelevanceTable:
        """Raises `EngineError` when the file is no such table."""
        try:
            expect_small_header(Path(path))
            with safe_open(Path(path), framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise ValueError("it was not saved as one")
                return cls(
                    file.get_tensor("fs3").float(), file.get_tensor("std").float(),
                    metadata["generator"], metadata["clip"],
                )  # fmt: skip
        except FileNotFoundError:
            raise EngineError("There is no file '{path}'; choose a table of channel relevance.", path=path) from None
        except Exception as error:  # safetensors raises what it likes on a damaged file
            raise EngineError(
                "{name} is no table of channel relevance ({reason}); choose another one.",
                name=shown(Path(path).name),
                reason=shown_error(error),
            ) from None


def measure_remaining(
    generator: Generator, encoder: ClipEncoder, statistics: StyleStatistics, codes: Tensor, path: Path, chunk: int = 16
) -> Iterator[RelevanceTable]:
    """Measure the table of `path` to its end; yields it as it is there, and after every `chunk` channels more.

    It is saved each time, where it can be, and rounded as in its file.
    """
    if path.is_file():
        table = RelevanceTable.load(path)
    else:
        size = encoder.encode_texts([""]).shape[1]
        table = RelevanceTable(torch.empty(0, size), statistics.std.cpu(), generator.sha256, encoder.sha256)
    yield table
    while not table.is_whole:
        channels = range(len(table.fs3), min(len(table.fs3) + chunk, len(table.std)))
        rows = measure_table(generator, encoder, statistics, codes, channels=channels).cpu()
        table = replace(table, fs3=torch.cat([table.fs3, rows.half().float()]))
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            table.save(path)
        yield table


# ---------------------------------------------------------------------------------------------- estimated


def estimate_relevance(
    generator: Generator,
    encoder: ClipEncoder,
    statistics: StyleStatistics,
    codes: Tensor,
    direction: Tensor,
    *,
    probes: int = 16,
    seed: int = 0,
) -> Iterator[Tensor]:
    """For each code (the rows of `codes`) the relevance found so far, (channels,) about in [-1, 1].

    Not from the paper. r_c = ∂⟨E(G(s)), Δt⟩/∂s_c is one backward pass for all channels. Dividing it by the length of
    ∂E/∂s_c makes it a cosine as Δi_c · Δt is; that length is estimated from the derivatives along random vectors,
    whose mean square is |∂E/∂s_c|² / d. Both are averaged over pictures.
    direction: Δt, (d,).
    """
    chance = torch.Generator().manual_seed(seed)
    slope, squares, count = 0.0, 0.0, 0
    for code in codes.split(1):
        offset = torch.zeros_like(statistics.std).requires_grad_(True)
        picture = generator.synthesis_from_styles(move_conv_channels(generator.styles(code), offset))
        embedding = encoder.encode_image(clip_input(picture, encoder.image_size))[0]
        vectors = torch.randn(probes, len(direction), generator=chance).to(direction)
        rows = [torch.autograd.grad(embedding @ v, offset, retain_graph=True)[0] for v in (direction, *vectors)]
        scaled = torch.stack(rows) * statistics.std
        slope, count = slope + scaled[0], count + 1
        squares = squares + scaled[1:].square().mean(0)  # E over Gaussian vectors: the squared length
        length = (squares / count).clamp_min(1e-24).sqrt()
        yield (slope / count) / length


class RelevanceEstimates:
    """The estimates for one generator and one CLIP, in a file that is made with the first of them.

    Each is made once per machine: the newest `MOST_ESTIMATES` directions are kept. It is only a cache, so a file that
    cannot be read is as good as none, and where none can be written nothing is kept.
    """

    def __init__(self, path: Path):
        self._path = path

    def statistics(self, device: torch.device) -> StyleStatistics | None:
        """Those that the estimates were made with; None while there are no estimates."""
        stored = self._stored()
        return StyleStatistics(stored["mean"].to(device), stored["std"].to(device)) if stored else None

    def find(self, direction: Tensor) -> Tensor | None:
        """The relevance of all channels to a direction, (d,) → (channels,) on its device; None if it is not known."""
        stored = self._stored()
        if not stored or stored["directions"].shape[1] != len(direction):
            return None
        distances = (stored["directions"] - direction.cpu()).norm(dim=1)
        nearest = distances.argmin()
        return stored["relevance"][nearest].to(direction) if distances[nearest] < SAME_DIRECTION else None

    def keep(self, statistics: StyleStatistics, direction: Tensor, relevance: Tensor) -> None:
        rows = {"directions": direction[None].cpu(), "relevance": relevance[None].cpu()}
        stored = self._stored()
        if stored:
            rows = {name: torch.cat([stored[name], row])[-MOST_ESTIMATES:] for name, row in rows.items()}
        tensors = {**rows, "mean": statistics.mean.cpu(), "std": statistics.std.cpu()}
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self._path, save({name: tensor.contiguous() for name, tensor in tensors.items()}))

    def _stored(self) -> dict[str, Tensor]:
        try:
            stored = load_file(self._path)
            count, channels = stored["relevance"].shape
            shapes = [stored["mean"].shape, stored["std"].shape, stored["directions"].shape[:1]]
            return stored if shapes == [(channels,), (channels,), (count,)] else {}
        except Exception:  # there is none yet, or safetensors raises what it likes on a damaged one
            return {}
