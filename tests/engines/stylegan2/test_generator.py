"""Against arrays of NVIDIA's and rosinality's networks, against the papers' formulas, and what must hold anyhow."""

import math

import pytest
import torch
import torch.nn.functional as F

from engines.base import EngineError
from engines.stylegan2 import Generator, GeneratorConfig, block_channels
from engines.stylegan2.generator import StyledConvolution, convolve, demodulation, upsample2d

PICKLES = ["stylegan2_ada_tiny", "stylegan2_ada_tiny_map2", "stylegan2_tf_tiny"]
TRUNCATIONS = {"psi1": {}, "psi07": {"psi": 0.7}, "psi05_cutoff4": {"psi": 0.5, "cutoff": 4}}


def close(found, wanted, atol=1e-4):
    """The tolerance of the note; the outputs are of magnitude 10."""
    torch.testing.assert_close(found, wanted, rtol=0, atol=atol)


# ---------------------------------------------------------------------------------------------- reference arrays


@pytest.mark.parametrize("name", PICKLES)
def test_latents(reference, name):
    generator, array = reference(name)
    close(generator.mapping.w_avg, array("w_avg"), 0)
    for key, truncation in TRUNCATIONS.items():
        close(generator.mapping(array("z"), **truncation), array(f"w_{key}"), 1e-5)


@pytest.mark.parametrize("name", PICKLES)
def test_pictures(reference, name):
    generator, array = reference(name)
    for key, noise in [("psi1", "const"), ("psi1", "none"), ("psi07", "const"), ("psi07", "none"),
                       ("psi05_cutoff4", "const")]:  # fmt: skip
        w = generator.mapping(array("z"), **TRUNCATIONS[key])
        close(generator.synthesis(w, noise), array(f"img_{key}_{noise}"))
        close(generator(array("z"), noise=noise, **TRUNCATIONS[key]), array(f"img_{key}_{noise}"))
    close(generator.synthesis(array("wplus"), "none"), array("img_wplus_none"))
    close(generator.synthesis(array("wplus")[:1]), array("img_wplus0_const"))


@pytest.mark.parametrize("name", PICKLES)
def test_blocks(reference, name):
    generator, array = reference(name)
    outputs = {}
    for k in range(len(generator.config.channels)):
        block = generator.synthesis.get_submodule(f"b{4 << k}")
        block.register_forward_hook(lambda *call, size=4 << k: outputs.update({size: call[2]}))
    generator.synthesis(array("wplus")[:1])
    for size, (x, picture) in outputs.items():
        close(x, array(f"feat_b{size}_x"))
        close(picture, array(f"feat_b{size}_img"))
    assert len(outputs) == len(generator.config.channels)


def test_rosinality(reference):
    generator, array = reference("rosinality_tiny")
    z = array("z")
    close(generator.mapping.w_avg, array("latent_avg"), 0)
    close(generator.mapping(z)[:, 0], array("w"), 1e-5)
    close(generator.mapping(z), array("latent_psi1"), 1e-5)
    close(generator.mapping(z, psi=0.7), array("latent_psi07"), 1e-5)
    close(generator(z), array("img_psi1_const"))
    close(generator(z, psi=0.7), array("img_psi07_const"))
    close(generator(z, noise="none"), array("img_psi1_none"))
    close(generator.synthesis(array("wplus")), array("img_wplus_const"))


@pytest.mark.parametrize("name", PICKLES)
def test_operators(reference, name):
    generator, array = reference(name)
    taps = generator.synthesis.resample_filter
    close(torch.outer(taps, taps), array("op_filter"), 1e-7)
    close(upsample2d(array("op_up_in"), taps), array("op_up_out"), 1e-6)
    x, weight, style = (array(f"op_modconv_{name}") for name in "xws")
    x, scale = x * style[:, :, None, None], demodulation(weight, style)[:, :, None, None]
    close(convolve(x, weight) * scale, array("op_modconv_same"), 1e-5)
    close(convolve(x, weight, taps) * scale, array("op_modconv_up2"), 1e-5)
    close(F.conv2d(x, weight[:, :, :1, :1]), array("op_modconv_nodemod"), 1e-5)


