"""The studio with one more tab: `python -m examples.clip_pixels`."""

from __future__ import annotations

import threading
from pathlib import Path

from engines import register
from examples.clip_pixels import tab
from studio import Studio
from ui import page
from ui.tabs import TABS


def main() -> None:
    register("clip-pixels", "examples.clip_pixels.engine:CLIPPixels")
    studio = Studio(Path("outputs"))
    _, address = page.serve(studio, tabs=(*TABS, tab), prevent_thread_lock=True, quiet=True)
    print(f"Atelier with CLIP pixels is open at {address}")
    try:
        threading.Event().wait()
    finally:
        studio.shutdown()


if __name__ == "__main__":
    main()
