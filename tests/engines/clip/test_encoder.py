"""Pocket and published models go through the same loader; published ones are proven with a format twin."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engines.base import EngineError
from engines.clip._open_clip import open_clip
from engines.zoo import CATALOGUE, Models, find, models


@pytest.fixture(scope="module")
def encoder(pocket):
    return pocket.clip()


def test_shapes_and_unit_length(encoder):
    features = encoder.encode_image(torch.rand(3, 3, encoder.image_size, encoder.image_size))
    assert features.shape == (3, 256)
    assert torch.allclose(features.norm(dim=1), torch.ones(3), atol=1e-5)
    assert encoder.encode_text("a red apple").shape == (1, 256)


def test_the_model_is_frozen_and_the_picture_gets_the_gradient(encoder):
    picture = torch.rand(1, 3, 64, 64, requires_grad=True)
    encoder.encode_image(picture).sum().backward()
    assert picture.grad.abs().sum() > 0
    assert all(not parameter.requires_grad for parameter in encoder.model.parameters())


def test_normalisation_can_be_switched_off(encoder):
    picture = torch.rand(1, 3, 64, 64)
    assert not torch.allclose(encoder.encode_image(picture), encoder.encode_image(picture, normalize=False), atol=1e-3)


def test_text_embeddings_are_cached(encoder):
    assert encoder.encode_text("a green pear") is encoder.encode_text("a green pear")


def test_long_texts_are_cut_not_refused(encoder):
    long = "a very " * 60 + "red apple"
    assert encoder.is_too_long(long)
    assert not encoder.is_too_long("a red apple")
    assert torch.isfinite(encoder.encode_text(long)).all()


def test_a_wide_picture_is_padded_not_squeezed(encoder):
    wide = np.full((20, 40, 3), 10, np.uint8)
    square = np.full((40, 40, 3), 255, np.uint8)
    square[10:30] = 10
    assert torch.allclose(encoder.encode_picture(wide), encoder.encode_picture(square), atol=1e-5)


def test_used_models_are_recorded_with_their_hash():
    pocket = Models("pocket", "cpu")
    pocket.clip()
    assert [record["name"] for record in pocket.used] == ["pocket-clip"]
    assert len(pocket.used[0]["sha256"]) == 64


def test_the_catalogue_tells_the_true_size_of_embedded_files():
    from engines.files import ASSETS

    for entry in CATALOGUE:
        if entry.family == "pocket":
            weights = ASSETS / entry.source
            files = [path for path in weights.rglob("*") if path.is_file()] if weights.is_dir() else [weights]
            assert sum(path.stat().st_size for path in files) == pytest.approx(entry.size_bytes, rel=0.05), entry.name


@pytest.mark.parametrize("name", ["no-such-model", "../../etc/passwd", "ViT-B-32/nobody"])
def test_unknown_names_are_refused(name):
    with pytest.raises(EngineError, match="There is no clip model"):
        find("clip", name, "full")


def test_any_published_open_clip_model_is_found():
    assert find("clip", "RN101/yfcc15m", "full").source == "RN101/yfcc15m"


@pytest.mark.parametrize(("family", "device"), [("tiny", "cpu"), ("pocket", "tpu")])
def test_wrong_family_or_device(family, device):
    with pytest.raises(EngineError, match=f"'{family if device == 'cpu' else device}'"):
        Models(family, device)


def test_a_published_checkpoint_loads_in_its_own_format(tmp_path, monkeypatch):
    """ViT-B/32 with random weights, in the names, shapes and file format of the release."""
    twin = open_clip.create_model("RN50", force_quick_gelu=True)
    path = tmp_path / "open_clip_model.safetensors"
    save_file({name: tensor.half().contiguous() for name, tensor in twin.state_dict().items()}, path)
    monkeypatch.setattr(open_clip, "download_pretrained", lambda published: str(path))
    encoder = models._load_clip.__wrapped__(find("clip", "RN50", "full"), torch.device("cpu"))
    picture = torch.rand(1, 3, 224, 224)
    mean, std = (
        torch.tensor(x).view(1, 3, 1, 1) for x in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    twin.eval().load_state_dict({name: tensor.half().float() for name, tensor in twin.state_dict().items()})
    with torch.no_grad():
        expected = torch.nn.functional.normalize(twin.encode_image((picture - mean) / std), dim=-1)
        assert torch.allclose(encoder.encode_image(picture), expected, atol=1e-4)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x04cos\nsystem\n(S'true'\ntR."])
def test_a_wrong_checkpoint_is_one_sentence(tmp_path, monkeypatch, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    monkeypatch.setattr(open_clip, "download_pretrained", lambda published: str(path))
    with pytest.raises(EngineError, match="does not hold the weights of ViT-B-32") as caught:
        models._load_clip.__wrapped__(find("clip", "ViT-B-32", "full"), torch.device("cpu"))
    assert "\n" not in str(caught.value)


def test_no_network_is_one_sentence(monkeypatch):
    def refuse(published):
        raise ConnectionError("unreachable")

    monkeypatch.setattr(open_clip, "download_pretrained", refuse)
    with pytest.raises(EngineError, match="could not be downloaded"):
        models._load_clip.__wrapped__(find("clip", "ViT-B-32", "full"), torch.device("cpu"))


def test_a_damaged_download_is_removed(tmp_path, monkeypatch):
    path = tmp_path / ("0" * 64)
    path.write_bytes(b"half of it")
    monkeypatch.setattr(open_clip, "download_pretrained", lambda published: str(path))
    with pytest.raises(EngineError, match="damaged"):
        models._load_clip.__wrapped__(find("clip", "ViT-B-32", "full"), torch.device("cpu"))
    assert not path.exists()
