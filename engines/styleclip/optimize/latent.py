"""The loop of latent optimisation: StyleCLIP (Patashnik et al., arXiv 2103.17249), §4, as in the released program."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from engines.clip.losses import clip_distance
from engines.errors import EngineError
from engines.faces.identity import identity_loss
from engines.optimization import copies, load_moments, moments, set_learning_rate
from engines.styleclip.mapper.network import LEVELS, ROWS, Level
from engines.styleclip.optimize.losses import l2_loss
from engines.stylegan2.generator import Generator
from engines.stylegan2.schedule import learning_rate
from engines.stylegan2.style_space import is_torgb

__all__ = ["LatentOptimization"]

Space = Literal["W+", "S"]
Code = Mapping[str, Tensor]  # rows of W+, (1, w_dim) each, or style vectors, (1, C) each; by name


class LatentOptimization:
    """The released program's optimisation of one code, on the device and in the type of `w`.

        optimization = LatentOptimization(generator, w, space="W+", embed=embed, identity=network)
        losses = optimization.step([(text, 1.0)], num_steps=300, lr=0.1, l2_lambda=0.008, id_lambda=0.005)
        picture = optimization.render(optimization.code())

    w: the start, (1, num_ws, w_dim). embed, identity: pictures (1, 3, R, R), nominally in [-1, 1] → CLIP embeddings,
    (1, d), and features of the person, (1, k) of length 1; without `identity` that term is left out. In S the vectors
    of the toRGB layers stay. Noise maps are those of the checkpoint.

    start_picture: of the code that L2 and identity refer to, (1, 3, R, R). steps_done: so far.
    """

    def __init__(
        self,
        generator: Generator,
        w: Tensor,
        *,
        space: Space,
        embed: Callable[[Tensor], Tensor],
        identity: Callable[[Tensor], Tensor] | None = None,
    ):
        self.steps_done = 0
        self._device = w.device
        self._generator, self._is_style_space, self._embed, self._identity = generator, space == "S", embed, identity
        code = self._code_of(w)
        rows = generator.synthesis.rows if self._is_style_space else {name: row for row, name in enumerate(code)}
        level_of = {row: level for level in LEVELS for row in range(w.shape[1])[ROWS[level]]}
        self._levels = {name: level_of[row] for name, row in rows.items() if not is_torgb(name)}
        """Level of each vector that may move. Each is a parameter of its own: Adam skips one without a gradient."""
        self._code = {
            name: vector.detach().clone().requires_grad_(name in self._levels) for name, vector in code.items()
        }
        self._parameters = [self._code[name] for name in self._levels]
        self._optimizer = torch.optim.Adam(self._parameters)
        self.accept()

    def step(
        self,
        texts: Sequence[tuple[Tensor, float]],
        *,
        num_steps: int,
        lr: float,
        l2_lambda: float,
        id_lambda: float,
        levels: Collection[Level] = LEVELS,
        companions: Tensor | None = None,
    ) -> dict[str, float]:
        """Move the code once. Returns "loss" and its unweighted terms "clip", "l2" and "identity", as before the step.

        companions: codes of other faces, (K, num_ws, w_dim), that move by the same difference; "clip" is the mean over
        all 1 + K pictures, since many faces fool CLIP less easily than one.

        texts: embeddings (1, d) with a weight each; "clip" is the weighted sum of their distances. num_steps, lr: of
        the schedule, whose first step has rate 0. "identity" is there only where it counts. levels: those that move;
        the rows of the others, and Adam's moments of them, stay exactly as they are.
        Raises `EngineError` when the loss is no longer finite.
        """
        pictures = self.render(self._code if companions is None else self._with_companions(companions))
        embeddings = self._embed(pictures)
        terms = {
            "clip": sum(weight * clip_distance(embeddings, text) for text, weight in texts),
            "l2": l2_loss(self._code, self._start),
        }
        loss = terms["clip"] + l2_lambda * terms["l2"]
        if id_lambda and self._identity is not None:
            terms["identity"] = identity_loss(self._identity(pictures[:1]), self._reference)
            loss = loss + id_lambda * terms["identity"]
        if not loss.isfinite():
            raise EngineError("The loss is no longer a number; lower the setting 'lr' and start again.")
        self._descend(loss, levels, learning_rate(self.steps_done, num_steps, lr))
        self.steps_done += 1
        return {name: value.item() for name, value in {"loss": loss, **terms}.items()}

    def _descend(self, loss: Tensor, levels: Collection[Level], lr: float) -> None:
        free = [self._code[name] for name, level in self._levels.items() if level in levels]
        gradients = torch.autograd.grad(loss, free) if free else []
        self._optimizer.zero_grad()  # sets None: with zeros, Adam's moments would still change
        for vector, gradient in zip(free, gradients, strict=True):
            vector.grad = gradient
        set_learning_rate(self._optimizer, lr)
        self._optimizer.step()

    @torch.no_grad()
    def _code_of(self, w: Tensor) -> dict[str, Tensor]:
        """(N, num_ws, w_dim) in the space of the optimisation."""
        if self._is_style_space:
            return self._generator.styles(w)
        return {f"w{row}": w[:, row] for row in range(w.shape[1])}

    def _with_companions(self, companions: Tensor) -> Code:
        """The code, and those of the companions moved by the same difference."""
        others = self._code_of(companions)
        return {
            name: torch.cat([vector, others[name] + vector - self._start[name]]) for name, vector in self._code.items()
        }

    def render(self, code: Code) -> Tensor:
        """(N, 3, R, R), nominally in [-1, 1], not clamped; N is that of the code's vectors."""
        if self._is_style_space:
            return self._generator.synthesis_from_styles(code)
        return self._generator.synthesis(torch.stack(list(code.values()), dim=1))

    def code(self) -> dict[str, Tensor]:
        """A copy of the code as it is now."""
        return copies(self._code, self._device)

    def accept(self) -> None:
        """The present code becomes the one that L2 and identity refer to."""
        self._set_start(self.code())

    @torch.no_grad()
    def _set_start(self, code: dict[str, Tensor]) -> None:
        self._start = code
        self.start_picture = self.render(code)
        self._reference = None if self._identity is None else self._identity(self.start_picture)

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, except the arguments of the constructor: CPU tensors and numbers."""
        return {
            "steps": self.steps_done,
            "code": copies(self._code),
            "start": copies(self._start),
            "moments": dict(zip(self._levels, moments(self._optimizer, self._parameters), strict=True)),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the state of an optimisation with the same arguments. Raises `EngineError` for any other."""
        try:
            if state["code"].keys() != self._code.keys():
                raise KeyError
            with torch.no_grad():
                for name, vector in self._code.items():
                    vector.copy_(state["code"][name])
            self._set_start(copies({name: state["start"][name] for name in self._code}, self._device))
            load_moments(self._optimizer, self._parameters, [state["moments"][name] for name in self._levels])
            self.steps_done = state["steps"]
        except (KeyError, TypeError, AttributeError, RuntimeError):
            raise EngineError(
                "The saved state belongs to another generator or latent space; choose the settings it was saved with."
            ) from None
