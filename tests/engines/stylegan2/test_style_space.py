"""Names, order and sizes of style space, its arrays in the reference files, and moving in it."""

import pytest
import torch

from engines.base import EngineError
from engines.stylegan2 import (
    Generator,
    GeneratorConfig,
    block_channels,
    conv_channels,
    is_torgb,
    move_conv_channels,
    style_rows,
)


@pytest.mark.parametrize("name", ["stylegan2_ada_tiny", "stylegan2_ada_tiny_map2", "stylegan2_tf_tiny"])
def test_styles_of_reference_generators(reference, name):
    generator, array = reference(name)
    styles = generator.styles(array("wplus"))
    for key, style in styles.items():
        torch.testing.assert_close(style, array(f"s_{key.replace('.', '_')}"), rtol=0, atol=1e-5)


def test_styles_of_rosinalitys_generator(reference):
    generator, array = reference("rosinality_tiny")
    styles = generator.styles(array("wplus"))
    modules = ["conv1", "to_rgb1"]
    for block in range(4):
        modules += [f"convs.{2 * block}", f"convs.{2 * block + 1}", f"to_rgbs.{block}"]
    for module, style in zip(modules, styles.values(), strict=True):
        torch.testing.assert_close(style, array(f"s:{module}.conv.modulation"), rtol=0, atol=1e-5)


@pytest.mark.parametrize("noise", ["const", "none"])
@pytest.mark.parametrize("name", ["stylegan2_ada_tiny", "rosinality_tiny"])
def test_there_and_back_is_the_same_picture(reference, name, noise):
    generator, array = reference(name)
    w = array("wplus")
    assert torch.equal(generator.synthesis_from_styles(generator.styles(w), noise), generator.synthesis(w, noise))


@pytest.mark.parametrize(
    ("resolution", "channel_base", "count", "total", "conv"),
    [(1024, 32768, 26, 9088, 6048), (512, 32768, 23, 8960, 5952), (256, 32768, 20, 8704, 5760),
     (256, 16384, 20, 7424, 4928)],
)  # fmt: skip
def test_sizes(resolution, channel_base, count, total, conv):
    """The table of the note."""
    with torch.device("meta"):
        generator = Generator(GeneratorConfig(block_channels(resolution, channel_base)))
        styles = generator.styles(torch.zeros(1, generator.num_ws, 512))
    assert len(styles) == count
    assert sum(style.shape[1] for style in styles.values()) == total
    assert conv_channels(styles).shape == (1, conv)
    assert [k for k, name in enumerate(styles) if is_torgb(name)] == list(range(1, count, 3))


def test_rows():
    rows = style_rows(1024)
    assert list(rows.items())[:5] == [
        ("b4.conv1", 0),
        ("b4.torgb", 1),
        ("b8.conv0", 1),
        ("b8.conv1", 2),
        ("b8.torgb", 3),
    ]
    assert list(rows.items())[-3:] == [("b1024.conv0", 15), ("b1024.conv1", 16), ("b1024.torgb", 17)]
    assert list(style_rows(4)) == ["b4.conv1", "b4.torgb"]


def test_a_style_hears_its_own_row_alone(small):
    w = torch.randn(1, 6, 14, dtype=torch.float64)
    for row in range(6):
        other = w.clone()
        other[:, row] += 1
        changed = {name for name, style in small.styles(other).items() if not torch.equal(style, small.styles(w)[name])}
        assert changed == {name for name, own in style_rows(16).items() if own == row}


def test_moving_conv_channels(small):
    styles = small.styles(torch.randn(2, 6, 14, dtype=torch.float64))
    channels = conv_channels(styles)
    offset = torch.randn(channels.shape[1], dtype=torch.float64)
    moved = move_conv_channels(styles, offset)
    assert list(moved) == list(styles)
    torch.testing.assert_close(conv_channels(moved), channels + offset)
    assert all(moved[name] is style for name, style in styles.items() if is_torgb(name))
    each = move_conv_channels(styles, torch.stack([offset, -offset]))
    torch.testing.assert_close(conv_channels(each), channels + torch.stack([offset, -offset]))


def test_a_direction_for_the_first_layers_leaves_the_others(small):
    styles = small.styles(torch.randn(1, 6, 14, dtype=torch.float64))
    moved = move_conv_channels(styles, torch.ones(15, dtype=torch.float64))  # b4.conv1 has 12 channels, b8.conv0 too
    difference = conv_channels(moved) - conv_channels(styles)
    assert difference[0, :15].allclose(torch.ones(15, dtype=torch.float64))
    assert not difference[0, 15:].any()
    with pytest.raises(EngineError, match="moves 100 style channels and the generator has 52"):
        move_conv_channels(styles, torch.ones(100))
