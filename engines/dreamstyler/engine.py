"""DreamStyler as an engine: learn a style from paintings, paint in it, or paint a picture anew in it.

DreamStyler (Ahn et al., arXiv 2309.06933). A run that learns shows a picture of a fixed seed taking on the style, and
paints the prompt when it has learned. Scales, prompts and styles act on the step of painting that comes next; what is
settled with the first step (seed, steps, strength) begins the picture again.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.clip.guidance import KNOWN_WORDS, ClipGuide
from engines.diffusion import DiffusionModel, Guidance, Sampler
from engines.dreamstyler.captions import caption_of
from engines.dreamstyler.guidance import guidance_weights, within
from engines.dreamstyler.inversion import Painting, StageInversion, as_input
from engines.dreamstyler.prompts import STYLE_PROMPT, sentence_of, without_style
from engines.dreamstyler.settings import NO_STYLE, SHELF, DreamStylerSettings
from engines.dreamstyler.stages import stage_of_timestep, unvisited_stages
from engines.dreamstyler.styles import Style, load_style, mixed, save_style
from engines.dreamstyler.tokens import PromptReader
from engines.engine import Engine, Frame, reading_state
from engines.errors import EngineError, Sentence, joined
from engines.images import as_pixels, load_picture
from engines.settings import LiveSettings

if TYPE_CHECKING:
    from engines.diffusion.instant import InstantStyle

__all__ = ["DreamStyler"]

PREVIEW_STEPS = 10  # sampling steps of a preview during learning, at most


class DreamStyler(Engine):
    name: ClassVar[str] = "dreamstyler"
    title: ClassVar[str] = "DreamStyler"
    summary: ClassVar[str] = "Learn a style from a painting, then paint anything in it."
    Settings: ClassVar[type[DreamStylerSettings]] = DreamStylerSettings
    artifact: ClassVar[str] = "style"

    def __init__(self, models):
        super().__init__(models)
        self._step = 0
        self._training: StageInversion | None = None
        self._loaded: dict[str, Any] | None = None
        self._preview: Tensor | None = None
        self._previewed: list | None = None
        self._sampler: Sampler | None = None
        self._latents: Tensor | None = None
        self._x0: Tensor | None = None
        self._done = 0
        self._begun: list | None = None
        self._looked: list | None = None
        self._made: Style | None = None

    def run(self, settings: DreamStylerSettings, live: LiveSettings | None = None) -> Iterator[Frame]:
        self._prepare(settings)
        while True:
            now = settings if live is None else live.current
            frame = self._training_frame(now) if self._has_to_train(now) else self._painting_frame(now)
            yield frame
            if frame.is_resting and live is None:
                return
            now = settings if live is None else live.current
            if self._has_to_train(now):
                self._training.step(now)
            else:
                self._paint(now)
            self._step += 1

    @classmethod
    def write_model(cls, state: dict[str, Any], path: Path) -> None:
        """The style in use, as it is learned so far."""
        style = state["style"]
        if style is None:
            raise EngineError("This run has no style yet; let it learn one, or choose one.")
        save_style(Style(style["vectors"], style["name"], style["metadata"]), path)

    # ------------------------------------------------------------------ preparation

    def _prepare(self, settings: DreamStylerSettings) -> None:
        self._model: DiffusionModel = self.models.diffusion()
        self._reader = PromptReader(self._model)
        self._word = self._reader.word(settings.initializer)
        self._num_train_timesteps = self._model.scheduler.config.num_train_timesteps
        self._styles: dict[Path, Style] = {}
        self._caption, self._photo, self._control = "", None, None
        self._region = self._open_region(settings) if settings.region else None
        self._instant = self._prepare_instant(settings) if settings.instant_style else None
        if settings.mode == "learn":
            self._prepare_training(settings)
        if settings.mode == "restyle":
            self._prepare_photo(settings)
        if trouble := self._trouble(settings):
            raise EngineError(trouble)

    def _prepare_training(self, settings: DreamStylerSettings) -> None:
        paintings, found = [], []
        for file, caption in settings.paintings:
            picture = load_picture(file)
            if not caption.strip():
                caption = caption_of(self.models, picture)
                found.append(caption)
            paintings.append(Painting(picture, sentence_of(caption)))
        self._caption = "; ".join(found)
        self._training = StageInversion(self._model, paintings, settings)
        if self._loaded is not None:
            with reading_state():
                self._training.load_state_dict(self._loaded)
            self._loaded = None

    def _prepare_photo(self, settings: DreamStylerSettings) -> None:
        picture = load_picture(settings.photo)
        if not settings.prompt.strip():
            self._caption = caption_of(self.models, picture)
        self._photo = as_input(picture, self._model.size, center_crop=settings.center_crop).to(self._model.device)
        structure = self.models.structure()
        self._control = structure and structure.control(self._photo)

    def _prepare_instant(self, settings: DreamStylerSettings) -> InstantStyle:
        style = self.models.instant_style(load_picture(settings.instant_style))
        if style is None:
            raise EngineError("There is no instant style for these models; choose the Full models, or learn the style.")
        return style

    def _open_region(self, settings: DreamStylerSettings) -> Tensor:
        """(1, 1, h, w) in [0, 1], in the size of latents."""
        region = load_picture(settings.region)
        picture = as_input(region, self._model.size, center_crop=settings.center_crop).mean(1, keepdim=True)
        return F.avg_pool2d(picture, self._model.factor).to(self._model.device)

    def _has_to_train(self, now: DreamStylerSettings) -> bool:
        return self._training is not None and self._training.steps_done < now.training_steps

    # ------------------------------------------------------------------ what guides

    def _style(self, now: DreamStylerSettings) -> Style | None:
        """The one that is learned or chosen."""
        if self._training is not None:
            return self._training.style(now)
        return self._open(now.style_file, now.style)

    def _second_style(self, now: DreamStylerSettings) -> Style | None:
        return self._open(now.second_style_file, now.second_style)

    def _open(self, file: str, name: str) -> Style | None:
        """The style of a file or of the shelf, on the model's device; remembered."""
        if not file and name == NO_STYLE:
            return None
        path = Path(file) if file else SHELF[name]
        if path not in self._styles:
            style = load_style(path, self._reader.width)
            self._styles[path] = Style(style.vectors.to(self._model.device), style.name, style.metadata)
        return self._styles[path]

    def _prompt(self, now: DreamStylerSettings) -> str:
        """What is painted, with a place for the style if there is one."""
        prompt = now.normalized("prompt").strip()
        if not prompt:
            prompt = sentence_of(self._caption) if now.mode == "restyle" else STYLE_PROMPT
        return prompt if now.has_style else without_style(prompt)

    def _trouble(self, now: DreamStylerSettings) -> str:
        """Why these settings cannot be painted, "" if they can: a run that goes on waits for others."""
        try:
            style, second = self._style(now), self._second_style(now)
            if style is not None:
                self._reader.parse(self._prompt(now), style.num_vectors)
            if style is not None and second is not None and style.num_vectors != second.num_vectors:
                raise EngineError(
                    "The styles have {num_vectors} and {num_vectors_2} vectors and cannot be mixed; choose two "
                    "with as many.",
                    num_vectors=style.num_vectors,
                    num_vectors_2=second.num_vectors,
                )
        except EngineError as error:
            return error.sentence
        return ""

    def _guide(self, now: DreamStylerSettings, timestep: int) -> Guidance:
        """Style and context guidance where there is a style, plain guidance where there is none."""
        reader, style = self._reader, self._style(now)
        prompt, negative = self._prompt(now), reader.parse_plain(now.negative_prompt)
        if style is None:
            weights = guidance_weights(0.0, 0.0, now.guidance_scale)
            prompts, vector = (negative, reader.parse_plain(prompt)), self._word
        else:
            weights = guidance_weights(now.style_scale, now.context_scale, now.guidance_scale)
            context = reader.parse_plain(without_style(prompt))
            count = style.num_vectors
            prompts = (negative, reader.parse(prompt, count), context, reader.parse(STYLE_PROMPT, count))
            second, total = self._second_style(now) or style, self._num_train_timesteps
            share = now.share_at(timestep, total)
            vector = mixed(style, second, share, now.style_amount, self._word, timestep, total)
            if self._region is not None:
                weights = within(weights, self._region)
        told = (False, True, False, True)  # which of the predictions are to have the style
        rows = zip(prompts, weights, told, strict=False)
        wanted = [row for row in rows if torch.as_tensor(row[1]).any()]
        texts = reader([prompt for prompt, _, _ in wanted], vector.expand(len(wanted), *vector.shape))
        terms = [(text[None], weight) for text, (_, weight, _) in zip(texts, wanted, strict=True)]
        if self._instant is None:
            return Guidance(terms, now.structure)
        self._instant.set_scale(now.instant_scale)
        seen = torch.cat([self._instant.embedding[0] * has_style for _, _, has_style in wanted])
        return Guidance(terms, now.structure, seen)

    # ------------------------------------------------------------------ painting

    def _begins_with(self, now: DreamStylerSettings) -> list:
        """What is settled with the first step."""
        return [now.num_steps, now.strength if self._photo is not None else 1.0, now.seed, now.best_of]

    def _looks_like(self, now: DreamStylerSettings) -> list:
        """All else that decides the picture."""
        learned = self._training.steps_done if self._training is not None else 0
        names = (
            "prompt", "negative_prompt", "style", "style_file", "style_amount", "second_style", "second_style_file",
            "mix", "structure", "snapshot", "guidance_scale", "style_scale", "context_scale", "instant_scale",
        )  # fmt: skip
        return [learned, *(getattr(now, name) for name in names)]

    def _begin(self, now: DreamStylerSettings) -> None:
        self._begun, self._done, self._x0 = self._begins_with(now), 0, None
        self._sampler = self._new_sampler(now.num_steps, now)
        self._latents = self._start(self._sampler, now, now.best_of)

    def _new_sampler(self, num_steps: int, now: DreamStylerSettings) -> Sampler:
        strength = now.strength if self._photo is not None else 1.0
        model = self._model if self._instant is None else self._instant.model
        return Sampler(model, num_steps, strength=strength, control=self._control)

    def _start(self, sampler: Sampler, now: DreamStylerSettings, count: int) -> Tensor:
        random = torch.Generator().manual_seed(now.seed)
        if self._photo is None:
            return sampler.noise(random, count)
        return sampler.noised(self._photo.expand(count, -1, -1, -1), random)

    @torch.no_grad()
    def _paint(self, now: DreamStylerSettings) -> None:
        """The next step; the first one of a new picture where this one was begun otherwise, or is finished and old."""
        if self._is_finished(now) or self._trouble(now):
            return
        if self._begins_with(now) != self._begun or self._done == len(self._sampler.timesteps):
            self._begin(now)
        guidance = self._guide(now, self._sampler.timesteps[self._done])
        step = self._sampler.step(self._latents, self._done, guidance)
        self._latents, self._x0, self._done = step.latents, step.x0, step.step
        self._looked = self._looks_like(now)

    def _is_finished(self, now: DreamStylerSettings) -> bool:
        """Whether the picture is painted, and as these settings want it."""
        is_whole = self._done == len(self._sampler.timesteps) and self._begins_with(now) == self._begun
        return is_whole and self._looks_like(now) == self._looked

    @torch.no_grad()
    def _paint_preview(self, now: DreamStylerSettings) -> Tensor:
        """(H, W, 3) uint8: all steps at once, and not so many."""
        sampler = self._new_sampler(min(now.num_steps, PREVIEW_STEPS), now)
        *_, last = sampler.steps(self._start(sampler, now, 1), partial(self._guide, now))
        return torch.from_numpy(self._pixels(last.latents, now))

    def _pixels(self, latents: Tensor, now: DreamStylerSettings) -> np.ndarray:
        """(H, W, 3) uint8, the best of several."""
        pictures = self._model.pictures(latents)
        if len(pictures) == 1:
            return as_pixels(pictures[0])
        critic = ClipGuide.load(self.models.clip, "")
        shown = critic.text_target("prompt", without_style(self._prompt(now)), 1.0, known_words=KNOWN_WORDS)
        return as_pixels(critic.favourite(pictures, [shown]))

    # ------------------------------------------------------------------ frames

    def _training_frame(self, now: DreamStylerSettings) -> Frame:
        training = self._training
        look = [*self._begins_with(now), *self._looks_like(now)[1:]]
        trouble = self._trouble(now)
        if not trouble and (training.steps_done % now.preview_every == 0 or look != self._previewed):
            self._preview, self._previewed = self._paint_preview(now), look
        self._made = training.style(now)
        learning = Sentence("Learning the style of one painting.")
        if len(now.paintings) > 1:
            learning = Sentence("Learning the style of {count} paintings.", count=len(now.paintings))
        return Frame(
            step=self._step,
            steps=self._step + now.training_steps - training.steps_done + now.num_steps,
            render=self._preview.numpy,
            losses=dict(training.losses),
            status=trouble or joined(learning, *self._caption_notice()),
        )

    def _painting_frame(self, now: DreamStylerSettings) -> Frame:
        if self._sampler is None:
            self._resume_or_begin(now)
        trouble = self._trouble(now)
        if not trouble:
            self._made = self._style(now)
        left, is_resting = len(self._sampler.timesteps) - self._done, bool(trouble) or self._is_finished(now)
        latents = self._latents if self._x0 is None else self._x0
        return Frame(
            step=self._step,
            steps=self._step + (left if left or is_resting else now.num_steps),
            render=partial(self._pixels, latents, now),
            losses={} if self._training is None else dict(self._training.losses),
            before=None if self._photo is None else as_pixels(self._photo[0]),
            status=trouble or joined(*self._notices()),
            is_resting=is_resting,
        )

    def _resume_or_begin(self, now: DreamStylerSettings) -> None:
        if self._begun is None:
            self._begin(now)
            return
        num_steps, *_ = self._begun
        self._sampler = self._new_sampler(num_steps, now)
        if self._begins_with(now) != self._begun or self._done > len(self._sampler.timesteps):
            self._begin(now)

    def _notices(self) -> list[str]:
        notices = self._caption_notice()
        style = self._made
        if style is not None:
            notices += self._unused_stages(style.num_stages)
        if self._photo is not None and self._control is None:
            notices.append(
                Sentence("There is no ControlNet for these models, so that only a low strength keeps the structure.")
            )
        if style is not None and style.metadata.get("model", self._model.name) != self._model.name:
            notices.append(
                Sentence(
                    "The style was learned with {model} and may look different here.", model=style.metadata["model"]
                )
            )
        return notices

    def _unused_stages(self, num_stages: int) -> list[str]:
        """Sentences about vectors that the chosen steps never use."""
        timesteps, total = self._sampler.timesteps, self._num_train_timesteps
        unused = unvisited_stages(timesteps, num_stages, total)
        first = stage_of_timestep(timesteps[0], num_stages, total)
        notices = []
        if passed := [str(stage) for stage in unused if stage > first]:
            notices.append(
                Sentence(
                    "This strength never uses the vectors of stage {stages}; raise it for them to act.",
                    stages=", ".join(passed),
                )
            )
        if skipped := [str(stage) for stage in unused if stage < first]:
            notices.append(
                Sentence(
                    "So few steps never use the vectors of stage {stages}; take more for them to act.",
                    stages=", ".join(skipped),
                )
            )
        return notices

    def _caption_notice(self) -> list[str]:
        if not self._caption:
            return []
        return [Sentence("Found in the picture: {caption}. Correct it if it is wrong.", caption=self._caption)]

    # ------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        training, made = self._loaded, self._made
        if self._training is not None:
            training = self._training.state_dict()
        return {
            "step": self._step,
            "training": training,
            "preview": [self._preview, self._previewed],
            "painting": [_copy(self._latents), _copy(self._x0), self._done, self._begun, self._looked],
            "style": made and {"vectors": _copy(made.vectors), "name": made.name, "metadata": dict(made.metadata)},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with reading_state(self.title):
            self._step, self._loaded = state["step"], state["training"]
            self._preview, self._previewed = state["preview"]
            latents, x0, self._done, self._begun, self._looked = state["painting"]
            self._latents, self._x0 = (
                None if value is None else value.to(self.models.device) for value in (latents, x0)
            )
            style = state["style"]
            self._made = style and Style(style["vectors"], style["name"], style["metadata"])


def _copy(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.detach().clone().cpu()
