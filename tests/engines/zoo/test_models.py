"""What `Models` opens from files and keeps on the machine."""

import pytest
import torch

from engines.styleclip.loading import find_relevance, relevance_file, relevance_name
from engines.styleclip.relevance import RelevanceTable
from engines.stylegan2 import Generator, GeneratorConfig
from engines.zoo import Models
from engines.zoo.fetching import cache_folder, file_sha256
from tests.engines.faces.twins import NARROW, encoder_shapes, identity_shapes, random_state


@pytest.fixture
def models(tmp_path, monkeypatch):
    """With a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Models("pocket", "cpu")


@pytest.fixture
def own_generator():
    generator = Generator(GeneratorConfig(channels=(6, 5), z_dim=8, mapping_features=(12, 10)))
    generator.sha256 = "7" * 64
    return generator


def test_the_embedded_pair_has_its_table(models):
    table = find_relevance(models, models.generator(), models.clip())
    assert table.is_whole
    assert not cache_folder().exists()


def test_tables_of_other_pairs_are_kept_by_their_fingerprints(models, own_generator, tmp_path):
    encoder = models.clip()
    path = relevance_file(own_generator, encoder)
    assert path == tmp_path / "cache" / "atelier" / "relevance" / relevance_name(own_generator, encoder)
    assert find_relevance(models, own_generator, encoder) is None
    path.parent.mkdir(parents=True)
    RelevanceTable(torch.eye(3), torch.ones(5), own_generator.sha256, encoder.sha256).save(path)
    assert find_relevance(models, own_generator, encoder) is None  # it is still being measured
    RelevanceTable(torch.eye(5), torch.ones(5), own_generator.sha256, encoder.sha256).save(path)
    assert torch.equal(find_relevance(models, own_generator, encoder).fs3, torch.eye(5))
    own_generator.sha256 = "8" * 64
    assert find_relevance(models, own_generator, encoder) is None


def test_an_identity_network_of_a_file(models, tmp_path, refused):
    path = tmp_path / "model_ir_se50.pth"
    torch.save(random_state(identity_shapes(NARROW, 24)), path)
    network = models.identity(str(path))
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 24)
    assert models.identity(str(path)) is network
    assert models.used == [{"name": "model_ir_se50.pth", "sha256": file_sha256(path)}]
    assert Models("full", "cpu").identity(str(path)) is network
    assert Models("full", "cpu").identity() is None
    refused("There is no file .* choose an ArcFace IR-SE50", models.identity, str(tmp_path / "nowhere.pth"))


def test_an_encoder_of_a_file(models, tmp_path, refused):
    path = tmp_path / "e4e.pt"
    state = {f"encoder.{name}": tensor for name, tensor in random_state(encoder_shapes(NARROW, 6, 10)).items()}
    torch.save({"state_dict": state, "opts": {}}, path)
    assert models.face_encoder(str(path)).latent_avg.shape == (6, 10)
    assert models.used == [{"name": "e4e.pt", "sha256": file_sha256(path)}]
    refused("There is no file .* choose an e4e checkpoint", models.face_encoder, str(tmp_path / "nowhere.pt"))


def test_whether_the_generator_is_here(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert Models("pocket", "cpu").has_generator()
    assert not Models("full", "cpu").has_generator()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "ffhq.pkl").touch()
    assert Models("full", "cpu").has_generator()


def test_only_the_small_text_to_image_model_paints_for_others(pocket):
    assert pocket.painter() is pocket.diffusion()
    assert Models("full", "cpu").painter() is None
