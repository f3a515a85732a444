"""Scripts of components whose value is a setting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["script_with"]


def script_with(path: Path, **given: Any) -> str:
    """The script at `path`, which finds `given` in a constant of that name.

    Not in its `props`: when an event leaves an HTML component as it is (`gr.skip()`), Gradio 6.31 empties them.
    """
    return f"const given = {json.dumps(given)};\n{path.read_text('utf-8')}"