# ---------------------------------------------------------------------------------------------- the papers' formulas


def by_the_papers(generator: Generator, w, noise_of):
    """One picture, in double precision: weights are scaled, zeros are inserted, every sum is written out."""
    tensors, taps = generator.state_dict(), generator.synthesis.resample_filter
    kernel = torch.outer(taps, taps)
    x = tensors["synthesis.b4.const"]
    picture = torch.zeros(3, 2, 2, dtype=x.dtype)

    def filtered(x, before, after):
        x = F.pad(x, (before, after, before, after))
        return 4 * F.conv2d(x[:, None], kernel[None, None])[:, 0]

    def with_zeros(x):
        y = torch.zeros(x.shape[0], 2 * x.shape[1], 2 * x.shape[2], dtype=x.dtype)
        y[:, ::2, ::2] = x
        return y

    def modulated(name, row):
        affine = tensors[f"{name}.affine.weight"]
        style = affine @ w[row] / math.sqrt(affine.shape[1]) + tensors[f"{name}.affine.bias"]
        return tensors[f"{name}.weight"] * style[None, :, None, None]

    def layer(x, name, row, upsample):
        weight = modulated(name, row)
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if upsample:  # a transposed convolution is one with the turned kernel over all positions that touch a pixel
            y = F.conv2d(with_zeros(x)[None], weight.flip(2, 3), padding=2)[0, :, : 2 * x.shape[1] + 1]
            x = filtered(y[:, :, : 2 * x.shape[2] + 1], 1, 1)
        else:
            x = F.conv2d(x[None], weight, padding=1)[0]
        x = x + noise_of(name) * tensors[f"{name}.noise_strength"] + tensors[f"{name}.bias"][:, None, None]
        x = torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)
        clamp = generator.config.conv_clamp
        return x if clamp is None else x.clamp(-clamp, clamp)

    for k in range(len(generator.config.channels)):
        block = f"synthesis.b{4 << k}"
        if k:
            x = layer(x, f"{block}.conv0", 2 * k - 1, True)
        x = layer(x, f"{block}.conv1", 2 * k, False)
        weight = modulated(f"{block}.torgb", 2 * k + 1)[:, :, 0, 0] / math.sqrt(x.shape[0])
        own = torch.tensordot(weight, x, 1) + tensors[f"{block}.torgb.bias"][:, None, None]
        clamp = generator.config.conv_clamp
        own = own if clamp is None else own.clamp(-clamp, clamp)
        picture = filtered(with_zeros(picture), 2, 1) + own if k else own
    return picture


@pytest.mark.parametrize("conv_clamp", [None, 0.7])
@pytest.mark.parametrize("noise", ["const", "none"])
def test_synthesis_by_the_papers(small, small_config, conv_clamp, noise):
    config = GeneratorConfig(**{**vars(small_config), "conv_clamp": conv_clamp})
    generator = Generator(config).double()
    generator.load_state_dict(small.state_dict())
    w = torch.randn(3, config.num_ws, config.w_dim, dtype=torch.float64)
    maps = generator.state_dict()
    wanted = torch.stack([
        by_the_papers(generator, one, lambda name: maps[f"{name}.noise_const"] if noise == "const" else 0) for one in w
    ])  # fmt: skip
    torch.testing.assert_close(generator.synthesis(w, noise), wanted, rtol=1e-9, atol=1e-9)
    assert (conv_clamp is None) == (wanted.abs().max() > 2.1)  # three blocks add to a picture


def test_mapping_by_the_papers(small):
    z = torch.randn(4, 16, dtype=torch.float64)
    x = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for fc in (small.mapping.fc0, small.mapping.fc1):
        x = x @ fc.weight.T * 0.01 / math.sqrt(x.shape[1]) + fc.bias * 0.01
        x = torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)
    w = small.mapping(z)
    assert w.shape == (4, 6, 14)
    torch.testing.assert_close(w, x[:, None].expand(-1, 6, -1), rtol=1e-12, atol=1e-12)


