"""Latent optimisation as an engine: the code of one face walks to where CLIP sees the prompt.

StyleCLIP (Patashnik et al., arXiv 2103.17249), §4. `LatentWalk` is the loop of the released program, a step at a time;
`StyleCLIPOptimize` shows it to a person, who may pull at its weights, rows and words meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import model_validator
from torch import Tensor

from engines.clip.encoder import ClipEncoder
from engines.clip.losses import REFERENCE_SIZE, clip_distance, clip_input, reference_clip_input
from engines.clip.prompts import MAX_PROMPT, parse_prompt
from engines.engine import Frame
from engines.errors import EngineError
from engines.faces.identity import identity_loss
from engines.settings import LiveSettings, setting
from engines.styleclip.face import FaceEngine, PersonSettings, identity_of, to_pixels
from engines.styleclip.mapper import LEVELS, ROWS, Level
from engines.styleclip.optimization import l2_loss
from engines.stylegan2.generator import Generator
from engines.stylegan2.schedule import learning_rate
from engines.stylegan2.style_space import is_torgb

__all__ = ["LatentWalk", "StyleCLIPOptimize", "StyleCLIPOptimizeSettings"]

Space = Literal["W+", "S"]
Code = Mapping[str, Tensor]
"""Rows of W+, (1, w_dim) each, or style vectors, (1, C) each; by name."""


# ---------------------------------------------------------------------------------------------- the loop


class LatentWalk:
    """The released program's optimisation of one code, on the device and in the type of `w`.

        walk = LatentWalk(generator, w, space="W+", embed=embed, identity=network)
        losses = walk.step([(text, 1.0)], num_steps=300, lr=0.1, l2_lambda=0.008, id_lambda=0.005)
        picture = walk.render(walk.code())

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
        self._generator, self._is_style_space, self._embed, self._identity = generator, space == "S", embed, identity
        code = self._code_of(w)
        rows = generator.synthesis.rows if self._is_style_space else {name: row for row, name in enumerate(code)}
        level_of = {row: level for level in LEVELS for row in range(w.shape[1])[ROWS[level]]}
        self._levels = {name: level_of[row] for name, row in rows.items() if not is_torgb(name)}
        """Of all that may move. Each is a parameter of its own, since Adam passes over one without a gradient."""
        self._code = {
            name: vector.detach().clone().requires_grad_(name in self._levels) for name, vector in code.items()
        }
        self._optimizer = torch.optim.Adam([self._code[name] for name in self._levels])
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
        """Move the code once → "loss" and its terms "clip", "l2" and "identity", without their weights, as before it.

        companions: codes of other faces, (K, num_ws, w_dim), on which CLIP is to see the same movement; "clip" is the
        mean over all 1 + K pictures, as a network is not so easily deceived about many faces as about one.

        texts: embeddings (1, d) with a weight each; "clip" is the weighted sum of their distances. num_steps, lr: of
        the schedule, whose first step has rate 0. "identity" is there only where it counts. levels: those that move;
        the rows of the others, and Adam's moments of them, stay exactly as they are.
        Raises `EngineError` when the loss is no longer finite.
        """
        pictures = self.render(self._code if companions is None else self._in_company(companions))
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
        self._optimizer.zero_grad()  # to none at all, or the moments would move on
        for vector, gradient in zip(free, gradients, strict=True):
            vector.grad = gradient
        self._optimizer.param_groups[0]["lr"] = lr
        self._optimizer.step()

    @torch.no_grad()
    def _code_of(self, w: Tensor) -> dict[str, Tensor]:
        """(N, num_ws, w_dim) in the space of the walk."""
        if self._is_style_space:
            return self._generator.styles(w)
        return {f"w{row}": w[:, row] for row in range(w.shape[1])}

    def _in_company(self, companions: Tensor) -> Code:
        """The code, and those of the companions after the same movement."""
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
        return _copy(self._code)

    def accept(self) -> None:
        """The present code becomes the one that L2 and identity refer to."""
        self._set_start(self.code())

    @torch.no_grad()
    def _set_start(self, code: dict[str, Tensor]) -> None:
        self._start = code
        self.start_picture = self.render(code)
        self._reference = None if self._identity is None else self._identity(self.start_picture)

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, but for what the walk was made with: CPU tensors and numbers."""
        moments = {name: _copy(self._optimizer.state.get(self._code[name], {}), "cpu") for name in self._levels}
        return {
            "steps": self.steps_done,
            "code": _copy(self._code, "cpu"),
            "start": _copy(self._start, "cpu"),
            "moments": moments,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a walk made with the same arguments stood. Raises `EngineError` for any other state."""
        try:
            if state["code"].keys() != self._code.keys():
                raise KeyError
            with torch.no_grad():
                for name, vector in self._code.items():
                    vector.copy_(state["code"][name])
            device = self.start_picture.device
            self._set_start(_copy({name: state["start"][name] for name in self._code}, device))
            for name in self._levels:
                moments = _copy(state["moments"][name], device)
                if moments:
                    moments["step"] = moments["step"].cpu()  # where Adam counts, whatever the device
                    self._optimizer.state[self._code[name]] = moments
            self.steps_done = state["steps"]
        except (KeyError, TypeError, AttributeError, RuntimeError):
            raise EngineError(
                "The saved state belongs to another generator or latent space; choose the settings it was saved with."
            ) from None


