"""The numba decorator of all kernels, and where compiled kernels are kept."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numba

__all__ = ["cache_folder", "jit"]

HERE = Path(__file__).parent


def cache_folder() -> Path | None:
    """Where compiled kernels are kept: the first writable of NUMBA_CACHE_DIR, __pycache__ and the user's cache.

    The folder's name holds a hash of all kernels' sources, as numba itself only notices changes of one file. None when
    no place is writable: then every process compiles anew.
    """
    sources = b"".join(path.read_bytes() for path in sorted(HERE.glob("*.py")))
    name = f"kernels-{numba.__version__}-{hashlib.sha256(sources).hexdigest()[:12]}"
    user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atelier"
    for parent in filter(None, (os.environ.get("NUMBA_CACHE_DIR"), HERE / "__pycache__", user_cache)):
        folder = Path(parent) / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


_folder = cache_folder()


def jit(function: Any) -> Any:
    """Compile on first call: no GIL, no bounds checks, fast mathematics (inputs are checked to be finite before)."""
    dispatcher = numba.njit(nogil=True, fastmath=True, error_model="numpy")(function)
    if _folder:
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(_folder)
        try:
            dispatcher.enable_caching()
        finally:
            numba.config.CACHE_DIR = before
    return dispatcher
