"""The latest-frame slot of a run."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property

from PIL import Image

from engines.engine import Frame
from engines.errors import EngineError

__all__ = ["Published"]

JPEG_QUALITY = 88


@dataclass(frozen=True)
class Published:
    """The newest frame (None before the first) and a number that grows with every frame and every change of state."""

    frame: Frame | None
    version: int

    @cached_property
    def jpeg(self) -> bytes:
        """The picture, encoded once however many look at it. `EngineError` before the first frame."""
        if self.frame is None:
            raise EngineError("There is no picture yet; wait for the first step.")
        buffer = io.BytesIO()
        Image.fromarray(self.frame.image).save(buffer, "JPEG", quality=JPEG_QUALITY)
        return buffer.getvalue()
