import numpy as np

from engines.clip.templates import TEMPLATES, fill_templates


def test_the_released_list(references):
    with np.load(references / "nada_losses.npz") as file:
        assert list(TEMPLATES) == file["templates"].tolist()


def test_filling_takes_any_text():
    sentences = fill_templates("face {with} braces")
    assert len(sentences) == 79
    assert sentences[0] == "a bad photo of a face {with} braces."
