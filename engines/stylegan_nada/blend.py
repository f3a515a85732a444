"""Between the descendants of one base: their parameters may be mixed, as their latents mean the same.

    between = interpolate(photo, sketch, 0.5)
    shapes_only = interpolate(photo, sketch, Strengths(coarse=1, medium=1, fine=0))
    passing = chain([photo, sketch, mosaic], 1.3)

StyleGAN-NADA (Gal et al., arXiv 2108.00946), §6, and for blocks of different strength "Resolution dependent GAN
interpolation" (Pinkney & Adler, arXiv 2010.05334).
"""

from __future__ import annotations

from collections.abc import Sequence

from engines.errors import EngineError
from engines.stylegan2 import Generator
from engines.stylegan_nada.delta import Strengths, descendant, difference_of

__all__ = ["chain", "interpolate"]


def interpolate(one: Generator, other: Generator, strength: float | Strengths) -> Generator:
    """θ = (1 - strength) θ_one + strength θ_other: 0 is `one`, 1 the other, and 1.5 beyond it.

    strength: of all blocks, or of coarse, medium and fine ones. Noise maps and the mapping network are those of `one`.
    Raises `EngineError` when the two were not adapted from one base.
    """
    strengths = strength if isinstance(strength, Strengths) else Strengths(strength, strength, strength)
    return descendant(one, difference_of(other, one), strengths)


def chain(generators: Sequence[Generator], position: float) -> Generator:
    """Along several: position 0 is the first, 1 the second, 1.5 half-way to the third.

    Raises `EngineError` when there are fewer than two, the position lies outside, or they are not of one base.
    """
    if len(generators) < 2 or not 0 <= position <= len(generators) - 1:
        raise EngineError(
            "A chain of {count} generators has no position {position:g}; choose one within.",
            count=len(generators),
            position=position,
        )
    start = min(int(position), len(generators) - 2)
    return interpolate(generators[start], generators[start + 1], position - start)
