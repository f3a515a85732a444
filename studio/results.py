"""The files made of a run: those in its folder, and exports.

All are made from the newest frame and the recorded pictures, so a run can be exported while it goes on.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from engines.engine import Engine, Frame
from engines.errors import EngineError
from engines.export import write_animation, write_png, write_video
from engines.files import replacing, write_text
from engines.saved_files import decoded, is_file, read_picture, remove, steps_in
from engines.settings import EngineSettings
from studio.inputs import relative_inputs, without_inputs
from studio.record import Changes, write_settings

if TYPE_CHECKING:
    from engines.vector import Scene

__all__ = [
    "KINDS",
    "RunSnapshot",
    "export",
    "forget",
    "recorded_frame",
    "saved_frame",
    "write_final",
    "write_timelapse",
]

log = logging.getLogger(__name__)

TIMELAPSE_SECONDS = 10
GIF_LIMIT = (120, 480)
"""Pictures and longest side: GIFs are big and held in memory while they are made."""
WEBP_LIMIT = (150, 640)


@dataclass(frozen=True)
class RunSnapshot:
    """A run at one moment, as far as its files need it.

    models: "pocket" or "full". frame: the newest one, None before the first. timeline: the steps that have a picture.
    picture_at: step → JPEG. settings: those the run started from. settings_at: step → the settings of its picture.
    newest_state: → the newest checkpoint, None before the first.
    """

    folder: Path
    method: str
    models: str
    engine: type[Engine]
    step: int
    frame: Frame | None
    timeline: list[int]
    picture_at: Callable[[int], bytes]
    settings: EngineSettings
    settings_at: Callable[[int], EngineSettings]
    changes: Changes
    newest_state: Callable[[], Path | None]


# ---------------------------------------------------------------------------------------------- in the run's folder


def write_final(run: RunSnapshot, embed_settings: bool) -> None:
    """final.png, final.svg for a drawing, state.safetensors: the run as it stands."""
    frame = _frame(run)
    metadata = _metadata(run, frame) if embed_settings else None
    write_png(frame.image, run.folder / "final.png", metadata)
    if frame.scene is not None:
        _write_svg(frame, run.folder / "final.svg", metadata)
    newest = run.newest_state()
    if newest is not None:
        _copy(newest, run.folder / "state.safetensors")


def write_timelapse(run: RunSnapshot, abandoned: Callable[[], bool]) -> None:
    """timelapse.mp4, unless `abandoned` becomes true meanwhile (the run is wanted again)."""

    def frames() -> Iterator[np.ndarray]:
        for image in _recorded(run):
            if abandoned():
                raise InterruptedError
            yield image

    try:
        write_video(frames(), run.folder / "timelapse.mp4", _fps(run))
    except InterruptedError:
        return


def forget(folder: Path) -> None:
    """Remove what was made of a run that now goes on: it shows a moment that is no longer the last."""
    for name in ("final.png", "final.svg", "state.safetensors", "timelapse.mp4", "exports"):
        remove(folder / name)


def saved_frame(
    folder: Path, step: int, steps: int, background: Sequence[float] | None, notices: Sequence[str] = ()
) -> Frame | None:
    """The frame of a run that is only on disk: its final picture and drawing, else the last that was recorded.

    background: behind the drawing, RGB in [0, 1]. notices: those of its last frame.
    """
    final = folder / "final.png"
    if not is_file(final):
        return recorded_frame(folder, step, steps)
    try:
        image = read_picture(final)
    except EngineError as error:
        log.warning("%s: the last recorded picture is shown, because %s", folder.name, error)
        return recorded_frame(folder, step, steps)
    background = tuple(background) if background else None
    scene = _saved_scene(folder / "final.svg")
    return Frame(step, steps, lambda: image, scene=scene, background=background, notices=tuple(notices))


def _saved_scene(path: Path) -> Scene | None:
    """The drawing in an SVG of this or any other program; None when there is none that can be read."""
    if not is_file(path):
        return None
    from engines.vector import load_svg  # here, not above: the page must not wait for torch

    try:
        return load_svg(path)
    except Exception as error:  # a damaged file may fail anywhere
        log.warning("the drawing '%s' is left out: %s", path.name, error)
        return None


def recorded_frame(folder: Path, step: int, steps: int) -> Frame | None:
    """The last readable picture that was recorded until `step`."""
    for recorded in reversed(steps_in(folder / "timeline", ".jpg")):
        if recorded <= step:
            with suppress(EngineError):
                image = read_picture(folder / "timeline" / f"{recorded:08d}.jpg")
                return Frame(step, steps, lambda image=image: image)
    return None


# ---------------------------------------------------------------------------------------------- exports


def export(run: RunSnapshot, kind: str, embed_settings: bool) -> Path:
    """Write ``exports/<folder>-<step>…`` and return its path. `EngineError` when the run has nothing of that kind."""
    if kind not in KINDS:
        raise EngineError("There is no export '{kind}'; choose one of {choices}.", kind=kind, choices=", ".join(KINDS))
    ending, write = KINDS[kind]
    path = run.folder / "exports" / f"{run.folder.name}-step-{run.step}{ending}"
    try:
        path.parent.mkdir(exist_ok=True)
        write(run, path, embed_settings)
    except OSError as error:
        if not run.folder.is_dir():
            raise EngineError("There is no such run; it may have been deleted.") from None
        if isinstance(error, FileNotFoundError):  # `forget` was faster
            raise EngineError("The run went on while its export was made; export it again.") from None
        reason = error.strerror or type(error).__name__
        raise EngineError(
            "The export could not be written ({reason}); free some disk space and retry.", reason=reason
        ) from None
    return path


def _png(run: RunSnapshot, path: Path, embed: bool) -> None:
    frame = _frame(run)
    write_png(frame.image, path, _metadata(run, frame) if embed else None)


def _svg(run: RunSnapshot, path: Path, embed: bool) -> None:
    frame = _frame(run)
    _scene(frame)
    _write_svg(frame, path, _metadata(run, frame) if embed else None)


def _plotter_svg(run: RunSnapshot, path: Path, _embed: bool) -> None:
    scene = _scene(_frame(run))
    from engines.plotter import format_plotter_svg

    write_text(path, format_plotter_svg(scene))


def _replay_svg(run: RunSnapshot, path: Path, _embed: bool) -> None:
    frame = _frame(run)
    scene = _scene(frame)
    from engines.replay import format_replay_svg

    write_text(path, format_replay_svg(scene, frame.background))


def _strokes_mp4(run: RunSnapshot, path: Path, _embed: bool) -> None:
    frame = _frame(run)
    scene = _scene(frame)
    from engines.replay import stroke_frames

    if not path.is_file():
        write_video(stroke_frames(scene, frame.background or (1.0, 1.0, 1.0)), path)


def _mp4(run: RunSnapshot, path: Path, _embed: bool) -> None:
    timelapse = run.folder / "timelapse.mp4"
    if is_file(timelapse):
        _copy(timelapse, path)
    elif not path.is_file():
        write_video(_recorded(run), path, _fps(run))


def _gif(run: RunSnapshot, path: Path, _embed: bool) -> None:
    if not path.is_file():
        write_animation(_small(run, *GIF_LIMIT), path, _fps(run, GIF_LIMIT[0]))


def _webp(run: RunSnapshot, path: Path, _embed: bool) -> None:
    if not path.is_file():
        write_animation(_small(run, *WEBP_LIMIT), path, _fps(run, WEBP_LIMIT[0]))


def _state(run: RunSnapshot, path: Path, _embed: bool) -> None:
    from engines.state_file import load_state

    saved = _saved_state(run)
    load_state(saved)  # a damaged one is not handed out
    _copy(saved, path)


def _model(run: RunSnapshot, path: Path, _embed: bool) -> None:
    from engines.state_file import load_state

    state = load_state(_saved_state(run))
    try:
        run.engine.write_model(state, path)
    except (EngineError, OSError):
        raise
    except Exception as error:  # a damaged state may fail anywhere
        log.warning("%s: no model in the saved state: %r", run.folder.name, error)
        raise EngineError("The saved state of this run is damaged; go back to an earlier step.") from None


def _settings(run: RunSnapshot, path: Path, _embed: bool) -> None:
    settings = run.settings
    write_settings(path, run.method, run.models, relative_inputs(type(settings), settings.model_dump()))


KINDS: dict[str, tuple[str, Callable[[RunSnapshot, Path, bool], None]]] = {
    "png": (".png", _png),
    "svg": (".svg", _svg),
    "plotter-svg": ("-plotter.svg", _plotter_svg),
    "replay-svg": ("-replay.svg", _replay_svg),
    "mp4": (".mp4", _mp4),
    "gif": (".gif", _gif),
    "webp": (".webp", _webp),
    "strokes-mp4": ("-strokes.mp4", _strokes_mp4),
    "state": (".safetensors", _state),
    "model": ("-model.safetensors", _model),
    "settings": (".json", _settings),
}
"""Kind of export → (how its file name ends, what writes it)."""


# ---------------------------------------------------------------------------------------------- parts


def _frame(run: RunSnapshot) -> Frame:
    frame = run.frame
    if frame is None:
        raise EngineError("There is no picture yet; wait for the first step.")
    return frame


def _saved_state(run: RunSnapshot) -> Path:
    path = run.newest_state()
    if path is None:
        raise EngineError("Nothing is saved of this run yet; wait for the first step.")
    return path


def _scene(frame: Frame) -> Scene:
    if frame.scene is None:
        raise EngineError("This run has no strokes to export; choose a picture or a video instead.")
    return frame.scene


def _metadata(run: RunSnapshot, frame: Frame) -> dict[str, Any]:
    """What a picture tells of how it was made: the settings as they were when it was made.

    Where settings were changed on the way, also what the run started from and every change, to make it again exactly.
    """
    kind = type(run.settings)
    metadata = {
        "method": run.method,
        "models": run.models,
        "step": frame.step,
        "settings": without_inputs(kind, run.settings_at(frame.step).model_dump()),
    }
    changes = [(step, without_inputs(kind, change)) for step, change in run.changes if step < frame.step]
    if changes:
        metadata |= {"start": without_inputs(kind, run.settings.model_dump()), "changes": changes}
    return metadata


def _write_svg(frame: Frame, path: Path, metadata: dict[str, Any] | None) -> None:
    from engines.vector import save_svg

    with replacing(path) as temporary:
        save_svg(frame.scene, temporary, background=frame.background, metadata=metadata)


def _recorded(run: RunSnapshot) -> Iterator[np.ndarray]:
    """The time-lapse: every recorded picture, the last one as it is and not as JPEG."""
    frame = _frame(run)
    for step in run.timeline:
        if step < frame.step:
            try:
                yield decoded(run.picture_at(step))
            except EngineError as error:
                log.warning("%s: a picture is left out of the time-lapse: %s", run.folder.name, error)
    yield frame.image


def _small(run: RunSnapshot, limit: int, longest_side: int) -> Iterator[np.ndarray]:
    last = _frame(run).image
    scale = min(1.0, longest_side / max(last.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in last.shape[:2])
    for image in _recorded_steps(run, limit):
        yield np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def _recorded_steps(run: RunSnapshot, limit: int) -> Iterator[np.ndarray]:
    """At most about `limit` pictures of the time-lapse, evenly spread, always with the last."""
    every = max(1, -(-len(run.timeline) // limit))
    last = None
    for index, image in enumerate(_recorded(run)):
        last = image
        if index % every == 0:
            yield image
            last = None
    if last is not None:
        yield last


def _fps(run: RunSnapshot, limit: int = 300) -> int:
    return min(25, max(8, min(len(run.timeline), limit) // TIMELAPSE_SECONDS))


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
