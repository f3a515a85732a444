"""The shelf: styles that were learned here and kept, each with a picture that was painted in it.

Files in the folder `styles` of the outputs, so that a person can also put some there or take them along. Where others
can reach the page there is no shelf: they would see each other's.
"""

from __future__ import annotations

import re
import shutil
from itertools import count
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from gradio.components.base import server
from PIL import Image, ImageOps

from engines.engine import Engine
from engines.errors import EngineError
from engines.files import replacing
from studio import Run
from ui import intake
from ui.components.canvas_value import refusal, run_of
from ui.components.preview import jpeg, jpeg_url
from ui.context import Context

__all__ = ["StyleShelf"]

_HERE = Path(__file__).parent
_FOLDER = "styles"
_SIDE = 160
_LONGEST_NAME = 40
_nonce = count(1)


class StyleShelf:
    """Call `place` where the shelf shall be, and `connect` when all controls are there."""

    def __init__(self, context: Context):
        self._context, self._folder = context, context.studio.outputs / _FOLDER

    def place(self, engine: type[Engine]) -> None:
        self.tiles = None if self._context.shared else _Tiles(self._context, elem_id=f"{engine.name}-shelf")

    def connect(self, canvas: Component, setting: str, written: Component) -> None:
        """A style that is picked becomes the file of that setting, whose control is `written`; the run shown obeys."""
        if self.tiles is None:
            return
        plumbing = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}

        def keep(value: Any, request: gr.Request) -> tuple[Any, Any]:
            try:
                keep_style(self._shown(value), self._folder)
            except EngineError as error:
                return refusal(self._context, error, value, request), gr.skip()
            return gr.skip(), {"nonce": next(_nonce)}

        def pick(value: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
            try:
                path = file_of(self._folder, str(event.name))
                if run_of(value):
                    self._shown(value).update(**{setting: str(path)})
            except EngineError as error:
                return refusal(self._context, error, value, request), gr.skip()
            return gr.skip(), str(intake.lend(path))

        self.tiles.keep(keep, [canvas], [canvas, self.tiles], **plumbing)
        self.tiles.pick(pick, [canvas], [canvas, written], **plumbing)

    def _shown(self, canvas: Any) -> Run:
        run_id = run_of(canvas)
        if run_id is None:
            raise EngineError("There is no drawing on the canvas yet.")
        return self._context.studio.get(run_id)


class _Tiles(gr.HTML):
    """Events: `keep`, and `pick` with a `name`."""

    def __init__(self, context: Context, **look: Any):
        self._folder = context.studio.outputs / _FOLDER
        super().__init__(
            {"nonce": 0},
            html_template=(_HERE / "shelf.html").read_text("utf-8"),
            js_on_load=(_HERE / "shelf.js").read_text("utf-8"),
            apply_default_css=False,
            texts=context.text.under("shelf."),
            **look,
        )

    @server
    def entries(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"entries": [{"name": path.stem, "picture": _thumbnail(path)} for path in kept(self._folder)]}

    @server
    def remove(self, asked: dict[str, Any]) -> dict[str, Any]:
        for path in kept(self._folder):
            if path.stem == asked.get("name"):
                path.unlink()
                path.with_suffix(".png").unlink(missing_ok=True)
        return {}


# ---------------------------------------------------------------------------------------------- the folder


def kept(folder: Path) -> list[Path]:
    """The styles on the shelf, in the order of their names."""
    return sorted(path for path in folder.glob("*.safetensors") if not path.name.startswith("."))


def file_of(folder: Path, name: str) -> Path:
    """The style of that name; `EngineError` when there is none."""
    path = next((path for path in kept(folder) if path.stem == name), None)
    if path is None:
        raise EngineError(
            "There is no style '{name}' on the shelf any more; choose another one.", name=name[:_LONGEST_NAME]
        )
    return path


def keep_style(run: Run, folder: Path) -> Path:
    """The style of a run, and what it painted, under a name that is still free."""
    style, picture = run.export("model"), run.export("png", embed_settings=False)
    name = re.sub(r"[^\w -]", "", run.live.current.placeholder).strip()[:_LONGEST_NAME] or "style"
    folder.mkdir(parents=True, exist_ok=True)
    taken = {path.stem for path in kept(folder)}
    name = next(free for number in count(1) if (free := name if number == 1 else f"{name} {number}") not in taken)
    path = folder / f"{name}.safetensors"
    for source, target in ((picture, path.with_suffix(".png")), (style, path)):
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
    return path


def _thumbnail(path: Path) -> str:
    """Of the picture beside a style, as a small data URL; "" where there is none."""
    try:
        with Image.open(path.with_suffix(".png")) as image:
            return jpeg_url(jpeg(np.asarray(ImageOps.contain(image.convert("RGB"), (_SIDE, _SIDE)))))
    except (OSError, SyntaxError, ValueError):  # put there by a person, without a picture
        return ""