def test_classes_by_the_papers():
    config = GeneratorConfig((8, 8), z_dim=6, mapping_features=(10,), c_dim=3, embed_features=4)
    mapping = Generator(config).double().mapping
    z, c = torch.randn(2, 6, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[:2]
    label = c @ mapping.embed.weight.T / math.sqrt(3) + mapping.embed.bias
    x = torch.cat([v / (v.square().mean(1, keepdim=True) + 1e-8).sqrt() for v in (z, label)], dim=1)
    x = x @ mapping.fc0.weight.T * 0.01 / math.sqrt(10) + mapping.fc0.bias * 0.01
    wanted = torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)
    torch.testing.assert_close(mapping(z, c=c)[:, 0], wanted, rtol=1e-12, atol=1e-12)
    with pytest.raises(EngineError, match="3 classes"):
        mapping(z)
    with pytest.raises(EngineError, match=r"\(N, 3\)"):
        mapping(z, c=c[:, :2])


def test_classes_by_their_index():
    generator = Generator(GeneratorConfig((8, 8), z_dim=6, mapping_features=(10,), c_dim=3, embed_features=4))
    z = torch.randn(2, 6)
    wanted = generator.mapping(z, c=torch.eye(3)[[2, 2]])
    assert torch.equal(generator.mapping(z, c=2), wanted)
    assert torch.equal(generator.mapping(z, c=torch.tensor([2, 2])), wanted)
    assert generator(z, c=1).shape == (2, 3, 8, 8)
    assert generator.classes_in_turn(5).tolist() == [0, 1, 2, 0, 1]
    for wrong in (3, -1, torch.tensor([0, 3])):
        with pytest.raises(EngineError, match="classes from 0 to 2"):
            generator.mapping(z, c=wrong)


def test_a_generator_of_one_class_shares_its_tensors():
    generator = Generator(GeneratorConfig((8, 8), z_dim=6, mapping_features=(10,), c_dim=3, embed_features=4))
    generator.sha256 = "ab"
    chosen, z = generator.of_class(1), torch.randn(2, 6)
    assert torch.equal(chosen.mapping(z), generator.mapping(z, c=1))
    assert torch.equal(chosen.mapping(z, c=2), generator.mapping(z, c=2))
    assert chosen.mapping.embed.weight is generator.mapping.embed.weight
    assert len({generator.sha256, chosen.sha256, generator.of_class(2).sha256}) == 3
    assert generator.of_class(1).sha256 == chosen.sha256
    with pytest.raises(EngineError, match="give it a class"):
        generator.mapping(z)
    with pytest.raises(EngineError, match="no class 3"):
        generator.of_class(3)


def test_a_class_does_not_matter_without_classes(small):
    z = torch.randn(1, 16, dtype=torch.float64)
    assert torch.equal(small.mapping(z, c=4), small.mapping(z))
    assert small.classes_in_turn(5) is None
    assert small.of_class(4) is small


@pytest.mark.parametrize("taps", [2, 3, 4, 6])
def test_filters_of_any_length_keep_pictures_in_place(taps):
    """Upsampling ramps and constants is exact between the borders; odd filters are padded at the left, as upstream."""
    row = torch.tensor([float(math.comb(taps - 1, k)) for k in range(taps)], dtype=torch.float64)
    row /= row.sum()
    ramp = torch.arange(12, dtype=torch.float64).expand(1, 2, 12, 12)
    shift = 0.5 if taps % 2 else 0.25
    wanted = torch.arange(24, dtype=torch.float64) / 2 - shift
    if taps > 2:  # two taps repeat pixels
        torch.testing.assert_close(upsample2d(ramp, row)[0, 0, 12, 6:18], wanted[6:18])
    up = upsample2d(torch.ones(1, 2, 12, 12, dtype=torch.float64), row)
    assert up.shape == (1, 2, 24, 24)
    torch.testing.assert_close(up[:, :, 6:18, 6:18], torch.ones(1, 2, 12, 12, dtype=torch.float64))
    identity = torch.eye(2, dtype=torch.float64)[:, :, None, None] * F.pad(torch.ones(1, 1), (1, 1, 1, 1))
    torch.testing.assert_close(convolve(ramp, identity.double(), row), upsample2d(ramp, row))


