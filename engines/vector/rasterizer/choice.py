"""Which backend "auto" stands for.

The native CPU kernels are compiled once per machine, which takes some seconds, and then come from a cache on disk.
Backends agree to more than 60 dB but not bit for bit, so:

- `rasterize(backend="auto")` never waits: until the kernels are there, the torch backend serves, while they are
  compiled in the background.
- `resolve_backend(device)` waits for them. A run asks it once and passes the answer to every `rasterize`, so that the
  same seed gives the same pixels, first run or hundredth. Compile ahead (`compile_in_background`) and nobody waits.

On CUDA "auto" is the torch backend: the Triton one has been proven in Triton's interpreter only, and must be asked for.
"""

from __future__ import annotations

import logging
import os
import threading
from functools import cache
from importlib.util import find_spec

import torch

__all__ = ["compile_in_background", "resolve_backend", "serving_backend"]

log = logging.getLogger(__name__)


def resolve_backend(device: torch.device | str, dtype: torch.dtype = torch.float32) -> str:
    """The fastest backend for a device; waits for its compilation. For one device and dtype always the same."""
    device = torch.device(device)
    if device.type == "cpu" and dtype == torch.float32 and _native_kernels().wait():
        return "native"
    return "torch"


def triton_works_on(device: torch.device | str) -> bool:
    """Whether the Triton kernels run there: on CUDA, and in Triton's interpreter (TRITON_INTERPRET=1) on the CPU."""
    if find_spec("triton") is None:
        return False
    return torch.device(device).type == "cuda" or os.environ.get("TRITON_INTERPRET") == "1"


def serving_backend(device: torch.device | str, dtype: torch.dtype = torch.float32) -> str:
    """The fastest backend that can draw at once; what is missing is compiled in the background."""
    device = torch.device(device)
    if device.type == "cpu" and dtype == torch.float32 and _native_kernels().at_hand():
        return "native"
    return "torch"


def compile_in_background() -> None:
    """Start compiling what later runs need, unless that is done already. Returns at once."""
    _native_kernels().start()


@cache
def _native_kernels() -> _NativeKernels:
    return _NativeKernels()


class _NativeKernels:
    """The compilation of the native backend: not begun, under way, done or impossible."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._compiled = False

    def start(self) -> threading.Thread:
        with self._lock:
            if self._thread is None:
                # Not a daemon: the compiler must not be torn down in mid-flight when a short script ends.
                self._thread = threading.Thread(target=self._compile, name="rasterizer compiler", daemon=False)
                self._thread.start()
            return self._thread

    def wait(self) -> bool:
        """Compile if need be; whether the kernels can be used."""
        if not self._compiled:
            self.start().join()
        return self._compiled

    def at_hand(self) -> bool:
        """Whether the kernels can be used without waiting for the compiler; starts it if they cannot."""
        if self._compiled:
            return True
        if self._thread is None and self._on_disk():
            return self.wait()
        self.start()
        return self._compiled

    def _on_disk(self) -> bool:
        if find_spec("numba") is None:
            return False
        from engines.vector.rasterizer.native.compiling import cache_folder

        folder = cache_folder()
        kernels = ("geometry.prepare", "passes.draw", "passes.trace_back", "passes.gather")
        return folder is not None and all(any(folder.rglob(f"{kernel}-*.nbc")) for kernel in kernels)

    def _compile(self) -> None:
        try:
            from engines.vector.rasterizer import native_backend

            native_backend.draw_sample()
        except Exception as error:  # numba missing, or no code for this processor: torch serves
            log.warning("The native rasteriser cannot be used, drawing will be slower: %s", error)
        else:
            self._compiled = True
