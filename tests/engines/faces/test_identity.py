"""The identity network: its input and loss against references, its function against the formulas, its files."""

import json

import pytest
import torch

from engines.faces.identity import IdentityNetwork, face_crop, identity_loss, load_identity
from tests.engines.faces.twins import NARROW, identity_features, identity_shapes, marked_state, random_state

FEATURES = 24


@pytest.fixture(scope="module")
def state():
    return random_state(identity_shapes(NARROW, FEATURES))


@pytest.fixture(scope="module")
def network(state, tmp_path_factory) -> IdentityNetwork:
    path = tmp_path_factory.mktemp("identity") / "model_ir_se50.pth"
    torch.save(state, path)
    return load_identity(path)


def pictures(count: int = 2, side: int = 256, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# ---------------------------------------------------------------------------------------------- references


def test_crop_against_the_reference(references):
    reference = references.arrays("styleclip_optim")
    found = face_crop(torch.from_numpy(reference["clip_in"]))
    torch.testing.assert_close(found, torch.from_numpy(reference["id_out"]), rtol=0, atol=1e-5)


def test_loss_against_the_reference(references):
    reference = references.arrays("styleclip_optim")
    features, others = (torch.from_numpy(reference[name]) for name in ("id_feat_a", "id_feat_b"))
    assert identity_loss(features, others).item() == pytest.approx(reference["id_loss"].item(), abs=1e-5)


# ---------------------------------------------------------------------------------------------- input and loss


def test_the_crop_of_an_aligned_face_is_not_resized_before():
    """Averages of 188 px to 112 px; a picture of rows and columns tells which."""
    rows = torch.arange(256.0).view(1, 1, 256, 1).expand(1, 1, 256, 256)
    crop = face_crop(torch.cat([rows, rows.transpose(2, 3), rows], dim=1))
    first, last = (35 + 36) / 2, (221 + 222) / 2
    torch.testing.assert_close(crop[0, 0, [0, -1], 5], torch.tensor([first, last]))
    torch.testing.assert_close(crop[0, 1, 5, [0, -1]], torch.tensor([first - 3, last - 3]))


@pytest.mark.parametrize("side", [64, 128, 512, 1024])
def test_other_sizes_are_averaged_to_256_px(side):
    large = pictures(1, side)
    small = torch.nn.functional.adaptive_avg_pool2d(large, 256)
    assert torch.equal(face_crop(large), face_crop(small))
    assert face_crop(large).shape == (1, 3, 112, 112)


def test_loss():
    features = torch.nn.functional.normalize(torch.randn(4, 7, generator=torch.Generator().manual_seed(0)))
    assert identity_loss(features, features).item() == pytest.approx(0, abs=1e-6)
    assert identity_loss(features, -features).item() == pytest.approx(2, abs=1e-6)
    right = torch.tensor([[1.0, 0], [0, 1]])
    assert identity_loss(right, torch.tensor([[1.0, 0], [1, 0]])).item() == 0.5


def test_only_the_features_are_pulled():
    features, reference = torch.eye(3, requires_grad=True), torch.ones(3, 3, requires_grad=True)
    identity_loss(features, reference).backward()
    torch.testing.assert_close(features.grad, torch.full((3, 3), -1 / 3))
    assert reference.grad is None


# ---------------------------------------------------------------------------------------------- the network


def test_features_are_those_of_the_formulas(state, network):
    faces = pictures()
    found = network(faces)
    assert found.shape == (2, FEATURES)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(found, identity_features(state, face_crop(faces)), rtol=0, atol=1e-4)
    assert identity_loss(found[:1], found[1:]) > 1e-3  # they depend on the picture


def test_evaluation_is_deterministic_and_by_picture(network):
    faces = pictures(3)
    together = network(faces)
    assert torch.equal(network(faces), together)
    torch.testing.assert_close(torch.cat([network(face[None]) for face in faces]), together, rtol=0, atol=1e-5)


def test_gradients_flow_to_the_picture(network):
    """Into the crop and nowhere else; along the gradient the loss falls as it says."""
    reference = network(pictures(1, seed=1))
    faces = pictures(1).requires_grad_()
    identity_loss(network(faces), reference).backward()
    assert faces.grad[:, :, 35:223, 32:220].abs().min(1).values.count_nonzero() > 0.9 * 188 * 188
    outside = faces.grad.clone()
    outside[:, :, 35:223, 32:220] = 0
    assert not outside.any()
    assert all(parameter.grad is None for parameter in network.parameters())

    step = 1e-2 * faces.grad / faces.grad.norm()
    with torch.no_grad():
        ahead, behind = (identity_loss(network(faces + sign * step), reference) for sign in (1, -1))
    assert ((ahead - behind) / 2).item() == pytest.approx(1e-2 * faces.grad.norm().item(), rel=0.1)


# ---------------------------------------------------------------------------------------------- files


def key_list(references) -> dict[str, tuple[int, ...]]:
    shapes = json.loads(references.path("arcface_ir_se50_keys.json").read_text())
    return {name: tuple(shape) for name, shape in shapes.items()}


def test_the_twin_has_the_published_names_and_shapes(references):
    assert identity_shapes((64, 128, 256, 512), 512) == key_list(references)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_twin_at_full_size(references, tmp_path, zipped):
    """Each tensor of the file in its place; what the file says of its names is in the key list."""
    marks = marked_state(key_list(references))
    torch.save(marks, tmp_path / "model_ir_se50.pth", _use_new_zipfile_serialization=zipped)
    loaded = load_identity(tmp_path / "model_ir_se50.pth").state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in loaded.items()} == key_list(references)
    for name, tensor in loaded.items():
        if not name.endswith("num_batches_tracked"):
            assert (tensor == marks[name].flatten()[0]).all(), name


def test_a_random_twin_at_full_size_sees_a_face():
    torch.manual_seed(0)
    with torch.no_grad():
        features = IdentityNetwork().eval()(pictures(1, 300))
    assert features.shape == (1, 512)
    assert features.norm().item() == pytest.approx(1, abs=1e-5)


def test_files_of_other_networks(state, tmp_path, refused):
    def write(value):
        torch.save(value, tmp_path / "other.pth")
        return tmp_path / "other.pth"

    refused("There is no file .* choose an ArcFace IR-SE50", load_identity, tmp_path / "nowhere.pth")
    refused("lacks the tensor 'body.0.res_layer.1.weight'", load_identity, write({"state_dict": state}))
    refused("lacks the tensor 'body.0.res_layer.1.weight'", load_identity, write({"conv1.weight": torch.zeros(3, 3)}))
    refused("holds no tensors by name", load_identity, write([1, 2]))
    plain = {name: tensor for name, tensor in state.items() if ".5.fc" not in name}  # IR-50, without the SE
    refused("lacks the tensor 'body.0.res_layer.5.fc1.weight'", load_identity, write(plain))
    deeper = state | {"body.24.res_layer.0.weight": torch.zeros(64)}  # IR-SE100 and kin
    refused("has 'body.24.res_layer.0.weight', which an ArcFace", load_identity, write(deeper))
    narrow = state | {"body.0.res_layer.1.weight": torch.zeros(15, 16, 3, 3)}
    refused("is 15 channels wide", load_identity, write(narrow))
    changed = state | {"output_layer.3.weight": torch.zeros(FEATURES, 64 * 16)}
    refused(r"'output_layer.3.weight' is of shape \(24, 1024\) where", load_identity, write(changed))