# ---------------------------------------------------------------------------------------------- truncation


def test_truncation(small):
    z = torch.randn(2, 16, dtype=torch.float64)
    w, w_avg = small.mapping(z), small.mapping.w_avg
    assert torch.equal(small.mapping(z, psi=0), w_avg.expand(2, 6, 14))
    torch.testing.assert_close(small.mapping(z, psi=-0.5), w_avg - 0.5 * (w - w_avg))
    cut = small.mapping(z, psi=0.3, cutoff=2)
    torch.testing.assert_close(cut[:, :2], w_avg + 0.3 * (w[:, :2] - w_avg))
    assert torch.equal(cut[:, 2:], w[:, 2:])
    assert torch.equal(small.mapping(z, psi=0.3, cutoff=0), w)
    assert torch.equal(small.mapping(z, psi=0.3, cutoff=6), small.mapping(z, psi=0.3))


def test_the_mean_of_w_stays_where_it_is(small):
    before = small.mapping.w_avg.clone()
    small.train().mapping(torch.randn(8, 16, dtype=torch.float64))
    assert torch.equal(small.mapping.w_avg, before)


# ---------------------------------------------------------------------------------------------- noise


def test_noise_modes(small):
    w = small.mapping(torch.randn(2, 16, dtype=torch.float64))
    const, none = small.synthesis(w), small.synthesis(w, "none")
    assert torch.equal(small.synthesis(w, "const"), const)
    assert not torch.allclose(const, none, atol=1e-2)
    seeds = [torch.Generator().manual_seed(seed) for seed in (1, 1, 2)]
    one, same, other = (small.synthesis(w, "random", seed) for seed in seeds)
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, atol=1e-2)
    same_w = small.synthesis(w[:1].repeat(2, 1, 1), "random")
    assert not torch.allclose(same_w[0], same_w[1], atol=1e-2)  # each picture has its own


def test_noise_without_strength_is_none(small):
    for name, parameter in small.named_parameters():
        if name.endswith("noise_strength"):
            parameter.zero_()
    w = small.mapping(torch.randn(1, 16, dtype=torch.float64))
    assert torch.equal(small.synthesis(w, "random"), small.synthesis(w, "none"))


# ---------------------------------------------------------------------------------------------- any generator


def test_pictures_of_a_batch_do_not_touch_each_other(small):
    w = torch.randn(5, 6, 14, dtype=torch.float64)
    together = small.synthesis(w)
    torch.testing.assert_close(together, torch.cat([small.synthesis(one[None]) for one in w]))
    assert torch.equal(together, small.synthesis(w))
    assert together.is_contiguous()


def test_pictures_with_and_without_gradients_are_the_same(small):
    w = torch.randn(2, 6, 14, dtype=torch.float64)
    wanted = small.synthesis(w.clone().requires_grad_()).detach()
    weights = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert torch.equal(small.synthesis(w), wanted)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in small.state_dict().items())


def test_gradients_reach_latents_styles_and_weights(small):
    small.requires_grad_(True)
    z = torch.randn(2, 16, dtype=torch.float64, requires_grad=True)
    w = small.mapping(z)
    w.retain_grad()
    styles = small.styles(w)
    for style in styles.values():
        style.retain_grad()
    small.synthesis_from_styles(styles).square().sum().backward()
    for tensor in (z, w, *styles.values(), *small.parameters()):
        assert tensor.grad.isfinite().all()
        assert tensor.grad.abs().sum() > 0


