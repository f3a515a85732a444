"""Anybody's files of weights, read without running anything in them, and our own."""

from engines.checkpoints.files import OwnFile, fill, open_checkpoint, save_own
from engines.checkpoints.pickles import Record
from engines.checkpoints.tensors import Budget, claimed_shape, number, to_tensor

__all__ = [
    "Budget",
    "OwnFile",
    "Record",
    "claimed_shape",
    "fill",
    "number",
    "open_checkpoint",
    "save_own",
    "to_tensor",
]
