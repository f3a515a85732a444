"""Lookups, sizes and positions against arrays of the released StyleCLIPDraw code; the network against torchvision's."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engines.base import EngineError
from engines.style import Samples, StyleEncoder, moment_loss, palette_loss, relaxed_emd, style_statistics
from engines.style.features import (
    drawing_positions,
    hypercolumns,
    long_edge_size,
    position_strides,
    style_positions,
    truncated_hypercolumns,
    vgg_features,
)
from engines.style.losses import covariance_loss, mean_loss
from engines.zoo import fetching, find, models


def total(x: Samples, y: Samples, content_weight: float = 0, moment_weight: float = 1):
    """§2.3 of the notes: StyleCLIPDraw's weighting."""
    rest = moment_loss(x, y) + palette_loss(x, y) / max(content_weight, 1)
    return (relaxed_emd(x, y) + moment_weight * rest) / (content_weight + 1 + moment_weight)


def close(found, wanted, rtol=1e-5, atol=0.0):
    torch.testing.assert_close(found.double(), wanted.double(), rtol=rtol, atol=atol)


# ---------------------------------------------------------------------------------------------- toy pyramids


def test_bilinear_lookup(arrays):
    maps = [arrays(f"toy_f{layer}") for layer in range(10)]
    found = hypercolumns(maps, torch.stack([arrays("toy_rows"), arrays("toy_cols")], 1))
    close(found, arrays("toy_sampled")[:, :-2], atol=1e-6)  # the released code appends the last layer's coordinates


def test_truncating_lookup(arrays):
    maps = [arrays(f"toy_s{layer}") for layer in range(10)]
    assert torch.equal(truncated_hypercolumns(maps, arrays("toy_style_rc")), arrays("toy_hyper"))


def test_losses_and_gradients_through_the_lookup(arrays):
    maps = [arrays(f"toy_f{layer}").requires_grad_() for layer in range(10)]
    x = Samples(hypercolumns(maps, torch.stack([arrays("toy_rows"), arrays("toy_cols")], 1)))
    y = Samples(truncated_hypercolumns([arrays(f"toy_s{layer}") for layer in range(10)], arrays("toy_style_rc")))
    close(relaxed_emd(x, y), arrays("toy_remd"))
    close(moment_loss(x, y), arrays("toy_moment"))
    close(palette_loss(x, y), arrays("toy_palette"))
    close(total(x, y, 0, 0.5), arrays("toy_total_cw0_mw0p5"))
    close(total(x, y, 4, 1), arrays("toy_total_cw4_mw1p0"))
    loss = total(x, y)
    close(loss, arrays("toy_total_cw0_mw1p0"))
    loss.backward()
    for layer in (0, 4, 8, 9):
        close(maps[layer].grad, arrays(f"toy_grad_f{layer}"), rtol=1e-4, atol=1e-6)


def test_a_lookup_in_the_middle_of_four_pixels():
    coarse = torch.tensor([[0.0, 1.0], [2.0, 3.0]]).view(1, 1, 2, 2)
    maps = [torch.zeros(1, 1, 4, 4), coarse]
    assert hypercolumns(maps, torch.tensor([[1.0, 1.0], [3.0, 3.0]]))[:, 1].tolist() == [1.5, 3.0]
    assert truncated_hypercolumns(maps, torch.tensor([[1, 1], [3, 3]]))[:, 1].tolist() == [0.0, 3.0]


# ---------------------------------------------------------------------------------------------- a whole network