def _copy(tensors: Mapping[str, Tensor], device: torch.device | str | None = None) -> dict[str, Tensor]:
    return {name: tensor.detach().to(device, copy=True) for name, tensor in tensors.items()}


# ---------------------------------------------------------------------------------------------- settings


class StyleCLIPOptimizeSettings(PersonSettings):
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "Paper": {
            "num_steps": 300, "lr": 0.1, "l2_lambda": 0.008, "id_lambda": 0.005, "truncation_psi": 0.7, "companions": 0,
        },
    }  # fmt: skip

    # ------------------------------------------------------------------ Prompt
    prompt: str = setting(
        "", label="Prompt", group="Prompt", live=True, max_length=MAX_PROMPT,
        help='What the face shall be. Several, weighted: "face with glasses:1 | smiling face:0.5 | beard:-0.3".',
    )  # fmt: skip

    # ------------------------------------------------------------------ Edit
    mode: Literal["edit", "free"] = setting(
        "edit", label="Mode", group="Edit",
        help="edit: change the chosen face. free: begin with the average face, and nothing pulls back to it.",
    )  # fmt: skip
    num_steps: int = setting(
        60, label="Steps", group="Edit", live=True, minimum=1, maximum=2000, step=1,
        help="How long to walk; the first step only looks. Published: 300.",
    )  # fmt: skip
    companions: int = setting(
        3, label="Companions", group="Edit", live=True, minimum=0, maximum=16, step=1, advanced=True,
        help="Other faces, new ones at each step, on which the same change has to show: CLIP is deceived about one "
        "face, hardly about many. Each takes as long as the face itself. Not used in free mode. Published: 0.",
    )  # fmt: skip
    coarse: bool = setting(
        True, label="Coarse rows", group="Edit", live=True,
        help="Rows 0 to 3 may move: pose, shape of the face and of the hair.",
    )  # fmt: skip
    medium: bool = setting(
        True, label="Medium rows", group="Edit", live=True,
        help="Rows 4 to 7 may move: features of the face.",
    )  # fmt: skip
    fine: bool = setting(
        True, label="Fine rows", group="Edit", live=True,
        help="Rows from 8 on may move: colours and small detail.",
    )  # fmt: skip
    accepted: int = setting(
        0, label="Accept as new start", group="Edit", live=True, kind="press", minimum=0, step=1,
        help="The face as it is now becomes the one that the weights hold on to, while the walk goes on.",
    )  # fmt: skip
    space: Literal["W+", "S"] = setting(
        "W+", label="Latent space", group="Edit", advanced=True,
        help="W+: a row for each layer. S: a style for each convolution; at the same L2 weight it moves less.",
    )  # fmt: skip
    lr: float = setting(
        0.1, label="Learning rate", group="Edit", live=True, minimum=0, maximum=1, step=0.005, advanced=True,
        help="Length of the steps; it rises in the first twentieth of them and falls in the last quarter.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Weights
    l2_lambda: float = setting(
        0.004, label="Stay near (L2)", group="Weights", live=True, minimum=0, maximum=0.1, step=0.0005,
        help="How strongly the latent is held near its start: lower it if nothing happens. Not used in free mode. "
        "Published: 0.008.",
    )  # fmt: skip
    id_lambda: float = setting(
        0.005, label="Keep the person", group="Weights", live=True, minimum=0, maximum=1, step=0.005,
        help="How strongly the identity is kept, as a face recognition network sees it. Not used in free mode.",
    )  # fmt: skip

    # ------------------------------------------------------------------ Guidance
    reference_clip_input: bool = setting(
        False, label="Reference-compatible CLIP input", group="Guidance", advanced=True,
        help="Show CLIP pictures as the released program did, not normalised. Only for a CLIP of 224 pixels.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> StyleCLIPOptimizeSettings:
        try:
            parts = parse_prompt(self.prompt)
        except EngineError as error:
            raise EngineError("Setting 'prompt': {reason}", reason=error) from None
        if not parts:
            raise EngineError("Setting 'prompt' is empty; type what the face shall be.")
        return self

    @property
    def levels(self) -> set[Level]:
        """Those that may move."""
        return {level for level in LEVELS if getattr(self, level)}


# ---------------------------------------------------------------------------------------------- the engine


class StyleCLIPOptimize(FaceEngine):
    """`Frame.losses` are those of `LatentWalk.step`: the terms as they are, and "loss", their weighted sum."""

    name: ClassVar[str] = "styleclip-optimize"
    title: ClassVar[str] = "StyleCLIP optimisation"
    summary: ClassVar[str] = "The latent of a face walks, step by step, to where CLIP sees the prompt."
    Settings: ClassVar[type[StyleCLIPOptimizeSettings]] = StyleCLIPOptimizeSettings

    def __init__(self, models):
        super().__init__(models)
        self._walk: LatentWalk | None = None
        self._saved_walk: dict[str, Any] | None = None
        self._accepted: int | None = None

    def run(self, settings: StyleCLIPOptimizeSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        live = live or LiveSettings(settings)
        self._encoder = self.models.clip()
        embed = clip_view(self._encoder, settings.reference_clip_input)
        if settings.mode == "free":
            self._open_generator(settings)
            self._start = self._generator.mapping.w_avg.repeat(1, self._generator.num_ws, 1)
        else:
            yield from self._find_face(settings, settings.num_steps)
        self._set_out(settings, embed)
        yield self._frame(live.current, {})
        while self._walk.steps_done < live.current.num_steps:
            now = live.current
            losses = self._advance(now)
            yield self._frame(now, losses)

    def _set_out(self, settings: StyleCLIPOptimizeSettings, embed: Callable[[Tensor], Tensor]) -> None:
        self._identity = None if settings.mode == "free" else identity_of(self.models, settings)
        self._walk = LatentWalk(
            self._generator, self._start, space=settings.space, embed=embed, identity=self._identity
        )  # fmt: skip
        if self._saved_walk is not None:
            self._walk.load_state_dict(self._saved_walk)
        if self._accepted is None:  # a count that the run begins with is of presses before it
            self._accepted = settings.accepted
        self._before = to_pixels(self._walk.start_picture)

    def _advance(self, now: StyleCLIPOptimizeSettings) -> dict[str, float]:
        if now.accepted > self._accepted:
            self._walk.accept()
            self._before = to_pixels(self._walk.start_picture)
        self._accepted = now.accepted
        is_held = now.mode == "edit"
        losses = self._walk.step(
            [(self._encoder.encode_text(part.text), part.weight) for part in parse_prompt(now.prompt)],
            num_steps=now.num_steps,
            lr=now.lr,
            l2_lambda=now.l2_lambda if is_held else 0.0,
            id_lambda=now.id_lambda if is_held else 0.0,
            levels=now.levels,
            companions=self._companions(now.companions) if is_held else None,
        )
        self._step += 1
        return losses

    @torch.no_grad()
    def _companions(self, count: int) -> Tensor | None:
        """(count, num_ws, w_dim), for every step others."""
        if not count:
            return None
        random = torch.Generator().manual_seed(self._walk.steps_done)
        z = torch.randn(count, self._generator.z_dim, generator=random)
        return self._generator.mapping(z.to(self._start.device))

    # ------------------------------------------------------------------ frames and state

    def _frame(self, now: StyleCLIPOptimizeSettings, losses: dict[str, float]) -> Frame:
        walk, code = self._walk, self._walk.code()

        def render() -> np.ndarray:
            with torch.no_grad():
                return to_pixels(walk.render(code))

        steps = self._step - walk.steps_done + now.num_steps
        return Frame(self._step, steps, render, losses, before=self._before, status=self._notice(now))

    def _notice(self, now: StyleCLIPOptimizeSettings) -> str:
        if now.mode == "edit" and now.id_lambda and self._identity is None:
            return "There is no identity network for these models, so the weight 'Keep the person' has no effect."
        if not now.levels:
            return "Coarse, medium and fine rows are all held; free some of them to let the face move."
        for part in parse_prompt(now.prompt):
            if self._encoder.is_too_long(part.text):
                return f"The prompt is longer than CLIP reads; only the beginning of '{part.text[:40]}…' counts."
        return ""

    def state_dict(self) -> dict[str, Any]:
        walk = self._saved_walk if self._walk is None else self._walk.state_dict()
        return {**super().state_dict(), "walk": walk, "accepted": self._accepted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        try:
            self._saved_walk, self._accepted = state["walk"], state["accepted"]
        except KeyError:
            raise EngineError("The saved state is not one of {title}; choose another one.", title=self.title) from None


def clip_view(encoder: ClipEncoder, is_reference: bool) -> Callable[[Tensor], Tensor]:
    """What turns pictures (N, 3, R, R), nominally in [-1, 1], into (N, embed_dim), as CLIP was trained or as released.

    Raises `EngineError` for a CLIP that does not look at what the released program shows.
    """
    if not is_reference:
        return lambda pictures: encoder.encode_image(clip_input(pictures, encoder.image_size))
    if encoder.image_size != REFERENCE_SIZE:
        raise EngineError(
            "Setting 'reference_clip_input' needs a CLIP that looks at {REFERENCE_SIZE} pixels, and "
            "{name} looks at {image_size}; switch it off.",
            REFERENCE_SIZE=REFERENCE_SIZE,
            name=encoder.name,
            image_size=encoder.image_size,
        )
    return lambda pictures: encoder.encode_image(reference_clip_input(pictures), normalize=False)
