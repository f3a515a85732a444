"""Global directions: what each style channel means to CLIP, and which of them a pair of texts moves.

    fs3 = channel_relevance(embeddings)                         # once for a generator and a CLIP; hours
    direction = text_direction(target, neutral)                 # "a smiling face" against "a face"
    offset = manipulation(fs3, direction, std, alpha=4.1, beta=0.15)
    picture = generator.synthesis_from_styles(move_conv_channels(styles, offset))

StyleCLIP (Patashnik et al., arXiv 2103.17249), §6. Channels are those of the convolutions, side by side in the order
of execution, as `engines.stylegan2.conv_channels` gives them; a table may lack the last ones. Nothing here divides by
zero: what has no direction has the direction zero.
"""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engines.errors import EngineError
from engines.files import write_bytes

__all__ = [
    "automatic_beta",
    "beta_keeping",
    "channel_offset",
    "channel_relevance",
    "load_relevance",
    "manipulation",
    "num_channels",
    "save_relevance",
    "text_direction",
    "text_relevance",
]

SHORTEST = 1e-6
"""Unit vectors that mean the same differ by as much from rounding; a shorter difference has no direction."""
BETAS = tuple(percent / 100 for percent in range(10, 30))
"""Among which the released program chooses."""
MAX_TABLE_ELEMENTS = 1 << 26
"""Numbers in a table; 1024 px with the largest CLIP has a tenth of it."""


# ---------------------------------------------------------------------------------------------- once for a generator


def channel_relevance(embeddings: Tensor) -> Tensor:
    """(channels, images, 2, d) → fs3, (channels, d) with rows of unit length: the Δi_c of §6.

    embeddings: raw CLIP embeddings of images in which one channel is at its mean - 5 σ and at its mean + 5 σ. The
    differences of the two, both of unit length, count equally for all images. A channel that changes nothing has a zero
    row. Rows do not depend on each other, so a large table can be made in parts.
    """
    embeddings = _unit(_precise(embeddings))
    step = _unit(embeddings[:, :, 1] - embeddings[:, :, 0], SHORTEST)
    return _unit(step.mean(1), SHORTEST)


def save_relevance(fs3: Tensor, path: Path | str) -> None:
    """Write a table as the released `fs3.npy`, float32, atomically."""
    file = io.BytesIO()
    np.save(file, fs3.detach().cpu().float().numpy(), allow_pickle=False)
    write_bytes(Path(path), file.getvalue())


def load_relevance(path: Path | str) -> Tensor:
    """The table of a released or saved `fs3.npy`, (channels, d) float32. Nothing in the file is run.

    It belongs to one generator and one CLIP, which the file does not name. Raises `EngineError` when it cannot be read
    or is no such table.
    """
    path = Path(path)
    try:
        # Mapped, so that a file which claims more than it holds is refused before anything is allocated.
        table = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise EngineError(
            "There is no file '{path}'; choose a table of channel relevance (fs3.npy).", path=path
        ) from None
    except OSError as error:
        raise EngineError(
            "'{path}' cannot be read ({reason}); choose a table of channel relevance.", path=path, reason=error.strerror
        ) from None
    except Exception as error:  # the header of a damaged file may fail anywhere
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise EngineError(
            "'{file}' is no table of channel relevance ({reason}); choose another file.", file=path.name, reason=reason
        ) from None
    if table.ndim != 2 or table.dtype.kind != "f" or not 0 < table.size <= MAX_TABLE_ELEMENTS:
        raise EngineError(
            "'{file}' holds {dtype} numbers of shape {shape} and no table of channels × embedding; "
            "choose a table of channel relevance (fs3.npy).",
            file=path.name,
            dtype=table.dtype,
            shape=table.shape,
        )
    fs3 = torch.from_numpy(np.array(table, np.float32, order="C"))
    if not fs3.isfinite().all():
        raise EngineError("'{file}' has numbers that are not finite; choose an undamaged table.", file=path.name)
    return fs3


# ---------------------------------------------------------------------------------------------- once for two texts