@pytest.mark.parametrize("size", ["v64", "v224"])
def test_random_vgg(arrays, torchvision_vgg, random_encoder, size):
    """Features, losses and the gradient of the picture, at the positions the released code drew."""
    assert torchvision_vgg.features[0].weight.sum().item() == pytest.approx(arrays("vgg_conv1_1_sum").item(), rel=1e-5)
    picture, style = (arrays(f"{size}_{name}").permute(2, 0, 1)[None].float() / 255 for name in ("img", "style"))
    maps = random_encoder.maps(picture.requires_grad_(), "paper")
    close(torch.stack([fmap.mean() for fmap in maps]), arrays(f"{size}_layer_mean"), rtol=1e-4, atol=1e-6)
    close(torch.stack([fmap.std() for fmap in maps]), arrays(f"{size}_layer_std"), rtol=1e-4, atol=1e-6)

    positions = arrays(f"{size}_style_rc").reshape(-1, 2)
    y = Samples(truncated_hypercolumns(random_encoder.maps(style, "paper"), positions))
    x = Samples(hypercolumns(maps, arrays(f"{size}_content_rc")))
    close(y.mean, arrays(f"{size}_style_mean"), rtol=1e-4, atol=1e-5)
    for loss, name in [(relaxed_emd, "remd"), (mean_loss, "moment1"), (covariance_loss, "moment2")]:
        close(loss(x, y), arrays(f"{size}_{name}"), atol=1e-7)  # of numbers near 1
    close(palette_loss(x, y), arrays(f"{size}_palette"))
    loss = total(x, y)
    close(loss, arrays(f"{size}_total"))
    loss.backward()
    close(picture.grad.norm(), arrays(f"{size}_grad_norm"), rtol=1e-4)
    if size == "v64":
        close(maps[0][0], arrays("v64_input_norm"), rtol=1e-5, atol=1e-6)
        close(maps[-1][0], arrays("v64_relu5_3"), rtol=1e-4, atol=1e-5)
        # The released code computes |x - y|² as |x|² + |y|² - 2xy. Between colours that nearly meet, rounding then
        # takes a few per cent of its gradient (not of ours, see below); that shows at a thousandth of the pixels.
        off = (picture.grad[0] - arrays("v64_grad_img")).abs() / (1e-6 + 1e-4 * arrays("v64_grad_img").abs())
        assert off.max() < 10
        assert (off > 1).float().mean() < 0.002


def test_the_palette_gradient_is_exact_between_colours_that_nearly_meet(arrays, random_encoder):
    """In single precision as in double, where the expanded square is not: rows of the 64-pixel pictures."""
    rows = [arrays(f"v64_{name}").reshape(-1, 3)[::7].float() / 255 for name in ("img", "style")]
    x, y = ((colors + 1) / 2 / 0.23 for colors in rows)
    x, exact = x.requires_grad_(), x.detach().double().requires_grad_()
    palette_loss(x, y).backward()
    palette_loss(exact, y.double()).backward()
    close(x.grad, exact.grad, rtol=1e-4, atol=1e-6)


def test_layout_is_torchvisions(torchvision_vgg):
    ours = vgg_features([64, 128, 256, 512, 512])
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in torchvision_vgg.features.state_dict().items()
    }
    assert [type(layer) for layer in ours] == [type(layer) for layer in torchvision_vgg.features]


def test_the_corrected_mapping_is_imagenets(random_encoder):
    picture = torch.rand(1, 3, 16, 24)
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    close(random_encoder.maps(picture)[0], (picture - mean) / std, atol=1e-6)
    close(random_encoder.maps(picture, "paper")[0], ((picture + 1) / 2 - mean) / std, atol=1e-6)


def test_the_encoder_is_frozen_and_pictures_get_the_gradient(random_encoder):
    pictures = torch.rand(2, 3, 32, 16, requires_grad=True)
    maps = random_encoder.maps(pictures)
    assert [tuple(fmap.shape[1:]) for fmap in maps[-2:]] == [(512, 4, 2), (512, 2, 1)]
    maps[-1].sum().backward()
    assert (pictures.grad.abs().amax((1, 2, 3)) > 0).all()
    assert not any(parameter.requires_grad for parameter in random_encoder.features.parameters())


# ---------------------------------------------------------------------------------------------- positions, sizes


def test_strides_and_number_of_positions(arrays):
    for height, width, count, row_stride, column_stride, row_offset, column_offset, _ in arrays("grid_cases").tolist():
        assert position_strides(height, width) == (row_stride, column_stride)
        rows, columns = range(row_offset, height, row_stride), range(column_offset, width, column_stride)
        assert len(rows) * len(columns) == count


