"""Keeps a second server away from an outputs folder in which one is at work.

The lock is an advisory lock of the operating system on the file `.atelier-lock`. It ends with the process that holds
it, also when that is killed, so there is never a stale one. The file says who holds it and stays in the folder.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from pathlib import Path
from typing import Any

from engines.errors import EngineError
from engines.saved_files import read_json

__all__ = ["LOCK_NAME", "OutputsLock"]

log = logging.getLogger(__name__)

LOCK_NAME = ".atelier-lock"
_BUSY = {errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK}
_FAR = 1 << 30
"""Windows refuses to read locked bytes: the lock is on a byte beyond the text of the file."""


class OutputsLock:
    """Held from the construction until `release`, or until the process ends.

    Raises `EngineError` when another process, or another `Studio` of this one, holds it; `OSError` when the file cannot
    be written. On a file system without locks a warning is logged and nothing is locked.
    """

    def __init__(self, outputs: Path):
        self._path = outputs / LOCK_NAME
        self._file = open(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)  # noqa: SIM115
        try:
            _lock(self._file.fileno())
        except OSError as error:
            if error.errno in _BUSY:
                self._file.close()
                raise EngineError(
                    "The outputs folder '{outputs}' is in use by another Atelier{value}; close that one, or "
                    "choose another folder with --outputs.",
                    outputs=outputs,
                    value=_holder(self._path),
                ) from None
            log.warning("'%s' cannot be locked (%s): open it with one Atelier at a time", outputs, error.strerror)
        self.announce("")

    def announce(self, address: str) -> None:
        """Say in the file under which address this server can be reached."""
        text = json.dumps({"pid": os.getpid(), "address": address}).encode("utf-8")
        self._file.seek(0)
        self._file.write(text)
        self._file.truncate(len(text))

    def release(self) -> None:
        """Let others in; releasing twice does nothing."""
        self._file.close()


def _holder(path: Path) -> str:
    """Address and process of the holder, in parentheses, as far as the file says."""
    try:
        values: Any = read_json(path)
    except EngineError:
        return ""
    if not isinstance(values, dict):
        return ""
    address, pid = values.get("address"), values.get("pid")
    address = address[:80] if isinstance(address, str) and address else ""
    process = f"process {pid}" if type(pid) is int and 0 < pid < 2**32 else ""
    known = ", ".join(filter(None, (address, process)))
    return f" ({known})" if known else ""


if os.name == "nt":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
