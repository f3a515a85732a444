"""Format twins of Stable Diffusion 1.5, a depth ControlNet and estimator, and BLIP, through the loaders of `Models`."""

import json
from types import SimpleNamespace

import pytest
import torch

from engines.base import EngineError
from engines.diffusion.structure import edges
from engines.dreamstyler.engine import DreamStyler
from engines.dreamstyler.settings import DreamStylerSettings
from engines.zoo import Models, find
from engines.zoo.fetching import file_sha256
from tests.engines.diffusion.twins import (
    controlnet_twin,
    save_blip_twin,
    save_depth_twin,
    save_instant_style_twin,
    save_stable_diffusion_twin,
    stable_diffusion_twin,
)

PLAIN = {"device": torch.device("cpu"), "instant_style": lambda picture: None}
"""Models without an adapter."""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder for each repository; `asked` lists those that were wanted, with the files of each."""
    makers = {
        "diffusion": save_stable_diffusion_twin,
        "structure": lambda folder: controlnet_twin(stable_diffusion_twin()).save_pretrained(folder),
        "depth": save_depth_twin,
        "caption": save_blip_twin,
        "instant-style": lambda folder: save_instant_style_twin(folder, stable_diffusion_twin()),
    }
    asked = {}
    for task, make in makers.items():
        folder = tmp_path / find(task, "", "full").source
        folder.mkdir(parents=True)
        make(folder)

    def snapshot_download(repository, allow_patterns):
        asked[repository] = allow_patterns
        return str(tmp_path / repository)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return tmp_path, asked


def test_learning_painting_and_restyling(hub, painting, tmp_path):
    folder, asked = hub
    models = Models("full", "cpu")
    engine = DreamStyler(models)
    quick = {"training_steps": 2, "batch_size": 2, "num_steps": 3}
    *_, last = engine.run(DreamStylerSettings.parse({"painting_1": painting(), **quick}))
    assert last.is_resting
    assert last.image.shape == (16, 16, 3)
    assert "Found in the picture" in last.status
    DreamStyler.write_model(engine.state_dict(), tmp_path / "style.safetensors")
    chosen = {"style_file": str(tmp_path / "style.safetensors"), "num_steps": 3, "style_scale": 0.5}
    *_, painted = DreamStyler(models).run(
        DreamStylerSettings.parse({"mode": "paint", "prompt": "A painting of a dog in the style of {}", **chosen})
    )
    *_, restyled = DreamStyler(models).run(
        DreamStylerSettings.parse({"mode": "restyle", "photo": painting("photo.png", 1), **chosen})
    )
    assert painted.image.std() > 0
    assert "ControlNet" not in restyled.status
    used = {record["name"]: record["sha256"] for record in models.used}
    weights = folder / find("diffusion", "", "full").source / "unet" / "diffusion_pytorch_model.safetensors"
    assert used["Stable-Diffusion-1.5"] == file_sha256(weights)
    assert set(used) == {"Stable-Diffusion-1.5", "ControlNet-depth"}
    assert set(asked) == {find(task, "", "full").source for task in ("diffusion", "structure", "depth", "caption")}


def test_a_style_at_once(hub, painting):
    models = Models("full", "cpu")
    settings = DreamStylerSettings.parse(
        {"mode": "paint", "prompt": "a dog", "instant_style": painting(), "num_steps": 2, "negative_prompt": "a cat"}
    )
    *_, last = DreamStyler(models).run(settings)
    assert last.is_resting
    assert {record["name"] for record in models.used} == {"Stable-Diffusion-1.5", "IP-Adapter"}
    with pytest.raises(EngineError, match="no instant style for these models; choose the Full models"):
        next(DreamStyler(SimpleNamespace(**PLAIN, diffusion=models.diffusion)).run(settings))


def test_every_file_that_is_read_is_asked_for(hub):
    """Were a file missing in the list, a fresh machine would not have it."""
    from fnmatch import fnmatch

    folder, _ = hub
    for task in ("diffusion", "structure", "depth", "caption", "instant-style"):
        entry = find(task, "", "full")
        root = folder / entry.source
        files = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
        unasked = [file for file in files if not any(fnmatch(file, pattern) for pattern in entry.files)]
        assert unasked == [], task


def test_no_network(monkeypatch):
    def fail(*_, **__):
        raise OSError

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(EngineError, match="Stable-Diffusion-1.5 could not be downloaded"):
        Models("full", "cpu").diffusion()


def test_the_pocket_models(model, tmp_path, monkeypatch):
    model.save(tmp_path / "diffusion" / "pocket")
    controlnet_twin(model).save_pretrained(tmp_path / "diffusion" / "structure")
    monkeypatch.setattr("engines.zoo.fetching.ASSETS", tmp_path)
    models = Models("pocket", "cpu")
    found = models.diffusion()
    assert found is models.diffusion()
    assert torch.equal(found.encode(["a cat"]), model.encode(["a cat"]))
    assert [record["name"] for record in models.used] == ["pocket-diffusion"]
    assert found.name == "pocket-diffusion"
    picture = torch.rand(1, 3, 16, 16)
    assert torch.equal(models.structure().control(picture).picture, edges(picture))
    assert models.captioner() is None
    assert models.instant_style(None) is None
    config = json.loads((tmp_path / "diffusion" / "pocket" / "vae" / "config.json").read_text())
    assert config["_class_name"] == "PixelAutoencoder"