def test_drawing_positions():
    positions = drawing_positions(224, 448, 1024, torch.Generator().manual_seed(0))
    assert positions.shape == (1024, 2)
    assert positions.dtype == torch.float32
    rows, columns = positions.T
    assert rows.max() <= 223
    assert len(columns.long().remainder(3).unique()) == 1  # one offset in the stride
    assert 0 <= columns.min() <= 10
    assert 437 <= columns.max() <= 447
    assert rows.mean().item() == pytest.approx(112, abs=10)
    again = drawing_positions(224, 448, 1024, torch.Generator().manual_seed(0))
    assert torch.equal(positions, again)
    assert drawing_positions(5, 4, 1024, torch.Generator()).shape == (20, 2)


def test_long_edge(arrays):
    for width, height, *wanted in arrays("resize_cases").tolist():
        assert list(long_edge_size(width, height, 224)) == wanted


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3000, 2)])
def test_slivers_keep_a_side_the_network_can_halve(size):
    assert min(long_edge_size(*size, 64)) >= 16


def test_style_positions_are_different_pixels_of_the_region():
    mask = torch.zeros(20, 30)
    mask[5:10, 8:16] = torch.rand(5, 8) + 0.1
    positions = style_positions(mask, 3, 25, torch.Generator().manual_seed(0))
    assert positions.shape == (75, 2)
    assert all(len(draw.unique(dim=0)) == 25 for draw in positions.split(25))
    assert (mask[tuple(positions.T)] > 0).all()
    assert style_positions(mask, 2, 1000, torch.Generator()).shape == (80, 2)
    with pytest.raises(EngineError, match="empty"):
        style_positions(torch.zeros(4, 4), 1, 10, torch.Generator())


# ---------------------------------------------------------------------------------------------- style pictures


def halves(height=40, width=60):
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2, 0] = 255
    picture[:, width // 2 :, 2] = 255
    return picture


def test_a_region_borrows_from_there_alone(pocket):
    encoder, options = pocket.style_features(), {"long_edge": 64, "samples": 200}
    left = np.zeros((4, 6), np.float32)
    left[:, :3] = 1
    whole, part = (
        style_statistics(encoder, halves(), generator=torch.Generator().manual_seed(1), mask=mask, **options)
        for mask in (None, left)
    )
    assert whole.columns.shape == part.columns.shape == (1000, 3 + 2 * 16 + 2 * 32 + 3 * 64 + 128 + 128)
    red, blue = part.columns[:, 0], part.columns[:, 2]
    assert (red > 2).float().mean() > 0.9
    assert (blue < -1).float().mean() > 0.9
    assert 0.4 < (whole.columns[:, 0] > 0).float().mean() < 0.6


def test_the_same_generator_borrows_the_same(pocket):
    encoder = pocket.style_features()
    one, same, other = (
        style_statistics(encoder, halves(), generator=torch.Generator().manual_seed(seed), long_edge=32)
        for seed in (1, 1, 2)
    )
    assert torch.equal(one.columns, same.columns)
    assert not torch.equal(one.columns, other.columns)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (16, 16)])
def test_tiny_pictures_work(pocket, size):
    picture = np.full((*size, 3), 90, np.uint8)
    style = style_statistics(pocket.style_features(), picture, generator=torch.Generator(), long_edge=32)
    assert style.columns.isfinite().all()


def test_a_style_is_nearer_to_itself_than_to_others(pocket):
    """Stripes, dots and noise in the same two colours: texture, not palette, must tell them apart."""
    y, x = np.mgrid[:96, :96]
    noise = np.random.default_rng(0).random((96, 96))
    dots = (x % 12 - 6) ** 2 + (y % 12 - 6) ** 2 < 23
    pictures = [np.where(mask[..., None], (220, 180, 60), (30, 60, 120)).astype(np.uint8) for mask in
                (x % 12 < 6, dots, noise < 0.5)]  # fmt: skip
    encoder = pocket.style_features()
    styles, drawings = (
        [style_statistics(encoder, p, generator=torch.Generator().manual_seed(s), long_edge=96) for p in pictures]
        for s in (1, 2)
    )
    for loss in (relaxed_emd, moment_loss):
        distances = torch.stack([torch.stack([loss(drawing, style) for style in styles]) for drawing in drawings])
        others = distances + torch.diag(torch.full((3,), torch.inf))
        assert (3 * distances.diagonal() < others.amin(1)).all()


