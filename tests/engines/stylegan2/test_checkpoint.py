"""Every format into the same generator, format twins at full size, our own files, and files that are wrong."""

import argparse
import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engines.base import EngineError
from engines.stylegan2 import Generator, GeneratorConfig, load_generator, save_generator
from tests.engines.stylegan2.twins import (
    FILTER,
    ada_module,
    random_tensors,
    to_rosinality,
    with_filters,
    write_ada,
    write_tensorflow,
)

ARGUMENTS = {"z_dim": 16, "c_dim": 0, "w_dim": 14, "img_resolution": 16, "img_channels": 3}


@pytest.fixture(scope="module")
def tensors(small_config):
    return random_tensors(small_config)


@pytest.fixture(scope="module")
def expected(small_config, tensors):
    """The generator with these tensors."""
    generator = Generator(small_config)
    generator.load_state_dict(tensors, strict=False)
    return generator.eval()


@pytest.fixture
def ada(tmp_path, tensors):
    """`ada(init_kwargs, …)` writes a pickle of the ADA training loop, in which G differs from G_ema."""

    def write(init_kwargs=ARGUMENTS, tensors=tensors, protocol=4, **others):
        module = ada_module(with_filters(tensors), init_kwargs)
        noisy = ada_module({name: tensor + 1 for name, tensor in tensors.items()}, init_kwargs)
        judge = ada_module({"b16.fromrgb.weight": torch.zeros(2, 3, 1, 1)}, {}, "Discriminator")
        content = {"training_set_kwargs": None, "G": noisy, "D": judge, "G_ema": module, "augment_pipe": None}
        return write_ada(tmp_path / "network.pkl", content | others, protocol)

    return write


def same(found: Generator, wanted: Generator) -> bool:
    ours, theirs = found.state_dict(), wanted.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


# ---------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_ada(ada, expected, protocol):
    generator = load_generator(ada(protocol=protocol))
    assert same(generator, expected)
    assert generator.notes == ()
    assert not generator.training
    assert not any(parameter.requires_grad for parameter in generator.parameters())
    assert {tensor.dtype for tensor in generator.state_dict().values()} == {torch.float32}
    assert (generator.z_dim, generator.w_dim, generator.c_dim, generator.num_ws, generator.img_resolution) == (
        16, 14, 0, 6, 16)  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "conv_clamp", "num_fp16_res", "lr_multiplier"),
    [
        ({}, None, 0, 0.01),
        ({"synthesis_kwargs": {}}, None, 0, 0.01),
        ({"synthesis_kwargs": {"conv_clamp": 256, "num_fp16_res": 4}}, 256, 4, 0.01),
        (
            {"synthesis_kwargs": {"conv_clamp": np.float64(1.5)}, "mapping_kwargs": {"lr_multiplier": 0.02}},
            1.5,
            0,
            0.02,
        ),
        ({"channel_base": 160, "channel_max": 12}, 256, 4, 0.01),
        ({"channel_base": 160, "conv_clamp": None, "num_fp16_res": 0}, None, 0, 0.01),
        ({"channel_base": 160, "conv_clamp": 8, "mapping_kwargs": {"num_layers": 2}}, 8, 4, 0.01),
    ],
)
def test_both_dialects_of_ada(ada, arguments, conv_clamp, num_fp16_res, lr_multiplier):
    """Arguments of the synthesis network nested, as in its own repository, or flat, as in that of StyleGAN3."""
    config = load_generator(ada(ARGUMENTS | arguments)).config
    assert (config.conv_clamp, config.num_fp16_res, config.lr_multiplier) == (conv_clamp, num_fp16_res, lr_multiplier)


def test_positional_arguments(tmp_path, tensors):
    module = ada_module(with_filters(tensors), {})
    module.meta["state"]["_init_args"] = (16, 0, 14, 16, 3, {}, {"conv_clamp": 3.0})
    assert load_generator(write_ada(tmp_path / "g.pkl", {"G_ema": module})).config.conv_clamp == 3


def test_a_generator_alone(tmp_path, tensors, expected):
    module = ada_module(with_filters(tensors), ARGUMENTS)
    assert same(load_generator(write_ada(tmp_path / "alone.pkl", module)), expected)
    assert same(load_generator(write_ada(tmp_path / "ema.pkl", {"G_ema": module})), expected)


def test_a_mean_of_zero_is_a_mean(ada, tensors):
    generator = load_generator(ada(tensors=tensors | {"mapping.w_avg": torch.zeros(14)}))
    assert not generator.mapping.w_avg.any()
    assert generator.notes == ()


