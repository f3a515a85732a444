"""Triton runs on Linux only, and its wheel is large: its tests are collected where it is installed."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("triton") else ["test_triton_backend.py"]
