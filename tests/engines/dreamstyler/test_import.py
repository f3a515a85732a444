"""Listing the methods, or using the formulas, must not load the networks."""

import subprocess
import sys
from pathlib import Path

HEAVY = ("diffusers", "transformers", "open_clip", "torchvision")


def test_importing_is_cheap():
    code = f"import sys, engines.dreamstyler.engine; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
