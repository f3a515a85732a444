"""The CLIPDraw loop: draw, look at random views with CLIP, follow the gradient.

Frans, Soros & Witkowski, "CLIPDraw: Exploring Text-to-Drawing Synthesis through Language-Image Encoders",
arXiv 2106.14843. Deviations: the mean over the views instead of their sum, so that weights mean the same for any number
of views; by default CLIP's pixel normalisation, fewer and wider strokes, fewer steps, and views of other sizes and on
other backgrounds. CLIP sees the drawing at about its own resolution, whatever the canvas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from engines.clip.augment import random_views
from engines.clip.guidance import ClipGuide, Target
from engines.clip.prompts import parse_prompt
from engines.clipdraw.coloring import in_allowed_colors
from engines.clipdraw.painting import distance, painted
from engines.clipdraw.settings import CLIPDrawSettings, parse_stroke_numbers
from engines.clipdraw.strokes import (
    Rates,
    Strokes,
    point_rate_factor,
    random_strokes,
    strokes_along_edges,
    visible_area,
)
from engines.colors import parse_color
from engines.engine import Engine, Frame, reading_state
from engines.errors import EngineError, Sentence
from engines.images import as_pixels, as_tensor, load_picture
from engines.optimization import check_finite
from engines.settings import LiveSettings
from engines.vector import Scene, composite, rasterize, read_svg, resolve_backend

__all__ = ["CLIPDraw"]

TRY_STEPS = 40  # of each beginning when the best of several is wanted
UPKEEP_EVERY = 20  # steps between two searches for invisible strokes
DEAD_AREA = 1.5  # px² of a 224-px canvas below which a stroke counts as invisible

Guidance = Callable[[CLIPDrawSettings, Tensor, Tensor], tuple[Tensor, dict[str, float]]]
"""(settings, premultiplied rgba (4, H, W), background (3,)) → (loss (), its terms by label)."""


class CLIPDraw(Engine):
    name: ClassVar[str] = "clipdraw"
    title: ClassVar[str] = "CLIPDraw"
    summary: ClassVar[str] = "Bézier strokes, optimised until CLIP sees the prompt."
    Settings = CLIPDrawSettings
    has_scene: ClassVar[bool] = True
    SHORTEST_SIDE: ClassVar = 8
    """Least side in px of the picture that CLIP sees, however narrow the canvas."""

    def __init__(self, models):
        super().__init__(models)
        self._step = 0
        self._strokes: Strokes | None = None
        self._background: Tensor | None = None
        self._best: dict[str, Any] | None = None
        self._followed: tuple[list, Tensor] | None = None  # a painting, and the settings it was made by
        self._notices: tuple[str, ...] = ()
        self._wanted_strokes = 0
        self._generator = torch.Generator()

    # ------------------------------------------------------------------ the loop

    def run(self, settings: CLIPDrawSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        live = live or LiveSettings(settings)
        self._prepare(live.current)
        yield self._frame(live.current, {})
        while self._steps_done < self._total_steps(live.current):
            settings = live.current
            losses = self._advance(settings)
            yield self._frame(settings, losses)

    def _advance(self, settings: CLIPDrawSettings) -> dict[str, float]:
        """One optimisation step; returns the loss terms."""
        self._start_next_try(settings)
        self._match_stroke_count(settings)
        losses = self._descend(settings, self._guidance, self._update)
        self._step += 1
        if self._step % UPKEEP_EVERY == 0:
            self._tend_dead_strokes(settings)
        return losses

    def _descend(self, settings: CLIPDrawSettings, guidance: Guidance, update: Callable) -> dict[str, float]:
        """Draw, let `guidance` look at it, follow the gradient by `update(settings)`; returns the loss terms."""
        scene, background = self._painted(settings), self._background_now(settings)
        rgba = rasterize(scene, self._guidance_size, backend=self._backend, convention=settings.convention)
        loss, terms = guidance(settings, rgba, background)
        if self._region is not None:
            outside = (rgba[3] * (1 - self._region)).mean()
            loss = loss + settings.region_weight * outside
            terms["ink outside the region"] = outside.item()
        losses = {"loss": loss.item(), **terms}
        check_finite(losses)
        loss.backward()
        update(settings)
        return losses

    def _guidance(
        self, settings: CLIPDrawSettings, rgba: Tensor, background: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss and its terms by label: how far random views are from the targets."""
        targets = self._targets(settings)
        views = random_views(
            settings.num_augmentations, self._generator,
            distortion=settings.distortion, scale=(settings.crop_min, settings.crop_max),
        )  # fmt: skip
        similarities, score = self._guide.look(
            rgba,
            self._grounds(settings, background),
            targets,
            views,
            normalize=settings.normalize_clip,
            contrast=settings.contrast,
        )
        loss, terms = -score, self._by_label(targets, similarities)
        painting = self._painting(settings, targets)
        if painting is not None:
            away = distance(composite(rgba, background), painting, background)
            loss = loss + settings.painter_weight * away
            terms["away from the painting"] = away.item()
        return loss, terms

    def _grounds(self, settings: CLIPDrawSettings, background: Tensor) -> Tensor:
        """(views, 3): what is behind the strokes in each view; any colour in some, so that strokes learn to cover."""
        count = round(settings.random_backgrounds * settings.num_augmentations)
        colors = torch.rand(count, 3, generator=self._generator).to(background)
        return torch.cat([colors, background.expand(settings.num_augmentations - count, 3)])

    def _update(self, settings: CLIPDrawSettings) -> None:
        self._strokes.adam_step(self._rates(settings), self._locked(settings))
        self._keep_in_range(settings)

    def _rates(self, settings: CLIPDrawSettings) -> Rates:
        unit = self._strokes.unit
        progress = self._try_step(settings) / settings.num_steps
        return Rates(
            points=settings.points_lr * unit * point_rate_factor(settings.lr_schedule, progress),
            widths=settings.width_lr * unit,
            colors=settings.color_lr,
        )

    def _keep_in_range(self, settings: CLIPDrawSettings) -> None:
        """After every step of whatever optimiser; the background makes its own step here."""
        unit = self._strokes.unit
        self._strokes.clamp(settings.min_width * unit, settings.max_width * unit)
        if settings.learn_background and self._background.grad is not None:
            with torch.no_grad():  # sign descent: one colour needs no moments
                self._background -= settings.color_lr * 0.3 * self._background.grad.sign()
                self._background.clamp_(0, 1)
        self._background.grad = None

    # ------------------------------------------------------------------ preparation

    def _prepare(self, settings: CLIPDrawSettings) -> None:
        self._device = self.models.device
        self._guide = ClipGuide.load(self.models.clip, settings.clip_models)
        self._backend = resolve_backend(self._device)
        self._guidance_size = self._size(settings, self._guidance_side(settings))
        self._region = self._load_region(settings)
        self._image_prompt = load_picture(settings.image_prompt) if settings.image_prompt else None
        if self._strokes is None:
            self._generator.manual_seed(settings.seed)
            self._background = torch.tensor(parse_color(settings.background), device=self._device, requires_grad=True)
            self._strokes = self._first_strokes(settings)
            self._wanted_strokes = settings.num_strokes

    def _guidance_side(self, settings: CLIPDrawSettings) -> int:
        """px of the longer side of the picture that is looked at, where the canvas has as many."""
        return math.ceil(1.25 * self._guide.image_size)  # a view shows about four fifths of it

    @classmethod
    def _size(cls, settings: CLIPDrawSettings, side: int) -> tuple[int, int]:
        """(height, width) of the canvas brought down to a longer side of `side` px."""
        longer = max(settings.width, settings.height)
        side = min(longer, side)
        return tuple(max(cls.SHORTEST_SIDE, round(side * edge / longer)) for edge in (settings.height, settings.width))

    def _first_strokes(self, settings: CLIPDrawSettings) -> Strokes:
        if settings.init == "svg":
            drawing = read_svg(settings.init_svg)
            scene, self._notices = drawing.scene, drawing.notices
            factor = min(settings.width / scene.width, settings.height / scene.height)
            scene = scene.scaled(factor).replace(width=settings.width, height=settings.height)
            return Strokes(scene.to(self._device))
        if settings.init == "image":
            picture = as_tensor(load_picture(settings.init_image, 512))
            scene = strokes_along_edges(settings.num_strokes, picture, settings, self._generator)
            return Strokes(scene.to(self._device))
        return Strokes(self._new_strokes(settings.num_strokes, settings))

    def _new_strokes(self, count: int, settings: CLIPDrawSettings) -> Scene:
        region = None if self._region is None else self._region.cpu()
        return random_strokes(count, settings, self._generator, region).to(self._device)

    def _load_region(self, settings: CLIPDrawSettings) -> Tensor | None:
        if not settings.region:
            return None
        picture = as_tensor(load_picture(settings.region)).mean(0)
        resized = torch.nn.functional.interpolate(picture[None, None], self._guidance_size, mode="area")[0, 0]
        if resized.max() < 0.5:
            raise EngineError("Setting 'region' marks nothing; paint white where to draw.")
        return resized.to(self._device)

    # ------------------------------------------------------------------ what is drawn, what is wanted

    def _painted(self, settings: CLIPDrawSettings) -> Scene:
        """The strokes in the colours that the colour mode allows; gradients reach the free colours beneath."""
        return in_allowed_colors(self._strokes.scene, settings)

    def _background_now(self, settings: CLIPDrawSettings) -> Tensor:
        if settings.learn_background:
            return self._background
        with torch.no_grad():  # so that learning, switched on later, begins here
            self._background.copy_(self._background.new_tensor(parse_color(settings.background)))
        return self._background.detach()

    def _targets(self, settings: CLIPDrawSettings) -> list[Target]:
        known = settings.known_words
        targets = [
            self._guide.text_target("prompt", part.text, part.weight, known_words=known)
            for part in parse_prompt(settings.prompt)
        ]
        targets += [
            self._guide.text_target("negative prompt", part.text, -settings.negative_weight * part.weight)
            for part in parse_prompt(settings.negative_prompt)
        ]
        if self._image_prompt is not None:
            targets.append(self._guide.picture_target("image prompt", self._image_prompt, settings.image_prompt_weight))
        return targets

    def _painting(self, settings: CLIPDrawSettings, targets: list[Target]) -> Tensor | None:
        """The picture of the prompt to follow, (3, S, S), painted anew when the prompt changes; None to follow none."""
        if not settings.painter_weight:
            return None
        made_by = [settings.prompt, settings.num_paintings, settings.known_words > 0]
        if self._followed is None or self._followed[0] != made_by:
            prompts = self._to_paint(settings)
            painter = self.models.painter() if prompts else None
            if painter is None:
                return None
            self._followed = made_by, self._guide.favourite(painted(painter, prompts, settings.seed), targets)
        return self._followed[1]

    def _to_paint(self, settings: CLIPDrawSettings) -> list[str]:
        """The prompt, so many times; with `known_words` every other time the name that CLIP takes it for."""
        prompt = ", ".join(part.text for part in parse_prompt(settings.prompt) if part.weight > 0)
        if not prompt:
            return []
        known = self._guide.known_name(prompt) if settings.known_words else prompt
        return [known if number % 2 else prompt for number in range(settings.num_paintings)]

    @staticmethod
    def _by_label(targets: list[Target], similarities: Tensor) -> dict[str, float]:
        """Similarity per label, the mean where several parts share one."""
        groups: dict[str, list[float]] = {}
        for target, value in zip(targets, similarities.tolist(), strict=True):
            groups.setdefault(target.label, []).append(value)
        return {label: sum(values) / len(values) for label, values in groups.items()}

    # ------------------------------------------------------------------ strokes that come and go

    def _match_stroke_count(self, settings: CLIPDrawSettings) -> None:
        """Follow the slider: new strokes on top, the least visible unlocked ones go. Pruned ones do not come back."""
        wanted, now = settings.num_strokes, len(self._strokes)
        if wanted == self._wanted_strokes:
            return
        if wanted > now:
            self._strokes.append(self._new_strokes(wanted - now, settings))
        elif wanted < now:
            area = visible_area(self._painted(settings), self._guidance_size, self._backend)
            area[self._locked(settings)] = float("inf")
            mask = torch.zeros(now, dtype=torch.bool, device=area.device)
            mask[area.topk(wanted).indices] = True
            self._strokes.keep(mask)
        self._wanted_strokes = wanted

    def _tend_dead_strokes(self, settings: CLIPDrawSettings) -> None:
        if settings.dead_strokes == "keep":
            return
        area = visible_area(self._painted(settings), self._guidance_size, self._backend)
        dead = (area < DEAD_AREA * self._strokes.unit**2) & ~self._locked(settings)
        if not dead.any():
            return
        if settings.dead_strokes == "prune":
            dead[area.argmax()] = False  # one always stays
            self._strokes.keep(~dead)
        elif self._try_step(settings) < 0.75 * settings.num_steps:
            self._strokes.replace(dead, self._new_strokes(int(dead.sum()), settings))

    def _locked(self, settings: CLIPDrawSettings) -> Tensor:
        mask = torch.zeros(len(self._strokes), dtype=torch.bool, device=self._device)
        numbers = [number for number in parse_stroke_numbers(settings.locked_strokes) if number < len(mask)]
        mask[numbers] = True
        return mask

    # ------------------------------------------------------------------ the best of several beginnings

    @property
    def _steps_done(self) -> int:
        """Steps as the user counts them: the number of frames after the first."""
        return self._step

    def _total_steps(self, settings: CLIPDrawSettings) -> int:
        return settings.num_steps + self._spent_on_tries(settings)

    def _spent_on_tries(self, settings: CLIPDrawSettings) -> int:
        """Steps of the beginnings that are thrown away."""
        return (settings.best_of - 1) * min(TRY_STEPS, settings.num_steps)

    def _try_step(self, settings: CLIPDrawSettings, step: int | None = None) -> int:
        """Steps that the present drawing has had, or that it will have had at `step` of the run."""
        step = self._step if step is None else step
        tries, length = settings.best_of, min(TRY_STEPS, settings.num_steps)
        if step < tries * length:
            return step % length
        return step - self._spent_on_tries(settings)

    def _start_next_try(self, settings: CLIPDrawSettings) -> None:
        """At the end of each beginning: remember the better one; after the last, go on with the best."""
        length = min(TRY_STEPS, settings.num_steps)
        finished, within = divmod(self._step, length)
        if settings.best_of == 1 or within or not 1 <= finished <= settings.best_of:
            return
        rgba = rasterize(self._painted(settings).detach(), self._guidance_size, backend=self._backend)
        background = self._background_now(settings).detach()
        score = self._guide.score(rgba, background, self._targets(settings), normalize=settings.normalize_clip)
        if self._best is None or score > self._best["score"]:
            self._best = {
                "score": score,
                "strokes": self._strokes.state_dict(),
                "background": self._background.detach().clone(),
            }
        if finished < settings.best_of:
            self._strokes = self._first_strokes(settings)
        else:
            self._strokes = Strokes.from_state_dict(self._best["strokes"], self._device)
            self._background = self._best["background"].clone().requires_grad_(True)

    # ------------------------------------------------------------------ frames and state

    def _frame(self, settings: CLIPDrawSettings, losses: dict[str, float]) -> Frame:
        scene = self._painted(settings).detach().clone()
        background = self._background_now(settings).detach().clone()
        backend, convention = self._backend, settings.convention

        def render() -> np.ndarray:
            with torch.no_grad():
                picture = composite(rasterize(scene, backend=backend, convention=convention), background)
            return as_pixels(picture)

        return Frame(
            step=self._steps_done,
            steps=self._total_steps(settings),
            render=render,
            losses=losses,
            scene=scene,
            background=tuple(background.tolist()),
            notices=(*self._notices, *self._cut_prompts(settings)),
        )

    def _cut_prompts(self, settings: CLIPDrawSettings) -> list[Sentence]:
        return [
            Sentence(
                "The prompt is longer than CLIP reads; only the beginning of '{part}…' counts.", part=part.text[:40]
            )
            for part in parse_prompt(settings.prompt)
            if self._guide.is_too_long(part.text)
        ]

    def state_dict(self) -> dict[str, Any]:
        return {
            "step": self._step,
            "wanted_strokes": self._wanted_strokes,
            "strokes": self._strokes.state_dict(),
            "background": self._background.detach().clone(),
            "best": self._best,
            "followed": self._followed and list(self._followed),
            "generator": self._generator.get_state(),
            "notices": list(self._notices),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with reading_state(self.title):
            self._strokes = Strokes.from_state_dict(state["strokes"], self.models.device)
            self._background = state["background"].clone().to(self.models.device).requires_grad_(True)
            self._generator.set_state(state["generator"])
            self._step, self._best = state["step"], state["best"]
            self._wanted_strokes = state["wanted_strokes"]
            self._notices = tuple(state.get("notices", ()))
            followed = state.get("followed")  # older drawings have neither
            self._followed = followed and (followed[0], followed[1].to(self.models.device))
