"""unCLIP as an engine: pictures from words, and what can be done with the embedding of a picture in between.

unCLIP (Ramesh et al., arXiv 2204.06125). A run goes through up to four stages, each a step at a time: a prior looks for
embeddings, the noise of a given picture is found, the decoder paints, the upsampler enlarges. Then it rests. What is
changed begins its stage again, and those after it; guidance and η act on the next step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from engines.diffusion.process import Predict, spaced_timesteps
from engines.diffusion.walk import Inversion, Walk, inversion_timesteps
from engines.engine import Engine, Frame
from engines.errors import EngineError, Sentence
from engines.images import as_sheet, as_tensor, load_picture, padded_square, resized
from engines.settings import LiveSettings
from engines.unclip.decoder import changing
from engines.unclip.embeddings import interpolate, mix, slerp, text_diff, unit
from engines.unclip.loading import load_unclip
from engines.unclip.model import UnCLIPModel
from engines.unclip.prior import PriorWalk
from engines.unclip.settings import UnCLIPSettings, split_labels
from engines.unclip.typographic import with_label
from engines.unclip.upsampler import KARLO_7

__all__ = ["UnCLIP"]

IN_ORDER, COLUMNS = ("interpolate", "textdiff", "pca"), 4
"""What makes pictures in an order, and from one noise; how many of them are in a row."""
PREVIEW_EVERY, PREVIEW_LEVEL = 5, 0.9
"""Steps of a prior between two looks at its candidates, and the share of the timesteps at which the decoder takes one:
at the last ones there is nothing but noise to see.
"""
AVERAGED = 4
"""Draws of a prior for either of two texts, of whose difference chance shall have no part."""
NAMES = {"diffusion": "diffusion prior", "autoregressive": "autoregressive prior", "none": "no prior"}


@dataclass(frozen=True)
class View:
    """What a frame shows. look: → (count, 3, size, size), nominally in [-1, 1]; asked only if somebody looks."""

    look: Callable[[], Tensor]
    count: int
    size: int
    columns: int
    status: str


class UnCLIP(Engine):
    name: ClassVar[str] = "unclip"
    title: ClassVar[str] = "unCLIP"
    summary: ClassVar[str] = "Find a CLIP embedding for words, paint it, and vary, mix or change it."
    Settings: ClassVar[type[UnCLIPSettings]] = UnCLIPSettings

    def __init__(self, models):
        super().__init__(models)
        self._step = 0
        self._loaded: dict[str, Any] | None = None
        self._drawn: dict[str, Tensor] = {}
        self._embedded: list | None = None
        self._guided_by: float | None = None
        self._prior: PriorWalk | None = None
        self._candidates: Tensor | None = None
        self._cosine: float | None = None
        self._inversion: Inversion | None = None
        self._painted: list | None = None
        self._looked: list | None = None
        self._z: Tensor | None = None
        self._walk: Walk | None = None
        self._enlarging: Walk | None = None
        self._probed: dict[str, list[float]] = {}

    def run(self, settings: UnCLIPSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        self._prepare(settings)
        if trouble := self._trouble(settings):
            raise EngineError(trouble)
        while True:
            frame = self._frame(settings if live is None else live.current)
            yield frame
            if frame.is_resting and live is None:
                return
            self._advance(settings if live is None else live.current)
            self._step += 1

    # ------------------------------------------------------------------ preparation

    def _prepare(self, settings: UnCLIPSettings) -> None:
        self._model: UnCLIPModel = load_unclip(self.models, settings.model)
        self._texts = lru_cache(lambda *texts: self._model.clip.texts(list(texts)))
        self._null = self._texts("")
        self._said = lru_cache(lambda text: self._model.said([text]))
        self._device = self._null.embedding.device
        self._pictures = [padded_square(load_picture(path)) for path in settings.pictures]
        self._seen = [self._model.clip.picture(picture) for picture in self._pictures]
        if self._loaded is not None:
            self._restore(settings, self._loaded)
            self._loaded = None

    def _trouble(self, now: UnCLIPSettings) -> str:
        """Why these settings cannot be followed, "" if they can: a run that goes on waits for others."""
        try:
            for name in now.priors if now.texts else ():
                self._check_prior(name)
            if now.operation == "generate":
                mix(torch.eye(len(self._weights(now))), self._weights(now))
                if not now.texts or self._is_embedded(now):
                    self._rows(now)
            if now.operation == "pca":
                for count in now.components.split():
                    self._model.reconstruct(self._null.embedding, int(count))
            if now.operation == "probe":
                with_label(self._pictures[0], now.attack)
        except EngineError as error:
            return error.sentence
        return ""

    def _check_prior(self, name: str) -> None:
        if {"diffusion": self._model.prior, "autoregressive": self._model.ar_prior}.get(name, self._null) is None:
            raise EngineError(
                "{name} has no {NAMES}; choose another prior or other models.", name=self._model.name, NAMES=NAMES[name]
            )

    # ------------------------------------------------------------------ what is to be done

    def _embeds(self, now: UnCLIPSettings) -> list:
        """What a prior's work is begun with."""
        draws = {"generate": now.num_pictures, "textdiff": AVERAGED}.get(now.operation, 1)
        if not now.texts:
            return []
        return [list(now.texts), list(now.priors), draws, now.prior_steps, now.num_candidates, now.seed]

    def _paints(self, now: UnCLIPSettings) -> list:
        """What the decoder's work is begun with."""
        names = {
            "generate": ("prompt", "prompt_weight", "second_weight", "picture_1_weight", "picture_2_weight"),
            "interpolate": ("position",),
            "textdiff": ("prompt", "base_prompt", "theta"),
            "pca": ("components",),
            "probe": ("attack",),
        }
        own = [getattr(now, name) for name in names.get(now.operation, ())]
        own += [now.keeps_noise, now.num_pictures, now.num_steps, now.noise_level, now.seed]
        return [self._embeds(now), self._guided_by, *own]

    def _looks_like(self, now: UnCLIPSettings) -> list:
        """All else that decides a finished picture."""
        scales = [self._scale(now)]
        if self._has_text(now):
            scales.append(now.text_scale)
        return [*scales, now.eta]

    def _stage(self, now: UnCLIPSettings) -> str:
        """The one that the next step belongs to; "" to rest."""
        if self._trouble(now):
            return ""
        if self._embeds(now) and not self._is_embedded(now):
            return "prior"
        if now.keeps_noise and not (self._is_inverted_along(now) and self._inversion.is_done):
            return "inversion"
        if not self._is_painted(now):
            return "decoder"
        if self._wants_enlarging(now) and not (self._enlarging and self._enlarging.is_done):
            return "upsampler"
        return ""

    def _is_embedded(self, now: UnCLIPSettings) -> bool:
        is_whole = self._embedded == self._embeds(now) and len(self._drawn) == len(now.priors)
        return is_whole and (self._guided_by == now.prior_scale or now.priors == ("none",))

    def _is_painted(self, now: UnCLIPSettings) -> bool:
        is_whole = self._walk is not None and self._walk.is_done and self._painted == self._paints(now)
        return is_whole and self._looked == self._looks_like(now)

    def _wants_enlarging(self, now: UnCLIPSettings) -> bool:
        return now.upsample and self._model.upsampler is not None

    def _left(self, now: UnCLIPSettings) -> int:
        """Steps until it rests."""
        stage, left = self._stage(now), 0
        if stage == "prior":
            steps = [self._prior_steps(name, now) for name in now.priors]
            is_begun = self._embedded == self._embeds(now) and self._prior is not None
            left += self._prior.left + sum(steps[len(self._drawn) + 1 :]) if is_begun else sum(steps)
        if stage in ("prior", "inversion") and now.keeps_noise:
            left += self._inversion.left if self._is_inverted_along(now) else len(self._timesteps(now)) - 1
        if stage == "decoder":
            goes_on = self._painted == self._paints(now) and self._walk is not None and self._walk.left
            left += self._walk.left if goes_on else len(self._timesteps(now))
        elif stage in ("prior", "inversion"):
            left += len(self._timesteps(now))
        if stage and self._wants_enlarging(now):
            left += self._enlarging.left if stage == "upsampler" and self._enlarging else len(KARLO_7)
        return left

    def _advance(self, now: UnCLIPSettings) -> None:
        match self._stage(now):
            case "prior":
                self._draw(now)
            case "inversion":
                self._invert(now)
            case "decoder":
                self._paint(now)
            case "upsampler":
                self._enlarge(now)

    # ------------------------------------------------------------------ the prior

    @torch.no_grad()
    def _draw(self, now: UnCLIPSettings) -> None:
        """The next step of the first prior that is not done; of none, all at once."""
        if self._embedded != self._embeds(now) or len(self._drawn) == len(now.priors):
            self._drawn, self._prior, self._embedded = {}, None, self._embeds(now)
        name, draws = now.priors[len(self._drawn)], self._embedded[2]
        text = self._texts(*now.texts)
        if name == "none":
            z = self._model.from_words(text)[:, None].expand(-1, draws, -1)
            self._drawn[name], self._guided_by = z, now.prior_scale
            return
        if self._prior is None:
            self._prior = self._begun_prior(name, now)
        self._prior.step(now.prior_scale)
        step = self._prior.now
        self._cosine = step.scores.amax(1).mean().item()
        if self._prior.is_done or len(self._prior.scales) % PREVIEW_EVERY == 0:
            self._candidates = self._preview(step.embeddings, step.scores)
        if self._prior.is_done:
            self._drawn[name], self._guided_by = step.best().unflatten(0, (-1, draws)), now.prior_scale
            self._prior = None

    def _begun_prior(self, name: str, now: UnCLIPSettings) -> PriorWalk:
        text = self._texts(*now.texts).repeated(self._embedded[2])
        options = {"num_candidates": now.num_candidates, "generator": torch.Generator().manual_seed(now.seed)}
        prior = self._model.ar_prior
        if name == "diffusion":
            prior, options = self._model.prior, {**options, "num_steps": now.prior_steps}
        return PriorWalk(
            lambda scale: prior.sample(text, self._null, guidance_scale=scale, **options), self._prior_steps(name, now)
        )

    def _prior_steps(self, name: str, now: UnCLIPSettings) -> int:
        return {"diffusion": now.prior_steps, "none": 1}.get(name) or self._model.ar_prior.config.num_components

    def _preview(self, embeddings: Tensor, scores: Tensor) -> Tensor:
        """(N, k, d) → what the decoder takes them for at first sight, the best first; (N · k, 3, S, S)."""
        order = scores.argsort(1, descending=True)
        z = embeddings.gather(1, order[..., None].expand_as(embeddings)).flatten(0, 1)
        decoder = self._model.decoder
        noise = self._noise(1, 0).expand(len(z), -1, -1, -1)
        timestep = round(PREVIEW_LEVEL * len(decoder.diffusion.alphas_cumprod))
        output = self._unguided(self._model.noised(z))(noise, timestep)
        x0, _ = decoder.diffusion.read(output[:, : noise.shape[1]], noise, timestep)
        return decoder.pictures(x0)

    # ------------------------------------------------------------------ the noise of a picture

    @torch.no_grad()
    def _invert(self, now: UnCLIPSettings) -> None:
        decoder = self._model.decoder
        if not self._is_inverted_along(now):
            pictures = [as_tensor(picture)[None].to(self._device) * 2 - 1 for picture in self._pictures]
            samples = torch.cat([decoder.samples(picture) for picture in pictures])
            self._inversion = Inversion.begun(decoder.diffusion, samples, self._timesteps(now))
        self._inversion.step(self._unguided(self._model.noised(torch.cat(self._seen))))

    def _is_inverted_along(self, now: UnCLIPSettings) -> bool:
        """Whether the inversion that was begun is the one that is wanted."""
        return self._inversion is not None and self._inversion.timesteps == self._timesteps(now)

    def _unguided(self, z: Tensor) -> Predict:
        """What the decoder makes of embeddings alone, (N, d), as `UnCLIPModel.noised` gave them."""
        null = self._said("")
        return self._model.decoder.conditioned(z, null, null, image_scale=1.0, text_scale=1.0)

    def _timesteps(self, now: UnCLIPSettings) -> list[int]:
        """Of the decoder's way, and of that to the noise of a picture."""
        if not now.keeps_noise:
            return spaced_timesteps(now.num_steps)
        return inversion_timesteps(self._model.decoder.diffusion, now.num_steps)

    # ------------------------------------------------------------------ the decoder

    def _paint(self, now: UnCLIPSettings) -> None:
        """The next step; the first one of a new picture where this one was begun otherwise, or is finished and old."""
        if self._painted != self._paints(now) or self._walk is None or self._walk.is_done:
            self._begin(now)
        self._walk.step(self._predict(now), now.eta)
        self._looked = self._looks_like(now)

    @torch.no_grad()
    def _begin(self, now: UnCLIPSettings) -> None:
        self._painted, self._enlarging = self._paints(now), None
        is_shared = now.operation in IN_ORDER
        rows = self._rows(now)
        self._z = self._model.noised(rows, now.noise_level, seed=now.seed + 2, is_shared=is_shared)
        if now.operation == "probe":
            self._probe(now)
        diffusion, timesteps = self._model.decoder.diffusion, self._timesteps(now)
        self._walk = Walk(diffusion, self._start(now), timesteps, seed=now.seed + 1, is_shared=is_shared)

    def _predict(self, now: UnCLIPSettings) -> Predict:
        scale = self._scale(now)
        if self._is_turned(now):
            own = self._model.noised(self._seen[0], now.noise_level, seed=now.seed + 2)
            return changing(self._unguided, self._z, own.expand_as(self._z), scale)
        if self._has_text(now):
            text, text_scale = self._said(now.prompt), now.text_scale
        else:
            text, text_scale = self._said(""), scale
        null = self._said("")
        return self._model.decoder.conditioned(self._z, text, null, image_scale=scale, text_scale=text_scale)

    def _scale(self, now: UnCLIPSettings) -> float:
        """The guidance that acts on the embedding."""
        if self._is_turned(now):
            return now.theta_scale
        return now.edit_scale if now.keeps_noise else now.guidance_scale

    def _is_turned(self, now: UnCLIPSettings) -> bool:
        """Whether there is a picture to which everything leads back but what is turned."""
        return now.operation == "textdiff" and now.keeps_noise

    def _has_text(self, now: UnCLIPSettings) -> bool:
        """Whether the decoder reads the prompt, too; where a picture is changed, its embedding says everything."""
        return now.operation == "generate" and bool(now.prompt.strip())

    def _rows(self, now: UnCLIPSettings) -> Tensor:
        """(M, d): the embeddings to paint, in the order of the sheet."""
        match now.operation:
            case "generate":
                return torch.cat([self._mixed(now, name) for name in now.priors])
            case "variations":
                return self._seen[0].expand(now.num_pictures, -1)
            case "interpolate":
                first, second = self._ends(now)
                return torch.cat([interpolate(first, second, theta) for theta in self._positions(now)])
            case "textdiff":
                told, base = self._compared(now).split(1)
                return torch.cat([text_diff(self._seen[0], told, base, theta) for theta in self._thetas(now)])
            case "pca":
                z = (self._seen or [self._drawn[now.priors[0]][0, :1]])[0]
                return torch.cat([self._model.reconstruct(z, int(count)) for count in now.components.split()])
            case "probe":
                return self._attacked_embedding(now).expand(now.num_pictures, -1)

    def _mixed(self, now: UnCLIPSettings, prior: str) -> Tensor:
        """(num_pictures, d)"""
        drawn = self._drawn[prior] if now.texts else []
        parts = torch.stack([*drawn, *(z.expand(now.num_pictures, -1) for z in self._seen)], 1)
        return torch.cat([mix(row, self._weights(now)) for row in parts])

    def _weights(self, now: UnCLIPSettings) -> list[float]:
        """Of texts and pictures that there are."""
        pairs = [
            (now.prompt.strip(), now.prompt_weight), (now.second_prompt.strip(), now.second_weight),
            (now.picture_1, now.picture_1_weight), (now.picture_2, now.picture_2_weight),
        ]  # fmt: skip
        return [weight for thing, weight in pairs if thing]

    def _ends(self, now: UnCLIPSettings) -> tuple[Tensor, Tensor]:
        drawn = list(self._drawn[now.priors[0]][:, :1].flatten(0, 1)[:, None]) if now.texts else []
        first = self._seen[0] if now.picture_1 else drawn.pop(0)
        return first, self._seen[-1] if now.picture_2 else drawn.pop(0)

    def _compared(self, now: UnCLIPSettings) -> Tensor:
        """(2, d): of the prompt and of what it is compared with."""
        if now.texts:
            return unit(self._drawn[now.priors[0]].mean(1))
        return self._texts(now.prompt, now.base_prompt).embedding

    def _positions(self, now: UnCLIPSettings) -> list[float]:
        return _steps_to(1.0, now.num_pictures) if now.num_pictures > 1 else [now.position]

    def _thetas(self, now: UnCLIPSettings) -> list[float]:
        return _steps_to(now.theta, now.num_pictures) if now.num_pictures > 1 else [now.theta]

    def _start(self, now: UnCLIPSettings) -> Tensor:
        """(M, C, h, w): x_T of each row, found or drawn."""
        if now.keeps_noise:
            found = self._inversion.sample
            if now.operation == "interpolate":
                return torch.cat([slerp(found[:1], found[1:], theta) for theta in self._positions(now)])
            return found.expand(len(self._z), -1, -1, -1).clone()
        if now.operation == "generate":
            return self._noise(now.num_pictures, now.seed).repeat(len(now.priors), 1, 1, 1)
        if now.operation in ("variations", "probe"):
            return self._noise(len(self._z), now.seed)
        return self._noise(1, now.seed).repeat(len(self._z), 1, 1, 1)

    def _noise(self, count: int, seed: int) -> Tensor:
        """(count, C, h, w), the same on every device."""
        shape = count, *self._model.decoder.shape
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(self._device)

    # ------------------------------------------------------------------ the probe

    def _attacked_picture(self, now: UnCLIPSettings) -> np.ndarray:
        return with_label(self._pictures[0], now.attack)

    def _attacked_embedding(self, now: UnCLIPSettings) -> Tensor:
        return self._model.clip.picture(self._attacked_picture(now))

    def _probe(self, now: UnCLIPSettings) -> None:
        """What CLIP takes the picture for, without the label and with it."""
        z = torch.cat([self._seen[0], self._attacked_embedding(now)])
        chances = self._model.clip.likeness(z, split_labels(now.labels))
        self._probed = dict(zip(split_labels(now.labels), chances.T.tolist(), strict=True))

    # ------------------------------------------------------------------ the upsampler

    @torch.no_grad()
    def _enlarge(self, now: UnCLIPSettings) -> None:
        upsampler = self._model.upsampler
        small = self._model.decoder.pictures(self._walk.sample)
        large = resized(small, upsampler.size, low=-1)
        if self._enlarging is None:
            noise = torch.randn(1, *large.shape[1:], generator=torch.Generator().manual_seed(now.seed))
            noise = noise.to(large).repeat(len(large), 1, 1, 1)
            self._enlarging = Walk(upsampler.diffusion, noise, KARLO_7, seed=now.seed + 1, is_shared=True)
        self._enlarging.step(upsampler.beside(large), 1.0)

    # ------------------------------------------------------------------ frames

    def _frame(self, now: UnCLIPSettings) -> Frame:
        stage = self._stage(now)
        if now.operation == "probe" and self._walk is not None and split_labels(now.labels) != list(self._probed):
            self._probe(now)
        view = self._view(now, stage)
        return Frame(
            step=self._step,
            steps=self._step + self._left(now),
            render=lambda: as_sheet(view.look() / 2 + 0.5, view.columns),
            losses=self._measured(now),
            before=self._before(now, view),
            status=self._trouble(now) or view.status,
            is_resting=not stage,
        )

    def _view(self, now: UnCLIPSettings, stage: str) -> View:
        decoder = self._model.decoder
        if stage == "prior" and self._candidates is not None and self._embedded == self._embeds(now):
            name, shown = NAMES[now.priors[min(len(self._drawn), len(now.priors) - 1)]], self._candidates
            status = Sentence("The {prior} looks for an embedding: its candidates, the best first.", prior=name)
            columns = self._embedded[4] if now.operation == "generate" else len(shown) // len(now.texts)
            return View(lambda: shown, len(shown), decoder.size, columns, status)
        if stage == "inversion" and self._is_inverted_along(now):
            look, count = partial(decoder.pictures, self._inversion.sample), len(self._seen)
            return View(look, count, decoder.size, count, Sentence("Finding the noise that leads to the picture."))
        if self._walk is None:
            return View(lambda: torch.ones(1, 3, decoder.size, decoder.size), 1, decoder.size, 1, "")
        count = len(self._walk.sample)
        columns, told = self._columns(now, count), self._told(now, stage)
        if self._enlarging is not None and self._enlarging.done and self._wants_enlarging(now):
            large = self._enlarging.x0
            return View(lambda: large, count, self._model.upsampler.size, columns, told)
        return View(partial(decoder.pictures, self._walk.x0), count, decoder.size, columns, told)

    def _columns(self, now: UnCLIPSettings, count: int) -> int:
        """A row for each prior; rows of four where the order means something; else nearly a square."""
        if len(now.priors) > 1:
            return count // len(now.priors)
        return min(COLUMNS, count) if now.operation in IN_ORDER else math.ceil(math.sqrt(count))

    def _told(self, now: UnCLIPSettings, stage: str) -> str:
        if now.operation == "probe" and self._probed:
            before, after = (max(self._probed, key=lambda label: self._probed[label][i]) for i in (0, 1))
            return Sentence(
                "CLIP takes the picture for '{before}', and with the label for '{after}'.", before=before, after=after
            )
        if len(now.priors) > 1:
            return Sentence("One row each: diffusion prior, autoregressive prior, no prior.")
        if now.operation == "pca":
            return Sentence("From so many components: {counts}.", counts=", ".join(now.components.split()))
        if now.operation == "textdiff" and now.num_pictures > 1:
            return Sentence("From the picture to θ = {theta:g}.", theta=now.theta)
        if not stage and self._model.upsampler is not None and not now.upsample:
            return Sentence("Switch 'upsample' on for {size} px.", size=self._model.upsampler.size)
        return ""

    def _measured(self, now: UnCLIPSettings) -> dict[str, float]:
        if now.operation == "probe":
            return {label: chances[1] for label, chances in self._probed.items()}
        return {} if self._cosine is None or not now.texts else {"cosine": self._cosine}

    def _before(self, now: UnCLIPSettings, view: View) -> np.ndarray | None:
        """The picture that is worked on, at each place of the sheet."""
        if now.operation not in ("variations", "textdiff", "pca", "probe") or not self._pictures:
            return None
        picture = self._attacked_picture(now) if now.operation == "probe" else self._pictures[0]
        small = resized(as_tensor(picture)[None], view.size)
        return as_sheet(small.expand(view.count, -1, -1, -1), view.columns)

    # ------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        if self._loaded is not None:
            return self._loaded
        return {
            "step": self._step,
            "drawn": {name: z.clone().cpu() for name, z in self._drawn.items()},
            "embedded": self._embedded,
            "guided_by": self._guided_by,
            "prior": None if self._prior is None else list(self._prior.scales),
            "candidates": None if self._candidates is None else self._candidates.clone().cpu(),
            "cosine": self._cosine,
            "inversion": self._inversion and self._inversion.state_dict(),
            "painted": self._painted,
            "looked": self._looked,
            "z": None if self._z is None else self._z.clone().cpu(),
            "walk": self._walk and self._walk.state_dict(),
            "enlarging": self._enlarging and self._enlarging.state_dict(),
            "probed": self._probed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if not isinstance(state, dict) or not {"step", "drawn", "prior", "walk", "enlarging"} <= set(state):
            raise EngineError("The saved state is not one of {title}; choose another one.", title=self.title)
        self._loaded = state

    def _restore(self, settings: UnCLIPSettings, state: dict[str, Any]) -> None:
        """A prior that was at work catches up."""
        decoder, upsampler = self._model.decoder, self._model.upsampler
        try:
            self._step, self._cosine, self._guided_by = state["step"], state["cosine"], state["guided_by"]
            self._drawn = {name: z.to(self._device) for name, z in state["drawn"].items()}
            self._embedded, self._painted = state["embedded"], state["painted"]
            self._looked, self._probed = state["looked"], state["probed"]
            self._candidates, self._z = (
                value if value is None else value.to(self._device) for value in (state["candidates"], state["z"])
            )
            if state["inversion"]:
                self._inversion = Inversion.restored(decoder.diffusion, state["inversion"], self._device)
            if state["walk"]:
                self._walk = Walk.restored(decoder.diffusion, state["walk"], self._device)
            if state["enlarging"]:
                self._enlarging = Walk.restored(upsampler.diffusion, state["enlarging"], self._device)
            if state["prior"] and self._embedded == self._embeds(settings):
                self._prior = self._begun_prior(settings.priors[len(self._drawn)], settings)
                for scale in state["prior"]:
                    self._prior.step(scale)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise EngineError("The saved state is not one of {title}; choose another one.", title=self.title) from None


def _steps_to(end: float, count: int) -> list[float]:
    """Evenly from 0 to the end, both included."""
    return [end * number / (count - 1) for number in range(count)]