def test_strided_tensors(ada, tensors, expected):
    """Channels last, and views into larger storages."""
    strided = {
        name: t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for name, t in tensors.items()
    }
    strided["mapping.fc0.weight"] = torch.cat([torch.zeros(3, 16), tensors["mapping.fc0.weight"]])[3:]
    strided["mapping.w_avg"] = tensors["mapping.w_avg"][:, None].repeat(1, 2)[:, 0]
    assert same(load_generator(ada(tensors=strided)), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(ada, tensors, expected, dtype):
    loaded = load_generator(ada(tensors={name: tensor.to(dtype) for name, tensor in tensors.items()})).state_dict()
    for name, tensor in tensors.items():
        assert torch.equal(loaded[name], tensor.to(dtype).float())


def test_classes(ada, small_config):
    config = GeneratorConfig(**{**vars(small_config), "c_dim": 5, "embed_features": 7})
    tensors = random_tensors(config)
    generator = load_generator(ada(ARGUMENTS | {"c_dim": 5}, tensors))
    assert generator.config == config
    assert torch.equal(generator.mapping.embed.weight, tensors["mapping.embed.weight"])
    assert generator.mapping(torch.randn(2, 16), c=torch.eye(5)[:2]).shape == (2, 6, 14)


def test_trained_without_noise(ada, tensors, expected):
    silent = {name: tensor for name, tensor in tensors.items() if ".noise_" not in name}
    generator = load_generator(ada(ARGUMENTS | {"synthesis_kwargs": {"use_noise": False}}, silent))
    w = torch.randn(1, 6, 14)
    assert torch.equal(generator.synthesis(w), expected.synthesis(w, "none"))


@pytest.mark.parametrize("row", [[1, 2, 1], [1, 1], [1, 5, 10, 10, 5, 1]])
def test_other_filters(ada, tensors, row):
    row = torch.tensor(row, dtype=torch.float32)
    module = ada_module(with_filters(tensors, torch.outer(row, row) / row.sum() ** 2), ARGUMENTS)
    generator = load_generator(ada(G_ema=module))
    torch.testing.assert_close(generator.synthesis.resample_filter, row / row.sum())
    assert generator.synthesis(torch.randn(1, 6, 14)).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(
    ("arguments", "conv_clamp", "lr_multiplier"),
    [({}, None, 0.01), ({"conv_clamp": 256, "mapping_lrmul": 0.1, "resample_kernel": [1, 3, 3, 1]}, 256, 0.1)],
)
def test_tensorflow(tmp_path, tensors, expected, arguments, conv_clamp, lr_multiplier):
    arguments = {"resolution": 16, "label_size": 0, "fmap_base": 80, "architecture": "skip"} | arguments
    generator = load_generator(write_tensorflow(tmp_path / "network.pkl", tensors, arguments))
    assert (generator.config.conv_clamp, generator.config.lr_multiplier) == (conv_clamp, lr_multiplier)
    for name, tensor in expected.state_dict().items():  # 1 was taken from the biases of the styles and added again
        torch.testing.assert_close(generator.state_dict()[name], tensor, rtol=0, atol=2e-7)


def containers(tensors) -> dict:
    """Those of the note, with a generator that is not averaged in the places where there is one."""
    g_ema, latent_avg = to_rosinality(tensors)
    noisy = {name: tensor + 1 for name, tensor in g_ema.items()}
    arguments = argparse.Namespace(size=16, path="data", lr=0.002, device=torch.device("cpu"))
    optimizer = {"state": {0: {"step": torch.tensor(5), "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
    decoder = {f"decoder.{name}": tensor for name, tensor in g_ema.items()}
    return {
        "converter": {"g_ema": g_ema, "latent_avg": latent_avg},
        "converter with all": {"g": noisy, "d": {"a": torch.zeros(2)}, "g_ema": g_ema, "latent_avg": latent_avg},
        "trainer": {"g": noisy, "d": {}, "g_ema": g_ema, "g_optim": optimizer, "d_optim": optimizer, "args": arguments,
                    "ada_aug_p": 0.1},
        "NADA": {"g_ema": g_ema, "g_optim": optimizer},
        "pSp": {"state_dict": decoder | {"encoder.body.0.weight": torch.zeros(4)}, "opts": {"size": 16},
                "latent_avg": latent_avg.repeat(6, 1)},
        "bare": g_ema,
    }  # fmt: skip


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("container", ["converter", "converter with all", "trainer", "NADA", "pSp", "bare"])
def test_rosinality(tmp_path, tensors, expected, container, zipped):
    content = containers(tensors)[container]
    torch.save(content, tmp_path / "network.pt", _use_new_zipfile_serialization=zipped)
    generator = load_generator(tmp_path / "network.pt")
    if "latent_avg" not in content:
        assert "mean of w" in generator.notes[0]
        z = torch.randn(20_000, 16, generator=torch.Generator().manual_seed(1))
        w = generator.mapping(z)[:, 0]
        assert (generator.mapping.w_avg - w.mean(0)).abs().max() < 5 * w.std(0).max() / 10_000**0.5
        generator.mapping.w_avg.copy_(expected.mapping.w_avg)
    assert same(generator, expected)


def test_a_module_of_torch_hangs_notes_to_its_state(tmp_path, tensors, expected):
    """`state_dict()` is an ordered dict with an attribute."""
    g_ema, latent_avg = to_rosinality(tensors)
    ordered = torch.nn.Linear(1, 1).state_dict()
    assert ordered._metadata
    ordered.clear()
    ordered |= g_ema
    torch.save({"g_ema": ordered, "latent_avg": latent_avg}, tmp_path / "network.pt")
    assert same(load_generator(tmp_path / "network.pt"), expected)


def test_missing_and_superfluous_noise(tmp_path, tensors):
    g_ema, latent_avg = to_rosinality(tensors)
    del g_ema["noises.noise_3"]
    g_ema["noises.noise_7"] = torch.zeros(1, 1, 64, 64)
    torch.save({"g_ema": g_ema, "latent_avg": latent_avg}, tmp_path / "network.pt")
    generator = load_generator(tmp_path / "network.pt")
    assert "lacks 1 maps of constant noise" in generator.notes[0]
    drawn = generator.synthesis.b16.conv0.noise_const
    assert 0.8 < drawn.std() < 1.2
    assert torch.equal(drawn, load_generator(tmp_path / "network.pt").synthesis.b16.conv0.noise_const)


# ---------------------------------------------------------------------------------------------- full size


def marked(references, name: str) -> dict[str, torch.Tensor]:
    """Each tensor of a key list, filled with a number of its own; one number in the file."""
    shapes = json.loads(references.path(name).read_text())
    return {key: torch.tensor(1 + k / 256).expand(shape) for k, (key, shape) in enumerate(shapes.items())}


@pytest.fixture(scope="module")
def ffhq(references, tmp_path_factory):
    """A twin of ffhq.pkl, its tensors by name, and its generator."""
    tensors = marked(references, "stylegan2_ada_ffhq1024_keys.json")
    tensors |= {name: FILTER for name in tensors if name.endswith("resample_filter")}
    arguments = {"img_resolution": 1024, "synthesis_kwargs": {"num_fp16_res": 4, "conv_clamp": 256}}
    path = write_ada(tmp_path_factory.mktemp("ffhq") / "ffhq.pkl", {"G_ema": ada_module(tensors, arguments)})
    return tensors, load_generator(path)


def test_ffhq_in_ada_format(ffhq):
    tensors, generator = ffhq
    loaded = generator.state_dict()
    wanted = {name for name in tensors if not name.endswith("resample_filter")}
    assert loaded.keys() - {"synthesis.resample_filter"} == wanted
    for name in wanted:
        assert loaded[name].shape == tensors[name].shape
        assert (loaded[name] == tensors[name].flatten()[0]).all()
    assert sum(parameter.numel() for parameter in generator.parameters()) == pytest.approx(30.37e6, abs=5e3)
    assert (generator.img_resolution, generator.num_ws, generator.config.num_fp16_res) == (1024, 18, 4)


def test_ffhq_makes_a_picture(ffhq):
    generator = ffhq[1]
    picture = generator.synthesis(generator.mapping(torch.randn(1, 512), psi=0.7))
    assert picture.shape == (1, 3, 1024, 1024)
    assert picture.isfinite().all()


def test_ffhq_in_rosinalitys_format(references, tmp_path, ffhq):
    marks = marked(references, "rosinality_ffhq1024_keys.json")
    marks |= {name: FILTER * 4 for name in marks if name.endswith("kernel")}
    torch.save({"g_ema": marks, "latent_avg": torch.zeros(512) + 9}, tmp_path / "ffhq.pt")
    loaded = load_generator(tmp_path / "ffhq.pt").state_dict()
    assert {name: tensor.shape for name, tensor in loaded.items()} == {
        name: tensor.shape for name, tensor in ffhq[1].state_dict().items()
    }
    for ours, theirs in [
        ("mapping.fc7.bias", "style.8.bias"),
        ("synthesis.b4.const", "input.input"),
        ("synthesis.b4.conv1.noise_const", "noises.noise_0"),
        ("synthesis.b8.conv0.weight", "convs.0.conv.weight"),
        ("synthesis.b64.conv1.affine.bias", "convs.7.conv.modulation.bias"),
        ("synthesis.b512.conv0.noise_const", "noises.noise_13"),
        ("synthesis.b1024.conv0.noise_strength", "convs.14.noise.weight"),
        ("synthesis.b1024.conv1.bias", "convs.15.activate.bias"),
        ("synthesis.b1024.torgb.bias", "to_rgbs.7.bias"),
        ("synthesis.b8.torgb.affine.weight", "to_rgbs.0.conv.modulation.weight"),
    ]:
        assert (loaded[ours] == marks[theirs].flatten()[0]).all()
    assert len({tensor.flatten()[0].item() for tensor in loaded.values()}) == len(loaded)  # each from another one


# ---------------------------------------------------------------------------------------------- our own files


@pytest.mark.parametrize("name", ["stylegan2_ada_tiny_map2", "stylegan2_tf_tiny", "rosinality_tiny"])
def test_saved_and_loaded_is_identical(reference, tmp_path, name):
    generator, array = reference(name)
    save_generator(generator, tmp_path / "own.safetensors")
    loaded = load_generator(tmp_path / "own.safetensors")
    assert same(loaded, generator)
    assert loaded.config == generator.config
    assert torch.equal(loaded(array("z"), psi=0.7), generator(array("z"), psi=0.7))


def test_saved_in_half_the_size(reference, tmp_path):
    generator, array = reference("stylegan2_ada_tiny")
    for half in (False, True):
        save_generator(generator, tmp_path / f"{half}.safetensors", half=half)
    sizes = [(tmp_path / f"{half}.safetensors").stat().st_size for half in (True, False)]
    assert sizes[0] < 0.52 * sizes[1]
    loaded = load_generator(tmp_path / "True.safetensors")
    for name, tensor in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float())
    assert (loaded(array("z")) - array("img_psi1_const")).abs().mean() < 0.05
    generator.synthesis.b4.const[0, 0, 0] = 1e5
    with pytest.raises(EngineError, match="half=False"):
        save_generator(generator, tmp_path / "beyond.safetensors", half=True)


def test_options_are_saved(small_config, tmp_path):
    options = {"conv_clamp": 2.5, "num_fp16_res": 3, "lr_multiplier": 0.1, "c_dim": 2, "embed_features": 4}
    generator = Generator(GeneratorConfig(**{**vars(small_config), **options}))
    generator.mapping.w_avg += 1
    save_generator(generator, tmp_path / "own.safetensors")
    assert load_generator(tmp_path / "own.safetensors").config == generator.config


# ---------------------------------------------------------------------------------------------- wrong files


def refused(path, match: str) -> None:
    with pytest.raises(EngineError, match=match) as caught:
        load_generator(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 500


def test_no_such_file(tmp_path):
    refused(tmp_path / "nowhere.pkl", "There is no file .* choose a StyleGAN2 generator")
    refused(tmp_path, "cannot be read")


OTHER_FILES = {
    "empty": b"",
    "short": b"short",
    "text": b"a text that is no checkpoint\n" * 9,
    "bytes": bytes(range(256)) * 4,
    "nearly a pickle": b"\x80\x04" + b"." * 50,
    "nearly a zip": b"PK\x03\x04" + b"0" * 99,
    "picture": b"\x89PNG\r\n" + b"0" * 99,
}


@pytest.mark.parametrize("content", OTHER_FILES.values(), ids=OTHER_FILES)
def test_other_files(tmp_path, content):
    (tmp_path / "file.pkl").write_bytes(content)
    refused(tmp_path / "file.pkl", "'file.pkl' is damaged or not a StyleGAN2 generator")


@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(
    "name", ["stylegan2_ada_tiny_map2.pkl", "stylegan2_tf_tiny.pkl", "rosinality_tiny.pt", "own", "old"]
)
def test_truncated_files(references, reference, tmp_path, name, part):
    whole = references.path(name)
    if name == "own":
        whole = tmp_path / "whole.safetensors"
        save_generator(reference("stylegan2_tf_tiny")[0], whole)
    if name == "old":
        whole = tmp_path / "whole.pt"
        torch.save(torch.load(references.path("rosinality_tiny.pt")), whole, _use_new_zipfile_serialization=False)
    content = whole.read_bytes()
    (tmp_path / "half.file").write_bytes(content[: int(part * len(content))])
    refused(tmp_path / "half.file", "'half.file' is damaged or not a StyleGAN2 generator")


def test_damaged_bytes_never_do_more_than_fail(references, tmp_path):
    """Files with a changed byte where there are opcodes rather than numbers."""
    content = bytearray(references.path("stylegan2_ada_tiny_map2.pkl").read_bytes())
    generator = np.random.default_rng(0)
    failed = 0
    for position in generator.integers(0, 5000, 60):
        damaged = content.copy()
        damaged[position] = generator.integers(256)
        (tmp_path / "damaged.pkl").write_bytes(damaged)
        try:
            load_generator(tmp_path / "damaged.pkl")
        except EngineError:
            failed += 1
    assert failed > 5


def test_other_networks(ada, tmp_path, tensors):
    judge = ada_module({"b16.weight": torch.zeros(2)}, {}, "Discriminator")
    refused(ada(G_ema=judge), "a 'Discriminator' instead of a generator")
    refused(ada(G_ema=None), "no averaged StyleGAN2 generator .* only 'training_set_kwargs', 'G', 'D'")
    refused(write_ada(tmp_path / "d.pkl", {"D": judge}), "only 'D'")
    newer = {"mapping.fc0.weight": torch.zeros(4, 4), "synthesis.L0_36_512.weight": torch.zeros(4, 4, 3, 3)}
    refused(ada(G_ema=ada_module(newer, {})), "a StyleGAN3")
    newer = {"synthesis.input.weight": torch.zeros(4, 4)}
    refused(ada(G_ema=ada_module(newer, {})), "a StyleGAN3")
    for content in (3, [1, 2, 3], {}, {"g": {}, "d": {}}, {"state_dict": {"encoder.weight": torch.zeros(2)}}):
        torch.save(content, tmp_path / "other.pt")
        refused(tmp_path / "other.pt", "holds no averaged|neither networks nor tensors")
    torch.save({"g_ema": {"layer1.0.conv1.weight": torch.zeros(3, 3)}}, tmp_path / "resnet.pt")
    refused(tmp_path / "resnet.pt", "'layer1.0.conv1.weight', which StyleGAN2 does not have")
    save_file({"a": torch.zeros(3)}, tmp_path / "other.safetensors")
    refused(tmp_path / "other.safetensors", "not saved as a StyleGAN2 generator by Atelier")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"synthesis_kwargs": {"architecture": "resnet"}}, "architecture 'resnet'"),
        ({"architecture": "orig"}, "architecture 'orig'"),
        ({"synthesis_kwargs": {"activation": "relu"}}, "activation 'relu'"),
        ({"mapping_kwargs": {"activation": "sine"}}, "activation 'sine'"),
        ({"synthesis_kwargs": {"conv_clamp": -1}}, "conv_clamp is no positive number"),
        ({"synthesis_kwargs": {"conv_clamp": "wide"}}, "conv_clamp is no positive number"),
        ({"mapping_kwargs": {"lr_multiplier": float("nan")}}, "lr_multiplier is no positive number"),
    ],
)
def test_other_architectures(ada, arguments, match):
    refused(ada(ARGUMENTS | arguments), match)


