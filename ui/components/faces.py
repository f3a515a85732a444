"""A choice between the numbered faces of a generator: a row of small pictures, rendered when somebody sees it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
from anyio import to_thread
from gradio.components.base import server

from engines.base import EngineError, SettingSpec
from ui.components.preview import jpeg, jpeg_url
from ui.components.scripts import script_with
from ui.language import LANGUAGES, Text

__all__ = ["FacePicker"]

_HERE = Path(__file__).parent
_COUNT = 10
_HIGHEST = 2**32 - 1


class FacePicker(gr.HTML):
    """The control of the number of a face; shows the faces of the embedded generator."""

    def __init__(self, spec: SettingSpec, *, text: Text, device: str, **look: Any):
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
            ),
            apply_default_css=False,
            **look,
        )

    @server
    async def look(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The faces from number `first` on, as small data URLs; none where they cannot be rendered."""
        first = asked.get("first")
        if not isinstance(first, int) or not 0 <= first <= _HIGHEST - _COUNT:
            return {"pictures": []}
        try:
            return {"pictures": list(await to_thread.run_sync(_faces, first, self._device))}
        except EngineError:  # pressing the button will say what is wrong
            return {"pictures": []}


@lru_cache(maxsize=64)
def _faces(first: int, device: str) -> tuple[str, ...]:
    import torch  # here, not above: it takes seconds, and many pages never come to this tab

    from engines.styleclip.face import latent_of_seed, to_pixels
    from engines.zoo import Models

    generator = Models("pocket", device).generator()
    with torch.no_grad():
        latents = torch.cat([latent_of_seed(generator, seed, 1.0) for seed in range(first, first + _COUNT)])
        return tuple(jpeg_url(jpeg(to_pixels(picture[None]))) for picture in generator.synthesis(latents))
