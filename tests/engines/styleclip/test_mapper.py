"""Against arrays of the released code, formulas written out in double precision, and files good and bad."""

import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engines.base import EngineError
from engines.styleclip.mapper import (
    LevelsMapper,
    SingleMapper,
    StyleSpaceMapper,
    add_residual,
    latent_loss,
    load_mapper,
    save_mapper,
)
from engines.stylegan2 import style_rows

NAMES = list(style_rows(16))
"""b4.conv1, b4.torgb, b8.conv0, b8.conv1, b8.torgb, b16.conv0, b16.conv1, b16.torgb"""
WIDTHS = [6, 6, 6, 5, 5, 5, 4, 4]
CONVOLUTIONS = {0: 6, 2: 6, 3: 5, 5: 5, 6: 4}


@pytest.fixture(scope="module")
def array(references):
    return references.tensors("styleclip_mapper")


@pytest.fixture(scope="module")
def levels_mapper(references):
    return load_mapper(references.path("styleclip_mapper.pt"))


def styles(count: int = 3, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    return {name: torch.randn(count, width, dtype=dtype) for name, width in zip(NAMES, WIDTHS, strict=True)}


def random_mapper(kind: str):
    torch.manual_seed(3)
    mapper = {
        "levels": lambda: LevelsMapper(7),
        "coarse": lambda: LevelsMapper(7, {"coarse"}),
        "no fine": lambda: LevelsMapper(7, {"coarse", "medium"}),
        "single": lambda: SingleMapper(7),
        "full styles": lambda: StyleSpaceMapper(dict(enumerate(WIDTHS))),
        "conv styles": lambda: StyleSpaceMapper(CONVOLUTIONS),
    }[kind]()
    for name, parameter in mapper.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=20)
    return mapper.requires_grad_(False)


KINDS = ["levels", "coarse", "no fine", "single", "full styles", "conv styles"]


def code_for(mapper):
    return styles() if isinstance(mapper, StyleSpaceMapper) else torch.randn(3, 10, 7)


# ---------------------------------------------------------------------------------------------- the released code