def test_wrong_tensors(ada, tensors):
    def change(**changes):
        changes = {name.replace("__", "."): value for name, value in changes.items()}
        return ada(tensors={name: value for name, value in (tensors | changes).items() if value is not None})

    refused(change(synthesis__b8__conv1__weight=None), "lacks the tensor 'synthesis.b8.conv1.weight'")
    refused(change(synthesis__b16__torgb__bias=None), "lacks the tensor 'synthesis.b16.torgb.bias'")
    refused(change(mapping__fc0__weight=None), "lacks the tensor 'mapping.fc0.weight'")
    refused(change(synthesis__b16__conv0__affine__weight=torch.zeros(9, 14)),
            r"'synthesis.b16.conv0.affine.weight' is of shape \(9, 14\) where \(10, 14\) is wanted")  # fmt: skip
    refused(change(synthesis__b8__conv0__weight=torch.zeros(10, 12, 1, 1)), r"shape \(10, 12, 1, 1\)")
    refused(change(synthesis__b4__const=torch.zeros(12, 8, 4)), "square")
    refused(change(synthesis__b4__const=torch.full((12, 4, 4), torch.nan)), "'synthesis.b4.const' .* not finite")
    refused(change(synthesis__b8__skip__weight=torch.zeros(10, 12, 1, 1)),
            "'synthesis.b8.skip.weight', which a StyleGAN2 generator with the 'skip' architecture does")  # fmt: skip
    refused(change(mapping__w_avg=torch.zeros(14, dtype=torch.int64)), "type torch.int64")
    refused(change(synthesis__b24__conv1__weight=torch.zeros(2, 2, 3, 3)), "block of 24 px")
    refused(change(synthesis__b65536__conv1__weight=torch.zeros(2, 2, 3, 3)), "block of 65536 px")