# ---------------------------------------------------------------------------------------------- loading


def test_the_pocket_network_is_embedded(pocket):
    encoder = pocket.style_features()
    assert encoder is pocket.style_features()
    assert {"name": "pocket-vgg", "sha256": encoder.sha256} in pocket.used
    assert find("vgg", "", "pocket").name == "pocket-vgg"


@pytest.fixture
def release(tmp_path, monkeypatch):
    """Torch's cache in a temporary folder → the place of the published file in it."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints" / "vgg16-397923af.pth"


@pytest.mark.parametrize("zipped", [True, False], ids=["today's format", "torch 0.3's format"])
def test_a_published_checkpoint_loads_in_its_own_format(release, monkeypatch, torchvision_vgg, zipped):
    """VGG-16 with random weights in the names, shapes and file format of the release; the classifier cut to a row."""
    twin = {name: tensor for name, tensor in torchvision_vgg.state_dict().items() if name.startswith("features")}
    twin["classifier.0.weight"] = torch.zeros(1, 25088)
    torch.save(twin, release, _use_new_zipfile_serialization=zipped)
    monkeypatch.setattr(fetching, "file_sha256", lambda weights: find("vgg", "", "full").sha256)
    loaded = models._load_style_features.__wrapped__(find("vgg", "", "full"), torch.device("cpu"))
    picture = torch.rand(1, 3, 32, 32)
    wanted = torchvision_vgg.features[:30](loaded.maps(picture)[0])
    assert torch.allclose(loaded.maps(picture)[-1], wanted, atol=1e-5)
    assert sum(fmap.shape[1] for fmap in loaded.maps(picture)) == 2179


def test_any_width_loads(tmp_path):
    path = tmp_path / "narrow.safetensors"
    save_file({f"features.{k}": v.half() for k, v in vgg_features([2, 3, 4, 5, 6]).state_dict().items()}, path)
    encoder = StyleEncoder.load(path, name="narrow", sha256="")
    assert [fmap.shape[1] for fmap in encoder.maps(torch.rand(1, 3, 16, 16))] == [3, 2, 2, 3, 3, 4, 4, 4, 5, 6]


class Payload:
    def __reduce__(self):
        return (print, ("never to be run",))


INCOMPLETE = {"features.0.weight": torch.zeros(4, 3, 3, 3)}


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", INCOMPLETE, Payload()], ids=["empty", "text", "incomplete", "code"]
)
def test_a_wrong_checkpoint_is_one_sentence(release, capsys, content):
    release.write_bytes(content) if isinstance(content, bytes) else torch.save(content, release)
    with pytest.raises(EngineError, match="does not hold the weights of VGG-16") as caught:
        StyleEncoder.load(release, name="VGG-16", sha256="")
    assert "\n" not in str(caught.value)
    assert "never to be run" not in capsys.readouterr().out


def test_a_damaged_download_is_removed(release):
    release.write_bytes(b"half of it")
    with pytest.raises(EngineError, match="VGG-16 is damaged"):
        models._load_style_features.__wrapped__(find("vgg", "", "full"), torch.device("cpu"))
    assert not release.exists()


def test_no_network_is_one_sentence(release, monkeypatch):
    def refuse(url, path):
        assert url == "https://download.pytorch.org/models/vgg16-397923af.pth"
        raise ConnectionError("unreachable")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(EngineError, match="could not be downloaded"):
        models._load_style_features.__wrapped__(find("vgg", "", "full"), torch.device("cpu"))
