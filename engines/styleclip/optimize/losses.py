"""The term of latent optimisation that holds a code near its start.

    loss = clip_distance(E(clip_input(G(w))), E(text)) + l2_lambda * l2_loss(w, w0)
           + id_lambda * identity_loss(R(G(w)), R(G(w0)))

StyleCLIP (Patashnik et al., arXiv 2103.17249), §4, eqs. 1 and 2. The other terms are those of `engines.clip.losses` and
`engines.faces`. Published weights are 0.008 for L2 and 0.005 for identity.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["l2_loss"]


def l2_loss(code: Tensor | Mapping[str, Tensor], start: Tensor | Mapping[str, Tensor]) -> Tensor:
    """The sum of squares of the movement, neither its mean nor its root, over W+ or over all style vectors (eq. 1).

    It grows with the number of rows; `engines.styleclip.mapper.latent_loss` is a mean.
    """
    if isinstance(code, Tensor):
        return (code - start).square().sum()
    return torch.stack([(style - start[name]).square().sum() for name, style in code.items()]).sum()