@pytest.mark.parametrize(
    "taps",
    [torch.arange(16.0).view(4, 4) / 120, FILTER * 2, FILTER[:, :1], torch.ones(1, 1), FILTER.roll(1, 0)],
    ids=["no product", "too loud", "no square", "one tap", "off the middle"],
)
def test_unusual_filters(ada, tensors, taps):
    refused(ada(G_ema=ada_module(with_filters(tensors, taps), ARGUMENTS)), "unusual filter")


def test_wrong_tensorflow_files(tmp_path, tensors):
    def write(extra=None, version=4, **arguments):
        path = write_tensorflow(tmp_path / "tf.pkl", tensors, {"label_size": 0} | arguments, version)
        if extra:
            content = path.read_bytes()
            path.write_bytes(content.replace(b"16x16/ToRGB/bias", extra.ljust(16, b"_")))
        return path

    refused(write(version=3), "older than StyleGAN2")
    refused(write(label_size=10), "with classes")
    refused(write(architecture="resnet"), "architecture 'resnet'")
    refused(write(b"ToRGB_lod0/bias"), "architecture 'orig'")
    refused(write(b"4x4/StyleMod/a"), "'synthesis/4x4/StyleMod/a__', which")


# ---------------------------------------------------------------------------------------------- files that lie


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_tensors_that_claim_more_than_there_is(tmp_path, tensors, zipped):
    g_ema, latent_avg = to_rosinality(tensors)
    huge = torch.zeros(1).expand(1 << 20, 1 << 20)  # 4 TiB if it were copied
    torch.save({"g_ema": g_ema | {"style.1.weight": huge}}, tmp_path / "huge.pt", _use_new_zipfile_serialization=zipped)
    refused(tmp_path / "huge.pt", "more than 536870912 numbers")