def text_direction(target: Tensor, neutral: Tensor) -> Tensor:
    """(templates, d) raw text embeddings each → Δt, (d,) of unit length (§6).

    A text is the direction of the mean of its embeddings of unit length. Texts that mean the same to CLIP give zeros.
    """
    return _unit(_text(target) - _text(neutral), SHORTEST)


def _text(embeddings: Tensor) -> Tensor:
    return _unit(_unit(_precise(embeddings)).mean(0), SHORTEST)


def text_relevance(fs3: Tensor, text_direction: Tensor) -> Tensor:
    """R_c = Δi_c · Δt, (channels,) in [-1, 1] (§6).

    Raises `EngineError` when table and text are not of the same CLIP.
    """
    if fs3.shape[1] != len(text_direction):
        raise EngineError(
            "The table of channel relevance is for a CLIP with {shape} numbers in an embedding and this "
            "one has {count}; choose the CLIP it was made with.",
            shape=fs3.shape[1],
            count=len(text_direction),
        )
    return fs3 @ text_direction.to(fs3)


# ---------------------------------------------------------------------------------------------- at every move


def manipulation(fs3: Tensor, text_direction: Tensor, std: Tensor, alpha: float, beta: float) -> Tensor:
    """What to add to the style channels, (channels,): α σ_c R_c / max|R| where |R_c| ≥ β, otherwise 0 (§6).

    fs3: (channels, d), perhaps without the last channels; these do not move. text_direction: (d,). std: (channels,),
    σ of each channel. alpha: strength, negative away from the target; published sliders have -10 to 10. beta: at least
    0, usually 0.08 to 0.3; it decides how many channels move, not how far they do.
    Raises `EngineError` when no channel reaches β, or the three are not of one generator and one CLIP.
    """
    return channel_offset(text_relevance(fs3, text_direction), std, alpha, beta)


def channel_offset(relevance: Tensor, std: Tensor, alpha: float, beta: float) -> Tensor:
    """`manipulation` for R, (channels,), wherever it comes from."""
    if len(std) < len(relevance):
        raise EngineError(
            "The table of channel relevance has {count} style channels and the generator {count_2}; "
            "choose the table made for this generator.",
            count=len(relevance),
            count_2=len(std),
        )
    largest = relevance.abs().max()
    if largest == 0:
        raise EngineError("These texts move no style channel; describe in the target a change from the neutral text.")
    if largest < beta:
        usable = math.floor(largest.item() * 1e4) / 1e4
        raise EngineError(
            "No style channel reaches beta {beta:g}; lower it to {usable:g} or less.", beta=beta, usable=usable
        )
    kept = torch.where(relevance.abs() >= beta, relevance, 0) / largest
    offset = torch.zeros_like(std)
    offset[: len(kept)] = alpha * kept.to(std) * std[: len(kept)]
    return offset


def num_channels(relevance: Tensor, beta: float) -> int:
    """How many channels move. Colours need 10 to 20, shapes 100 to 200 (in a generator of 1024 px)."""
    return int((relevance.abs() >= beta).sum())


def automatic_beta(relevance: Tensor, more_than: int = 20) -> float:
    """The largest β of 0.10, 0.11, …, 0.29 that moves more than so many channels, 0.1 if none does.

    As the released program does, with 20 for faces and 100 for other pictures.
    """
    return max((beta for beta in BETAS if num_channels(relevance, beta) > more_than), default=BETAS[0])


def beta_keeping(relevance: Tensor, channels: int) -> float:
    """The largest β that moves at least so many channels, or as many as there are; for any range of relevance.

    channels: at least 1.
    """
    return relevance.abs().topk(min(channels, len(relevance))).values[-1].item()


# ---------------------------------------------------------------------------------------------- vectors


def _precise(x: Tensor) -> Tensor:
    """Half precision as float32: lengths of embeddings in it are off by a thousandth."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _unit(x: Tensor, shortest: float = 0.0) -> Tensor:
    """Rows of unit length, zero where they are no longer than `shortest`."""
    length = x.norm(dim=-1, keepdim=True)
    return torch.where(length > shortest, x / length, 0)
