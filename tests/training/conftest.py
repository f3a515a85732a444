import os

import pytest

from training.worlds.emoji import FONT
from training.worlds.subjects import load_subjects


@pytest.fixture(scope="session")
def subjects():
    return load_subjects()


@pytest.fixture(scope="session")
def composer(subjects):
    """Needs the emoji font: a person's machine may lack it, the one that checks submissions must not."""
    if not FONT.exists() and "CI" not in os.environ:
        pytest.skip("the emoji font is missing (Debian package fonts-noto-color-emoji)")
    from training.clip import make_composer

    return make_composer(subjects)
