import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.dreamstyler.styles import (
    Style,
    load_style,
    mixed,
    save_reference,
    save_style,
    save_textual_inversion,
    stage_shares,
)
from tests.engines.diffusion.twins import WIDTH


def test_files_read_back(new_style, tmp_path):
    style = new_style(12)
    save_style(style, tmp_path / "style.safetensors")
    found = load_style(tmp_path / "style.safetensors", WIDTH)
    assert (found.name, found.metadata) == ("<sks1>", style.metadata)
    assert torch.equal(found.vectors, style.vectors)


def test_the_format_of_the_released_code(new_style, tmp_path):
    style = new_style(12)
    save_reference(style, tmp_path / "final.bin")
    stored = torch.load(tmp_path / "final.bin", weights_only=True)
    assert list(stored) == [f"<sks1>-T{stage}" for stage in range(12)]
    assert {vector.dtype for vector in stored.values()} == {torch.float32}
    torch.save(dict(sorted(stored.items())), tmp_path / "final.bin")  # T10 before T2
    found = load_style(tmp_path / "final.bin", WIDTH)
    assert found.name == "<sks1>"
    assert torch.equal(found.vectors, style.vectors)


def test_ordinary_textual_inversion(new_style, tmp_path):
    style = new_style(6)
    save_textual_inversion(style, tmp_path / "one.safetensors")
    ((name, vector),) = load_file(tmp_path / "one.safetensors").items()
    assert name == "<sks1>"
    torch.testing.assert_close(vector, style.vectors.mean(0))
    assert load_style(tmp_path / "one.safetensors", WIDTH).num_stages == 1
    torch.save({"<cat-toy>": vector}, tmp_path / "learned_embeds.bin")
    found = load_style(tmp_path / "learned_embeds.bin", WIDTH)
    assert (found.name, found.vectors.tolist()) == ("<cat-toy>", [vector.tolist()])


def test_diffusers_reads_our_textual_inversion(model, new_style, tmp_path):
    from tests.engines.diffusion.test_sampling import pipeline
    from tests.engines.diffusion.twins import pocket_twin

    twin = pocket_twin()
    save_textual_inversion(new_style(6), tmp_path / "one.safetensors")
    pipeline("StableDiffusionPipeline", twin).load_textual_inversion(tmp_path / "one.safetensors")
    learned = twin.text_encoder.get_input_embeddings().weight[-1]
    torch.testing.assert_close(learned, new_style(6).vectors.mean(0))


