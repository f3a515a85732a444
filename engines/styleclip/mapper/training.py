"""Training a latent mapper for a text, a step at a time.

    loss = clip_lambda * clip_distance(E(G(w_hat)), E(text)) + latent_l2_lambda * latent_loss(w_hat, w)
           + id_lambda * identity_loss(R(G(w_hat)), R(G(w))),        w_hat = w + 0.1 M(w)

StyleCLIP (Patashnik et al., arXiv 2103.17249), §5, for random faces w of the generator instead of inverted photographs;
CLIP's pixel normalisation is applied. Published: 50000 steps of 2 faces with Ranger at learning rate 0.5.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from engines.clip.encoder import ClipEncoder
from engines.clip.losses import clip_distance, clip_input
from engines.faces.identity import IdentityNetwork, identity_loss
from engines.optimization import check_finite, copies, load_moments, moments, set_learning_rate
from engines.styleclip.mapper.network import (
    LEVELS,
    LR_MULTIPLIER,
    ROWS,
    STRENGTH,
    Level,
    LevelsMapper,
    SingleMapper,
    StyleSpaceMapper,
    add_residual,
    latent_loss,
)
from engines.styleclip.mapper.ranger import Ranger, present_names
from engines.styleclip.mapper.settings import StyleCLIPMapperSettings
from engines.stylegan2 import Generator, is_torgb

__all__ = ["AnyMapper", "MapperTraining", "edit_code", "new_mapper", "render"]

AnyMapper = LevelsMapper | SingleMapper | StyleSpaceMapper
Code = Tensor | Mapping[str, Tensor]  # W+, (N, num_ws, w_dim), or style space

EPSILON = 1e-8
"""Of Ranger. Gradients of these weights are near 1e-7; the published 1e-5 drowns them in less than 50000 steps."""


def edit_code(
    generator: Generator, mapper: AnyMapper, w: Tensor, strength: float = STRENGTH, levels: Collection[Level] = LEVELS
) -> tuple[Code, Code]:
    """(N, num_ws, w_dim) → the code in the mapper's own space as it is, and as the mapper moves it (§5).

    Only rows of `levels` move; in style space, the vectors that come from these rows. Raises `EngineError` for a mapper
    of another size of generator.
    """
    code = generator.styles(w) if isinstance(mapper, StyleSpaceMapper) else w
    residual = mapper(code)
    rows = [row for level in levels for row in range(generator.num_ws)[ROWS[level]]]
    if isinstance(residual, Tensor):
        switch = torch.zeros_like(residual[:, :, :1])
        switch[:, rows] = 1
        residual = residual * switch
    else:
        row_of = generator.synthesis.rows
        residual = {name: part * float(row_of[name] in rows) for name, part in residual.items()}
    return code, add_residual(code, residual, strength)


def render(generator: Generator, code: Code) -> Tensor:
    """A code of either space → (N, 3, H, W), nominally in [-1, 1], not clamped."""
    return generator.synthesis(code) if isinstance(code, Tensor) else generator.synthesis_from_styles(code)


class MapperTraining:
    """One mapper in training, a step at a time; gradients reach nothing but the mapper.

    identity: None leaves the term of identity out. settings: the space, the levels, the prompt and the seed are read
    here, everything else at each step. `losses` are those of the last step.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: ClipEncoder,
        identity: IdentityNetwork | None,
        settings: StyleCLIPMapperSettings,
    ):
        self.steps_done, self.losses = 0, {}
        self._generator, self._encoder, self._identity = generator, encoder, identity
        self._device = generator.mapping.w_avg.device
        self._text = encoder.encode_text(settings.prompt)
        self._random = torch.Generator().manual_seed(settings.training_seed)
        self.mapper = new_mapper(generator, settings, self._random)
        self.mapper.metadata = {"prompt": settings.prompt, "generator": generator.sha256}
        self._optimizer = Ranger(self.mapper.parameters(), eps=EPSILON)

    def step(self, settings: StyleCLIPMapperSettings) -> None:
        """Learn from `batch_size` new faces. Raises `EngineError` when the loss is no longer a number."""
        z = torch.randn(settings.batch_size, self._generator.z_dim, generator=self._random).to(self._device)
        with torch.no_grad():
            w = self._generator.mapping(z, psi=settings.training_psi)
        terms = self._terms(w, settings)
        weights = {"clip": settings.clip_lambda, "latent": settings.latent_l2_lambda, "identity": settings.id_lambda}
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        self.losses = {"loss": loss.item(), **{name: term.item() for name, term in terms.items()}}
        check_finite(self.losses)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        set_learning_rate(self._optimizer, settings.lr)
        self._optimizer.step()
        self.steps_done += 1

    def _terms(self, w: Tensor, settings: StyleCLIPMapperSettings) -> dict[str, Tensor]:
        code, moved = edit_code(self._generator, self.mapper, w)
        pictures = render(self._generator, moved)
        embeddings = self._encoder.encode_image(clip_input(pictures, self._encoder.image_size))
        terms = {"clip": clip_distance(embeddings, self._text), "latent": latent_loss(moved, code)}
        if self._identity is not None and settings.id_lambda:  # at weight 0 it would be costly for nothing
            with torch.no_grad():
                reference = self._identity(render(self._generator, code))
            terms["identity"] = identity_loss(self._identity(pictures), reference)
        return terms

    def state_dict(self) -> dict[str, Any]:
        """CPU tensors that later steps do not change, and numbers."""
        return {
            "step": self.steps_done,
            "losses": dict(self.losses),
            "mapper": copies(self.mapper.state_dict()),
            "metadata": dict(self.mapper.metadata),
            "optimizer": moments(self._optimizer, list(self.mapper.parameters())),
            "random": self._random.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mapper.load_state_dict(state["mapper"])
        load_moments(
            self._optimizer, list(self.mapper.parameters()), [present_names(part) for part in state["optimizer"]]
        )
        self._random.set_state(state["random"])
        self.steps_done, self.losses = state["step"], dict(state["losses"])


def new_mapper(generator: Generator, settings: StyleCLIPMapperSettings, random: torch.Generator) -> AnyMapper:
    """With first weights drawn from `random`, on the generator's device."""
    if settings.space == "S":
        widths = {
            index: generator.get_submodule(f"synthesis.{name}").in_channels
            for index, name in enumerate(generator.synthesis.rows)
            if not is_torgb(name)
        }
        mapper = StyleSpaceMapper(widths)
    else:
        mapper = LevelsMapper(generator.w_dim, ("coarse", "medium") if settings.no_fine else LEVELS)
    with torch.no_grad():
        for name, parameter in mapper.named_parameters():
            if name.endswith("weight"):
                parameter.copy_(torch.randn(parameter.shape, generator=random) / LR_MULTIPLIER)
    return mapper.to(generator.mapping.w_avg.device)
