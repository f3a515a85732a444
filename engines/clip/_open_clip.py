"""`open_clip`, importable beside a CPU build of torch.

The package index carries torchvision built for CUDA only. Next to a CPU torch its compiled operators do not load, and
torchvision then fails on import because it describes two of them to torch. open_clip needs only torchvision's Python
part, so the two are declared (never implemented) beforehand.
"""

from __future__ import annotations

import torch

_declared = None

if torch.version.cuda is None:
    _declared = torch.library.Library("torchvision", "FRAGMENT")
    for _name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, _name):
            _declared.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import open_clip  # noqa: E402

__all__ = ["open_clip"]
