"""A choice between the numbered faces of a generator: a row of small pictures, rendered when somebody sees it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from anyio import CapacityLimiter, to_thread
from gradio.components.base import server
from PIL import Image

from engines.errors import EngineError
from engines.settings import SettingSpec
from ui.components.preview import jpeg, jpeg_url
from ui.components.scripts import script_with
from ui.language import LANGUAGES, Text

if TYPE_CHECKING:
    from engines.stylegan2 import Generator

__all__ = ["FacePicker"]

_HERE = Path(__file__).parent
_COUNT = 10
_HIGHEST = 2**32 - 1
_SIDE = 160
_one_at_a_time = CapacityLimiter(1)  # a large generator takes seconds for a face, and the drawing goes on meanwhile
_generators = {"": ("pocket", "")}
"""Word → family and file. Not in the picker: where an event leaves it as it is, Gradio 6.31 makes that browser another.
"""


class FacePicker(gr.HTML):
    """The control of the number of a face; shows the faces of the embedded generator, or of the chosen one (`shows`).

    A browser calls generators by a word that it was given for a choice of its own: it cannot ask for any file.
    """

    def __init__(self, spec: SettingSpec, *, text: Text, device: str, elem_id: str, **look: Any):
        self._device = device
        said = {"label": spec.label, "help": spec.help}
        super().__init__(
            spec.default,
            html_template=(_HERE / "faces.html").read_text("utf-8"),
            js_on_load=script_with(
                _HERE / "faces.js",
                texts={
                    language: {**words, **{key: text.wording(english, language) for key, english in said.items()}}
                    for language, words in text.under("faces.").items()
                    if language in LANGUAGES
                },
                count=_COUNT,
                id=elem_id,
            ),
            apply_default_css=False,
            elem_id=elem_id,
            **look,
        )

    def shows(self, generator: gr.File, family: gr.Radio) -> None:
        """From now on the faces are those of the generator that a person chooses by these two controls."""
        word = gr.Textbox(visible=False)
        tell = f"(word) => window.dispatchEvent(new CustomEvent('faces-of', {{ detail: ['{self.elem_id}', word] }}))"
        for event in (generator.change, family.change, self.seen):
            chosen = event(
                _word_for, [generator, family], [word], queue=False, api_visibility="private", show_progress="hidden"
            )
            chosen.then(None, [word], None, js=tell, api_visibility="private")

    # ------------------------------------------------------------------ asked by faces.js

    @server
    async def look(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The face with a `number`, as a small data URL; "" where it cannot be rendered."""
        number, chosen = asked.get("number"), _generators.get(str(asked.get("generator")))
        if not isinstance(number, int) or not 0 <= number <= _HIGHEST or chosen is None:
            return {"picture": ""}
        try:
            picture = await to_thread.run_sync(_face, number, *chosen, self._device, limiter=_one_at_a_time)
        except EngineError:  # pressing the button will say what is wrong
            picture = ""
        return {"picture": picture}


def _word_for(generator: str | None, family: str) -> str:
    choice = ("pocket" if generator else family, generator or "")
    word = "" if choice == ("pocket", "") else hashlib.sha256(repr(choice).encode()).hexdigest()[:16]
    _generators[word] = choice
    return word


def _face(number: int, family: str, path: str, device: str) -> str:
    from engines.zoo import Models  # here, not above: it takes seconds, and many pages never come to this tab

    models = Models(family, device)
    return _rendered(models.generator(path), number) if path or models.has_generator() else ""


@lru_cache(maxsize=512)
def _rendered(generator: Generator, number: int) -> str:
    import torch

    from engines.styleclip.face import latent_of_seed, to_pixels

    with torch.no_grad():
        image = Image.fromarray(to_pixels(generator.synthesis(latent_of_seed(generator, number, 1.0))))
    image.thumbnail((_SIDE, _SIDE))
    return jpeg_url(jpeg(np.asarray(image)))
