"""What the row of faces answers to its script, without a browser."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest
import torch

from engines.styleclip.face import FaceSettings
from engines.stylegan2 import Generator, GeneratorConfig, save_generator
from engines.zoo import Models
from ui.components.faces import FacePicker, _word_for

SEED = next(spec for spec in FaceSettings.specs() if spec.name == "seed")


@pytest.fixture
def picker(context):
    with gr.Blocks():
        picker = FacePicker(SEED, text=context.text, device="cpu", elem_id="seed")
        picker.shows(gr.File(), gr.Radio(["pocket", "full"]))
    return picker


@pytest.fixture
def own(tmp_path):
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(channels=(6, 5, 4), z_dim=8, mapping_features=(12, 10)))
    save_generator(generator, tmp_path / "own.safetensors")
    return str(tmp_path / "own.safetensors")


def look(picker, number=3, generator="") -> str:
    asked = {"number": number, "generator": generator}
    with ThreadPoolExecutor(1) as aside:  # the browser's driver keeps a loop running in this thread
        return aside.submit(lambda: asyncio.run(picker.look(asked))["picture"]).result()


def test_every_number_is_a_face(picker):
    assert look(picker).startswith("data:image/jpeg;base64,")
    assert look(picker, 4) != look(picker) == look(picker)


def test_the_faces_are_those_of_the_chosen_generator(picker, own):
    word = _word_for(own, "pocket")
    assert look(picker, generator=word).startswith("data:image/jpeg;base64,")
    assert look(picker, generator=word) != look(picker)
    assert _word_for(own, "full") == word  # a file goes before a family
    assert _word_for(None, "pocket") == ""


def test_only_what_was_chosen_can_be_asked_for(picker, own):
    assert look(picker, generator=own) == ""
    assert look(picker, generator="0" * 16) == ""


def test_nothing_is_downloaded_for_a_look(picker, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(Models, "generator", lambda self, path="": pytest.fail("it would have been downloaded"))
    assert look(picker, generator=_word_for(None, "full")) == ""


def test_files_that_hold_no_generator_show_nothing(picker, tmp_path):
    (tmp_path / "other.pkl").write_bytes(b"no generator at all")
    assert look(picker, generator=_word_for(str(tmp_path / "other.pkl"), "pocket")) == ""


@pytest.mark.parametrize("number", [-1, 2**32, 1.5, "3", None])
def test_other_numbers_show_nothing(picker, number):
    assert look(picker, number) == ""
