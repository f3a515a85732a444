"""A U-Net that first drafts the whole picture from what it is told, and then paints with the draft beside the noise.

A small denoiser is slow to remember what a thousand things look like: at high noise it has to recall a picture through
features that noise runs through. A plain decoder, vector → picture, recalls them several times faster. Here it is part
of the U-Net: what is added to the embedding of the timestep (of a text, or of a picture's embedding) is drafted, a
blurred mean of what may be meant, and the denoiser makes of it a picture, as in DiffuseVAE (Pandey et al., arXiv
2201.00308, §3.2) and in cascades of super-resolution. How far the draft itself is the answer is learned for every
timestep: where there is but noise nobody can say more than it does, and where there is little noise nobody needs it.
"""

from __future__ import annotations

import math
from functools import wraps
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.diffusion._diffusers import UNet2DConditionModel, UNet2DConditionOutput
from engines.diffusion.folders import read_json

__all__ = ["DraftingUNet", "unet_class"]

SMALLEST, HIDDEN, WIDTHS = 4, 384, (192, 128, 96)
"""Side at which the draft begins, width of the vector that becomes its places, and channels from there on, one
for each side up to the latents'."""
GROUPS = 16


class Draft(nn.Module):
    """(N, width) → (N, channels, size, size); size: SMALLEST times a power of two, up to 2 ** (len(WIDTHS) - 1)."""

    def __init__(self, width: int, channels: int, size: int):
        super().__init__()
        doublings = round(math.log2(size / SMALLEST))
        self.hidden = nn.Linear(width, HIDDEN)
        self.places = nn.Linear(HIDDEN, WIDTHS[0] * SMALLEST**2)
        self.norm = nn.GroupNorm(GROUPS, WIDTHS[0])
        self.blocks = nn.ModuleList(_block(*WIDTHS[number : number + 2]) for number in range(doublings))
        self.conv_out = nn.Conv2d(WIDTHS[doublings], channels, 3, padding=1)

    def forward(self, whole: Tensor) -> Tensor:
        places = self.places(F.silu(self.hidden(whole)))
        sample = F.silu(self.norm(places.unflatten(1, (-1, SMALLEST, SMALLEST))))
        for block in self.blocks:
            sample = block(F.interpolate(sample, scale_factor=2.0))
        return self.conv_out(sample)


def _block(wide: int, narrow: int) -> nn.Sequential:
    layers = []
    for before in (wide, narrow):
        layers += [nn.Conv2d(before, narrow, 3, padding=1), nn.GroupNorm(GROUPS, narrow), nn.SiLU()]
    return nn.Sequential(*layers)


class DraftingUNet(UNet2DConditionModel):
    """diffusers' U-Net of the same configuration, which predicts the clean sample, beside its own draft of it.

    It is used as any other, in its pipelines, too. What it is told as a whole is its text (`addition_embed_type`
    "text") or, where there are any, its class labels (`class_embed_type` "identity").
    """

    @wraps(UNet2DConditionModel.__init__)
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        config, first = self.config, self.conv_in
        self.conv_in = nn.Conv2d(2 * config.in_channels, first.out_channels, first.kernel_size, padding=first.padding)
        width = self.time_embedding.linear_2.out_features
        self.draft = Draft(width, config.in_channels, config.sample_size)
        self.trust = nn.Linear(width, config.in_channels)
        nn.init.zeros_(self.trust.weight)
        nn.init.zeros_(self.trust.bias)

    def forward(
        self,
        sample: Tensor,
        timestep,
        encoder_hidden_states: Tensor,
        class_labels: Tensor | None = None,
        *,
        draft: Tensor | None = None,
        return_dict: bool = True,
        **options,
    ) -> UNet2DConditionOutput | tuple:
        """draft: (N, C, h, w), where it is known already. All else as in diffusers."""
        if draft is None:
            draft = self.drafted(encoder_hidden_states, class_labels)
        if draft.shape != sample.shape:
            draft = F.interpolate(draft, sample.shape[2:], mode="bilinear")
        both = torch.cat([sample, draft.to(sample)], 1)
        (painted,) = super().forward(both, timestep, encoder_hidden_states, class_labels, return_dict=False, **options)
        time = self.time_embedding(self.get_time_embed(sample, timestep))
        answer = torch.lerp(painted, draft.to(painted), self.trust(F.silu(time)).sigmoid()[..., None, None].to(painted))
        return UNet2DConditionOutput(answer) if return_dict else (answer,)

    def drafted(self, encoder_hidden_states: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """(N, tokens, width) or (N, width of time) → (N, C, sample_size, sample_size), latents."""
        return self.draft(self.add_embedding(encoder_hidden_states) if class_labels is None else class_labels)


def unet_class(folder: Path | str) -> type[UNet2DConditionModel]:
    """What the folder of a U-Net says it is. Raises `EngineError` when it has no configuration."""
    name = read_json(Path(folder) / "config.json").get("_class_name")
    return DraftingUNet if name == DraftingUNet.__name__ else UNet2DConditionModel