def test_reference_residuals(array, levels_mapper):
    w = array("w")
    for key, levels in [
        ("delta", {"coarse", "medium", "fine"}),
        ("delta_no_fine", {"coarse", "medium"}),
        ("delta_only_fine", {"fine"}),
    ]:
        torch.testing.assert_close(levels_mapper(w, levels), array(key), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(levels_mapper(w), array("delta"), rtol=1e-5, atol=1e-5)


def test_reference_edit(array, levels_mapper):
    w_hat = add_residual(array("w"), levels_mapper(array("w")))
    torch.testing.assert_close(w_hat, array("w_hat"), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(latent_loss(w_hat, array("w")), array("latent_mse"), rtol=1e-5, atol=0)


def test_reference_file(array, levels_mapper):
    assert levels_mapper.metadata == {"prompt": "purple hair"}
    assert not levels_mapper.training
    assert not any(parameter.requires_grad for parameter in levels_mapper.parameters())
    for name, tensor in levels_mapper.state_dict().items():
        assert torch.equal(tensor, array(f"sd:{name}"))


def test_reference_of_a_single_mapper(array):
    mapper = SingleMapper(64)
    mapper.load_state_dict({name: array(f"single_sd:{name}") for name in mapper.state_dict()})
    torch.testing.assert_close(mapper(array("w")), array("single_delta"), rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------------------------------------- formulas, written out


def written_out(x: np.ndarray, tensors: dict[str, torch.Tensor], prefix: str) -> np.ndarray:
    x = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-8)
    for layer in range(1, 5):
        weight = tensors[f"{prefix}.mapping.{layer}.weight"].numpy()
        x = x @ (weight * 0.01 / np.sqrt(x.shape[-1])).T + 0.01 * tensors[f"{prefix}.mapping.{layer}.bias"].numpy()
        x = np.where(x > 0, x, 0.2 * x) * np.sqrt(2)
    return x


def test_levels_in_double_precision():
    mapper = random_mapper("levels").double()
    w, tensors = torch.randn(2, 10, 7, dtype=torch.float64), mapper.state_dict()
    rows = [("course", slice(0, 4)), ("medium", slice(4, 8)), ("fine", slice(8, 10))]
    expected = np.concatenate([written_out(w[:, part].numpy(), tensors, f"{key}_mapping") for key, part in rows], 1)
    torch.testing.assert_close(mapper(w), torch.from_numpy(expected), rtol=1e-12, atol=1e-12)


def test_style_space_in_double_precision():
    mapper = random_mapper("conv styles").double()
    code, tensors = styles(dtype=torch.float64), mapper.state_dict()
    found = mapper(code)
    assert list(found) == NAMES
    for index, name in enumerate(NAMES):
        if name.endswith("torgb"):
            assert found[name].count_nonzero() == 0
            assert found[name].shape == code[name].shape
        else:
            expected = torch.from_numpy(written_out(code[name].numpy(), tensors, f"mapper_{index}"))
            torch.testing.assert_close(found[name], expected, rtol=1e-12, atol=1e-12)


def test_the_full_style_space_mapper_moves_colours_too():
    code = styles()
    assert all(residual.count_nonzero() > 0 for residual in random_mapper("full styles")(code).values())


def test_latent_loss_in_style_space_is_a_sum_of_means():
    code = styles(dtype=torch.float64)
    moved = {name: style + torch.randn_like(style) for name, style in code.items()}
    expected = sum(((moved[name] - style) ** 2).mean() for name, style in code.items())
    torch.testing.assert_close(latent_loss(moved, code), expected)


@pytest.mark.parametrize("strength", [0.0, 0.1, -1.5])
def test_adding_a_residual(strength):
    code, residual = styles(), styles()
    moved = add_residual(code, residual, strength)
    for name in NAMES:
        torch.testing.assert_close(moved[name], code[name] + strength * residual[name])
    torch.testing.assert_close(
        add_residual(code["b4.conv1"], residual["b4.conv1"], strength), moved["b4.conv1"], rtol=0, atol=0
    )


# ---------------------------------------------------------------------------------------------- levels


def test_switches_are_those_of_a_mapper_without_the_level():
    whole, without = random_mapper("levels"), LevelsMapper(7, {"coarse", "medium"})
    without.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith("fine")})
    w = torch.randn(2, 18, 7)
    assert torch.equal(whole(w, {"coarse", "medium"}), without(w))
    assert without(w)[:, 8:].count_nonzero() == 0
    assert without(w, {"fine"}).count_nonzero() == 0
    assert whole(w, {"medium"})[:, 4:8].count_nonzero() > 0


@pytest.mark.parametrize("rows", [2, 4, 6, 8, 9, 18])
def test_any_number_of_rows(rows):
    w = torch.randn(2, rows, 7)
    residual = random_mapper("levels")(w)
    assert residual.shape == w.shape
    assert residual.isfinite().all()


def test_rows_are_normalised_over_rows():
    """All rows equal: each number is ±1 after it, whatever its size."""
    w = torch.randn(2, 1, 7).expand(2, 4, 7)
    mapper = random_mapper("coarse")
    torch.testing.assert_close(mapper(w), mapper(w.sign()), rtol=1e-5, atol=1e-5)


def test_a_zero_code_is_safe():
    w = torch.zeros(1, 10, 7, requires_grad=True)
    random_mapper("levels")(w).sum().backward()
    assert w.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_all_weights(kind):
    mapper = random_mapper(kind).requires_grad_(True)
    code = code_for(mapper)
    latent_loss(add_residual(code, mapper(code)), code).backward()
    assert all(parameter.grad.count_nonzero() > 0 for parameter in mapper.parameters())


def test_gradients_of_the_code():
    mapper = random_mapper("levels").double()
    w = torch.randn(1, 9, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mapper, (w,))


