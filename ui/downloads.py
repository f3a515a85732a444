"""Files that a page may fetch. An offer is an unguessable token; the path on disk never leaves the server.

Tokens are handed out by calls that Gradio has checked for a login, and each is good for ten minutes.
"""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

__all__ = ["Downloads"]

_LIFETIME = 600.0
_MOST = 1000


class Downloads:
    """Offers files under `/downloads/<token>`."""

    def __init__(self) -> None:
        self._offers: dict[str, tuple[Path, float]] = {}
        self._lock = threading.Lock()

    def offer(self, path: Path) -> str:
        """The address, relative to the page, under which `path` can be fetched for ten minutes."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._forget_old()
            self._offers[token] = (path, time.monotonic())
        return f"downloads/{token}"

    @property
    def route(self) -> Route:
        return Route("/downloads/{token}", self._serve, methods=["GET"])

    def _forget_old(self) -> None:
        now = time.monotonic()
        young = [(token, offer) for token, offer in self._offers.items() if now - offer[1] < _LIFETIME]
        self._offers = dict(young[-_MOST:])

    async def _serve(self, request: Request) -> Response:
        with self._lock:
            self._forget_old()
            path, _ = self._offers.get(request.path_params["token"], (None, 0.0))
        if path is None or not path.is_file():
            return PlainTextResponse("This download is gone; export the file again.", status_code=404)
        return FileResponse(path, filename=path.name, headers={"Cache-Control": "no-store"})
