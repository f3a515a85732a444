"""Reads anybody's files of weights without running anything in them; reads and writes our own."""

from engines.checkpoints.files import OwnFile, expect_small_header, fill, open_checkpoint, save_own
from engines.checkpoints.pickles import Record, items_of
from engines.checkpoints.tensors import Budget, claimed_shape, number, to_tensor, without_data_parallel

__all__ = [
    "Budget",
    "OwnFile",
    "Record",
    "claimed_shape",
    "expect_small_header",
    "fill",
    "items_of",
    "number",
    "open_checkpoint",
    "save_own",
    "to_tensor",
    "without_data_parallel",
]