@pytest.mark.parametrize("kind", ["levels", "single"])
@pytest.mark.parametrize("shape", [(3, 7), (3, 10, 6)])
def test_codes_of_another_generator(kind, shape):
    with pytest.raises(EngineError, match=r"codes of shape \(N, rows, 7\) and got \(3, .* choose the generator"):
        random_mapper(kind)(torch.randn(shape))


@pytest.mark.parametrize("kind", ["full styles", "conv styles"])
def test_styles_of_another_generator(kind):
    code = styles()
    smaller = {name: code[name] for name in NAMES[:5]}
    larger = code | {"b32.conv0": torch.randn(3, 4), "b32.conv1": torch.randn(3, 4), "b32.torgb": torch.randn(3, 4)}
    wider = code | {"b8.conv1": torch.randn(3, 9)}
    for other in (smaller, larger, wider):
        with pytest.raises(EngineError, match="another size of generator; choose the one it belongs to"):
            random_mapper(kind)(other)


# ---------------------------------------------------------------------------------------------- files


def released(mapper, **options) -> dict:
    """As the released training program saves it, with (the beginning of) a generator."""
    state = {f"mapper.{name}": tensor for name, tensor in mapper.state_dict().items()}
    state["decoder.input.input"] = torch.randn(1, 512, 4, 4)
    return {"state_dict": state, "opts": {"exp_dir": "results", "stylegan_size": 1024, "lr": 0.5, **options}}


def same(first, second) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return type(first) is type(second) and list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("kind", KINDS)
def test_released_files(tmp_path, kind, is_zip):
    mapper, path = random_mapper(kind), tmp_path / "edit.pt"
    torch.save(released(mapper, description="curly hair"), path, _use_new_zipfile_serialization=is_zip)
    loaded = load_mapper(str(path))
    assert same(loaded, mapper)
    assert loaded.metadata == {"prompt": "curly hair"}
    code = code_for(mapper)
    torch.testing.assert_close(loaded(code), mapper(code), rtol=0, atol=0)


@pytest.mark.parametrize("options", [None, {}, {"description": None}, ["description"]])
def test_options_may_be_anything(tmp_path, options):
    value = released(random_mapper("levels")) | {"opts": options}
    torch.save(value, tmp_path / "edit.pt")
    assert load_mapper(tmp_path / "edit.pt").metadata == {}


@pytest.mark.parametrize("kind", KINDS)
def test_own_files(tmp_path, kind):
    mapper, path = random_mapper(kind), tmp_path / "edit.safetensors"
    mapper.metadata = {"prompt": "빨간 머리", "generator": "0123abcd"}
    save_mapper(mapper, path)
    loaded = load_mapper(path)
    assert same(loaded, mapper)
    assert loaded.metadata == mapper.metadata
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_own_files_at_half_the_size(tmp_path):
    mapper = random_mapper("levels")
    save_mapper(mapper, tmp_path / "whole.safetensors")
    save_mapper(mapper, tmp_path / "half.safetensors", half=True)
    loaded = load_mapper(tmp_path / "half.safetensors")
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, mapper.state_dict()[name].half().float())
    assert (tmp_path / "half.safetensors").stat().st_size < (tmp_path / "whole.safetensors").stat().st_size
    mapper.fine_mapping.mapping[1].weight[0, 0] = 1e5
    with pytest.raises(EngineError, match="beyond the range of fp16"):
        save_mapper(mapper, tmp_path / "half.safetensors", half=True)


def without(value: dict, name: str) -> dict:
    return value | {"state_dict": {k: v for k, v in value["state_dict"].items() if k != name}}


def changed(value: dict, name: str, tensor) -> dict:
    return value | {"state_dict": value["state_dict"] | {name: tensor}}