BAD = {
    "of another width": ({"<s>-T0": torch.ones(5)}, "vectors of 5 numbers where this model reads 16"),
    "of matrices": ({"<s>-T0": torch.ones(2, WIDTH)}, "vectors of 2 × 16 numbers"),
    "with a gap": ({"<s>-T0": torch.ones(WIDTH), "<s>-T2": torch.ones(WIDTH)}, "lacks some of its stages"),
    "of two styles": ({"<s>-T0": torch.ones(WIDTH), "<t>-T1": torch.ones(WIDTH)}, "not those of one style"),
    "of a network": ({"weight": torch.ones(WIDTH), "bias": torch.ones(WIDTH)}, "not those of one style"),
    "of no numbers": ({"<s>-T0": torch.full((WIDTH,), torch.nan)}, "not finite"),
    "empty": ({}, "holds no vectors"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files(tmp_path, refused, kind):
    values, reason = BAD[kind]
    torch.save(values, tmp_path / "style.bin")
    refused(reason, load_style, tmp_path / "style.bin", WIDTH)


def test_files_of_others(tmp_path, refused):
    save_file({"<s>-T0": torch.ones(WIDTH)}, tmp_path / "style.safetensors")
    refused("not saved as a style of DreamStyler", load_style, tmp_path / "style.safetensors", WIDTH)
    refused("There is no file", load_style, tmp_path / "nowhere.bin", WIDTH)


def test_nothing_in_a_file_is_run(tmp_path, refused):
    class Attack:
        def __reduce__(self):
            return open, (str(tmp_path / "broken-in"), "w")

    torch.save({"<s>-T0": Attack()}, tmp_path / "style.bin")
    refused("wants to use", load_style, tmp_path / "style.bin", WIDTH)
    assert not (tmp_path / "broken-in").exists()


# ---------------------------------------------------------------------------------------------- mixing


def test_vectors_of_timesteps(new_style):
    style = new_style(6)
    assert [style.vectors.tolist().index(style.at(t).tolist()) for t in (0, 166, 167, 500, 999)] == [0, 0, 1, 3, 5]
    assert torch.equal(style.at(49, 50), style.vectors[5])


def test_mixing_styles_of_different_stages(new_style):
    word, one, other = torch.full((WIDTH,), 0.3), new_style(6), new_style(4, seed=1)

    def mix(share, amount, timestep=700):
        return mixed(one, other, share, amount, word, timestep, 1000)

    assert torch.equal(mix(0.0, 0.0), word)
    torch.testing.assert_close(mix(0.0, 1.0), one.vectors[4])
    torch.testing.assert_close(mix(1.0, 1.0), other.vectors[2])
    torch.testing.assert_close(mix(0.5, 1.0, 0), (one.vectors[0] + other.vectors[0]) / 2)
    torch.testing.assert_close(mix(0.0, 1.5) - word, 1.5 * (one.vectors[4] - word))


def test_shares():
    assert stage_shares("0 0.5, 1") == (0, 0.5, 1)
    for text in ("", "0 2", "a b", "-1", "nan", "0 " * 51):
        with pytest.raises(ValueError):
            stage_shares(text)


def test_a_style_knows_its_stages():
    assert Style(torch.ones(3, 2), "<s>").num_stages == 3


# ---------------------------------------------------------------------------------------------- files of others


def written(folder, values, kind):
    path = folder / f"cat-toy.{kind}"
    if kind == "safetensors":
        save_file(values, path)
    else:
        torch.save(values, path)
    return path


@pytest.mark.parametrize("kind", ["safetensors", "bin", "pt"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    ("shape", "stacked"), [((WIDTH,), (1, WIDTH)), ((1, WIDTH), (1, WIDTH)), ((3, WIDTH), (1, 3, WIDTH))]
)
def test_textual_inversions_of_diffusers(tmp_path, kind, dtype, shape, stacked):
    vectors = torch.randn(shape).to(dtype)
    found = load_style(written(tmp_path, {"<cat-toy>": vectors}, kind), WIDTH)
    assert (found.name, found.num_stages, found.vectors.shape) == ("<cat-toy>", 1, stacked)
    assert torch.equal(found.vectors.flatten(), vectors.float().flatten())


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("container", ["dict", "ParameterDict", "emb_params", "emb_params.pt"])
def test_embeddings_of_automatic1111(tmp_path, count, container):
    vectors = torch.randn(count, WIDTH)
    if container.startswith("emb_params"):
        path = written(tmp_path, {"emb_params": vectors}, "pt" if container.endswith("pt") else "safetensors")
        name = "cat-toy"
    else:
        param = {"*": vectors} if container == "dict" else torch.nn.ParameterDict({"*": torch.nn.Parameter(vectors)})
        content = {"string_to_token": {"*": 265}, "string_to_param": param, "name": "sepia", "step": 99}
        path, name = written(tmp_path, content | {"sd_checkpoint": None, "sd_checkpoint_name": None}, "pt"), "sepia"
    found = load_style(path, WIDTH)
    assert (found.name, found.num_vectors) == (name, count)
    assert torch.equal(found.vectors.flatten(), vectors.flatten())


OTHERS = {
    "SDXL": ({"clip_g": torch.ones(2, 20), "clip_l": torch.ones(2, WIDTH)}, "embedding for Stable Diffusion XL"),
    "LoRA of kohya": ({"lora_unet_down_blocks_0.lora_up.weight": torch.ones(4, 2)}, "is a LoRA"),
    "LoRA of diffusers": ({"unet.down_blocks.0.lora.up.weight": torch.ones(4, 2)}, "is a LoRA"),
    "LoRA of peft": ({"base_model.model.q_proj.lora_A.weight": torch.ones(4, 2)}, "is a LoRA"),
    "model": ({"model.diffusion_model.input_blocks.0.0.weight": torch.ones(4, 2)}, "a whole diffusion model"),
    "SD 1": ({"<a>": torch.ones(2, 768)}, "768 numbers where this model reads 16 .it is for Stable Diffusion 1"),
    "integers": ({"<a>": torch.ones(WIDTH, dtype=torch.int64)}, "something else in the place|type torch.int64"),
    "many": ({"<a>": torch.ones(65, WIDTH)}, "vectors of 65 × 16 numbers"),
}


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_named_for_what_they_are(tmp_path, refused, name, kind):
    values, reason = OTHERS[name]
    refused(reason, load_style, written(tmp_path, values, kind), WIDTH)


def test_a_loaded_style_of_several_vectors_is_saved_and_read_back(tmp_path):
    style = Style(torch.randn(1, 3, WIDTH), "<s>")
    save_style(style, tmp_path / "style.safetensors")
    assert torch.equal(load_style(tmp_path / "style.safetensors", WIDTH).vectors, style.vectors)


def test_damaged_safetensors_of_others(tmp_path, refused):
    path = written(tmp_path, {"<a>": torch.ones(WIDTH)}, "safetensors")
    content = path.read_bytes()
    for damaged in (content[:-4], content.replace(b"[16]", b"[1e]"), content.replace(b"F32", b"F99"),
                    content.replace(b"[0,64]", b"[9,64]"), content[:8] + b"[" * 80 + content[88:]):  # fmt: skip
        path.write_bytes(damaged)
        refused("'cat-toy.safetensors'", load_style, path, WIDTH)