def test_gradients_agree_with_finite_differences():
    torch.manual_seed(1)
    generator = Generator(GeneratorConfig((4, 3), z_dim=4, mapping_features=(5,))).double()
    generator.synthesis.b8.conv0.noise_strength.data.fill_(0.4)
    w = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(generator.synthesis, (w,), eps=1e-6, atol=1e-5)
    styles = [style.detach().requires_grad_() for style in generator.styles(w).values()]
    names = list(generator.styles(w))

    def from_styles(*values):
        return generator.synthesis_from_styles(dict(zip(names, values, strict=True)))

    assert torch.autograd.gradcheck(from_styles, styles, eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("channel_base", [16384, 32768])
def test_published_sizes(channel_base):
    """The table of the note; parameters as counted there."""
    widths = {256: (512, 512, 512, 512, 512, 256, 128), 1024: (512, 512, 512, 512, 512, 256, 128, 64, 32)}
    halves = {256: (512, 512, 512, 512, 256, 128, 64), 1024: (512, 512, 512, 512, 256, 128, 64, 32, 16)}
    for resolution, channels in (widths if channel_base == 32768 else halves).items():
        assert block_channels(resolution, channel_base) == channels
        config = GeneratorConfig(channels)
        assert config.resolution == resolution
        assert config.num_ws == 2 * math.log2(resolution) - 2
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in Generator(config).parameters())
        counted = {(256, 16384): 24.77, (256, 32768): 30.03, (1024, 32768): 30.37}
        assert count / 1e6 == pytest.approx(counted.get((resolution, channel_base), count / 1e6), abs=0.005)


def test_blocks_in_fp16():
    """As 1024 px have it: the four largest; a network too small for them keeps its smallest block in float32."""
    with torch.device("meta"):
        large = Generator(GeneratorConfig(block_channels(1024), num_fp16_res=4)).synthesis
        tiny = Generator(GeneratorConfig((8, 8), num_fp16_res=4)).synthesis
        plain = Generator(GeneratorConfig((8, 8))).synthesis
    assert [4 << k for k in range(9) if large.get_submodule(f"b{4 << k}").is_fp16] == [128, 256, 512, 1024]
    assert (tiny.b4.is_fp16, tiny.b8.is_fp16, plain.b8.is_fp16) == (False, True, False)


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_a_layer_in_fp16_is_the_layer(small_config, size):
    """Also with weights and styles whose products leave the range of fp16."""
    torch.manual_seed(2)
    layer = StyledConvolution(8, 6, 16, small_config).requires_grad_(False)
    layer.weight *= size
    layer.noise_strength += 0.2
    x, style = torch.randn(2, 8, 8, 8), torch.randn(2, 8) * size
    for taps in (None, torch.tensor([1.0, 3, 3, 1]) / 8):
        inputs = F.interpolate(x, 16) if taps is None else x
        wanted = layer(inputs, style, "const", None, taps)
        found = layer(inputs.half(), style, "const", None, taps)
        assert found.dtype == torch.float16
        torch.testing.assert_close(found.float(), wanted, rtol=0, atol=0.03)


# ---------------------------------------------------------------------------------------------- wrong input


def test_wrong_input_is_one_sentence(small):
    w = torch.zeros(1, 6, 14, dtype=torch.float64)
    with pytest.raises(EngineError, match=r"latent z must be of shape \(N, 16\).*got \(1, 17\)"):
        small.mapping(torch.zeros(1, 17))
    with pytest.raises(EngineError, match=r"latent w must be of shape \(N, 6, 14\)"):
        small.synthesis(w[:, :5])
    with pytest.raises(EngineError, match="no noise 'loud'; choose one of const, none, random"):
        small.synthesis(w, "loud")
    styles = small.styles(w)
    with pytest.raises(EngineError, match=r"style 'b8.conv1' must be of shape \(N, 10\)"):
        small.synthesis_from_styles({**styles, "b8.conv1": styles["b4.conv1"]})
    del styles["b16.torgb"]
    with pytest.raises(EngineError, match="lack 'b16.torgb'"):
        small.synthesis_from_styles(styles)