GOOD = released(random_mapper("levels"))
BIAS = "mapper.fine_mapping.mapping.2.bias"
UNFIT = {
    "no state": ({"opts": {}}, "has no mapper in it"),
    "a list": ([1, 2], "has no mapper in it"),
    "a state that is none": ({"state_dict": [1]}, "has no mapper in it"),
    "a generator": ({"state_dict": {"decoder.input.input": torch.ones(2)}}, "has no mapper in it"),
    "an unknown mapper": ({"state_dict": {"mapper.other.1.bias": torch.ones(2)}}, "has no mapper in it"),
    "a tensor missing": (without(GOOD, BIAS), "lacks the tensor 'fine_mapping.mapping.2.bias'"),
    "first tensor missing": (
        without(GOOD, "mapper.fine_mapping.mapping.1.bias"),
        "has 'fine_mapping.mapping.1.weight'",
    ),
    "another shape": (changed(GOOD, BIAS, torch.ones(8)), r"'fine_mapping.mapping.2.bias' is of shape \(8,\)"),
    "not finite": (changed(GOOD, BIAS, torch.full((7,), torch.nan)), "'fine_mapping.mapping.2.bias' has numbers"),
    "one layer more": (
        changed(GOOD, "mapper.fine_mapping.mapping.5.bias", torch.ones(7)),
        "which a mapper of StyleCLIP does not have",
    ),
    "whole numbers": (changed(GOOD, BIAS, torch.ones(7, dtype=torch.int64)), "damaged or not a mapper of StyleCLIP"),
    "no tensor": (changed(GOOD, BIAS, "bias"), "damaged or not a mapper of StyleCLIP"),
    "no width": (
        changed(GOOD, "mapper.course_mapping.mapping.1.bias", torch.ones(0)),
        "which a mapper of StyleCLIP does not have",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_unfit_files_end_in_a_sentence(tmp_path, name):
    value, message = UNFIT[name]
    torch.save(value, tmp_path / "edit.pt")
    expect_refusal(tmp_path / "edit.pt", message)


def test_damaged_files_end_in_a_sentence(tmp_path):
    path = tmp_path / "edit.pt"
    value = without(GOOD, "decoder.input.input")  # what is not read may be cut off
    torch.save(value, path)
    whole = path.read_bytes()
    torch.save(value, path, _use_new_zipfile_serialization=False)
    legacy = path.read_bytes()
    for content in (b"", b"no mapper at all " * 9, whole[:-40], whole[:200], legacy[:-9], legacy[:100], b"\x80" * 99):
        path.write_bytes(content)
        expect_refusal(path, "damaged or not a mapper of StyleCLIP")


def test_safetensors_of_others(tmp_path):
    path = tmp_path / "edit.safetensors"
    tensors = random_mapper("single").state_dict()
    for metadata in (None, {"format": "pt"}):
        save_file(tensors, path, metadata)
        expect_refusal(path, "not saved as a mapper of StyleCLIP by Atelier")


def test_missing_files(tmp_path):
    with pytest.raises(EngineError, match="There is no file .*choose a mapper of StyleCLIP"):
        load_mapper(tmp_path / "edit.pt")
    with pytest.raises(EngineError, match="cannot be read"):
        load_mapper(tmp_path)


class Touch:
    """Pickled as a call that makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("place", ["opts", "state", "tensor", "whole"])
def test_nothing_in_a_file_runs(tmp_path, place, is_zip):
    target, path = tmp_path / "touched", tmp_path / "edit.pt"
    evil = Touch(target)
    value = {
        "opts": GOOD | {"opts": {"description": evil}},
        "state": GOOD | {"state_dict": evil},
        "tensor": changed(GOOD, BIAS, evil),
        "whole": evil,
    }[place]
    torch.save(value, path, _use_new_zipfile_serialization=is_zip)
    expect_refusal(path, r"wants to use '(posix|nt)\.system'.* source you trust")
    assert not target.exists()
    torch.load(path, weights_only=False)
    assert target.exists()  # or the test would show nothing


def test_nothing_in_a_plain_pickle_runs(tmp_path):
    target, path = tmp_path / "touched", tmp_path / "edit.pt"
    path.write_bytes(pickle.dumps(Touch(target)))
    expect_refusal(path, "system")
    assert not target.exists()


def expect_refusal(path, message):
    with pytest.raises(EngineError, match=message) as caught:
        load_mapper(path)
    assert str(caught.value).startswith(f"'{path.name}'")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