def test_tensors_beyond_their_storage(ada):
    path = ada(G=None)
    content = path.read_bytes()
    place = content.index(b"K\x00K\x0e\x85", content.index(b"w_avg"))  # offset 0, size (14,)
    for changed in (b"K\x01K\x0e", b"K\x00K\x0f"):
        path.write_bytes(content[:place] + changed + content[place + len(changed) :])
        refused(path, "larger than its storage")


def test_modules_within_modules_without_end(tmp_path, tensors):
    """A module that holds itself, and 2^40 that are the same few."""
    looped = ada_module(tensors, ARGUMENTS)
    looped.meta["state"]["_modules"]["itself"] = looped
    path = tmp_path / "loop.pkl"
    refused(write_ada(path, {"G_ema": looped}), "more modules within modules")
    child = ada_module({f"buffer{k}": torch.zeros(1) for k in range(20)}, {})
    for _ in range(40):
        parent = ada_module({}, {})
        parent.meta["state"]["_modules"] = {"a": child, "b": child}
        child = parent
    refused(write_ada(path, {"G_ema": child}), "more modules within modules")
    child.meta["state"]["_modules"] = {f"module{k}": ada_module(tensors, {}) for k in range(300)}
    refused(write_ada(path, {"G_ema": child}), "more modules within modules")


def test_safetensors_that_lie(tmp_path, small_config):
    path = tmp_path / "own.safetensors"
    save_generator(Generator(small_config), path)
    content = path.read_bytes()
    path.write_bytes((1 << 62).to_bytes(8, "little") + content[8:])
    refused(path, "damaged")
    path.write_bytes(content.replace(b"[14]", b"[99]"))
    refused(path, "damaged")


def test_a_pickle_of_plain_values(tmp_path):
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"prompt": "a red apple", "steps": list(range(9))}))
    refused(tmp_path / "plain.pkl", "only 'prompt', 'steps'")
