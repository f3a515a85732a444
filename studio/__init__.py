"""What happens to a run: who may use the device, pause and rewind, files, history, exports. Knows no page."""

from studio.published import Published
from studio.record import RunState
from studio.run import Run
from studio.studio import HistoryEntry, Studio

__all__ = ["HistoryEntry", "Published", "Run", "RunState", "Studio"]
