"""Against arrays of the released code, formulas written out in double precision, and what must hold for any of them."""

import io
import os
import pickle
import struct

import numpy as np
import pytest
import torch

from engines.base import EngineError
from engines.styleclip.directions import (
    automatic_beta,
    beta_keeping,
    channel_relevance,
    load_relevance,
    manipulation,
    num_channels,
    save_relevance,
    text_direction,
    text_relevance,
)

BETAS = [0.0, 0.1, 0.15, 0.2, 0.3]


@pytest.fixture(scope="module")
def array(references):
    return references.tensors("styleclip_global")


@pytest.fixture(scope="module")
def std(array):
    return torch.cat([array(f"s_std_{index:02d}") for index in array("mindexs").tolist()])


# ---------------------------------------------------------------------------------------------- the released code


def test_reference_channel_relevance(array):
    torch.testing.assert_close(channel_relevance(array("single_channel")), array("fs3"), rtol=0, atol=1e-6)


def test_reference_text_direction(array):
    found = text_direction(array("text_target_raw"), array("text_neutral_raw"))
    torch.testing.assert_close(found, array("dt"), rtol=0, atol=1e-6)


def test_reference_text_relevance(array):
    found = text_relevance(array("fs3"), array("dt"))
    torch.testing.assert_close(found, array("relevance"), rtol=0, atol=1e-6)


@pytest.mark.parametrize("beta", BETAS)
def test_reference_manipulation(array, std, beta):
    found = manipulation(array("fs3"), array("dt"), std, 1.0, beta)
    layers = [array(f"boundary_beta{beta:.2f}_{index:02d}") for index in array("mindexs").tolist()]
    torch.testing.assert_close(found, torch.cat(layers), rtol=1e-5, atol=1e-6)
    counts = dict(zip(array("betas").tolist(), array("num_channels").tolist(), strict=True))
    assert found.count_nonzero() == counts[beta]
    assert num_channels(array("relevance"), beta) == counts[beta]


def test_reference_codes(array, std):
    """From embeddings to the moved styles; those of the toRGB layers stay."""
    fs3 = channel_relevance(array("single_channel"))
    direction = text_direction(array("text_target_raw"), array("text_neutral_raw"))
    sizes, convolutions = array("s_dims").tolist(), array("mindexs").tolist()
    for step, alpha in enumerate(array("alphas").tolist()):
        offset = manipulation(fs3, direction, std, alpha, 0.15)
        parts = dict(zip(convolutions, offset.split([sizes[index] for index in convolutions]), strict=True))
        for index in range(len(sizes)):
            before, after = array(f"dlatent_{index:02d}"), array(f"code_{index:02d}")[:, step]
            moved = before[: len(after)] + parts.get(index, 0)
            torch.testing.assert_close(moved, after, rtol=1e-5, atol=1e-5)


def test_reference_automatic_beta(array):
    relevance = array("relevance")
    assert automatic_beta(relevance, 20) == pytest.approx(array("auto_beta_c20").item())
    assert automatic_beta(relevance, 100) == pytest.approx(array("auto_beta_c100").item())
    for beta, count in zip(array("auto_beta_grid").tolist(), array("auto_beta_counts").tolist(), strict=True):
        assert num_channels(relevance, beta) == count


# ---------------------------------------------------------------------------------------------- formulas, written out


def unit(x):
    return x / np.sqrt((x * x).sum(-1, keepdims=True))


def test_formulas_in_double_precision():
    random = np.random.default_rng(0)
    embeddings, target, neutral, std = (random.normal(size=s) for s in [(7, 5, 2, 6), (4, 6), (3, 6), (9,)])
    fs3 = np.zeros((7, 6))
    for channel in range(7):
        steps = [unit(high) - unit(low) for low, high in embeddings[channel]]
        fs3[channel] = unit(np.mean([unit(step) for step in steps], axis=0))
    direction = unit(unit(unit(target).mean(0)) - unit(unit(neutral).mean(0)))
    relevance = fs3 @ direction
    beta = np.sort(np.abs(relevance))[3] - 1e-9
    expected = [0.0] * 9
    for channel in range(7):
        if abs(relevance[channel]) >= beta:
            expected[channel] = -2.5 * std[channel] * relevance[channel] / np.abs(relevance).max()

    found_fs3 = channel_relevance(torch.from_numpy(embeddings))
    found_direction = text_direction(torch.from_numpy(target), torch.from_numpy(neutral))
    found = manipulation(found_fs3, found_direction, torch.from_numpy(std), -2.5, beta)
    torch.testing.assert_close(found_fs3, torch.from_numpy(fs3), rtol=0, atol=1e-12)
    torch.testing.assert_close(found_direction, torch.from_numpy(direction), rtol=0, atol=1e-12)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)
    assert found.count_nonzero() == 4


def test_lengths_of_embeddings_are_nothing():
    embeddings = torch.randn(4, 3, 2, 8)
    scaled = embeddings * (torch.rand(4, 3, 2, 1) * 100 + 1e-6)
    torch.testing.assert_close(channel_relevance(scaled), channel_relevance(embeddings), rtol=0, atol=1e-5)


def test_half_precision_is_computed_in_float32():
    embeddings = torch.randn(4, 3, 2, 8).half()
    found = channel_relevance(embeddings)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, channel_relevance(embeddings.float()), rtol=0, atol=0)
    assert text_direction(embeddings[0, :, 0], embeddings[0, :, 1]).dtype == torch.float32


def test_the_offset_is_proportional_to_alpha():
    fs3, direction, std = (
        channel_relevance(torch.randn(9, 3, 2, 8)),
        text_direction(*torch.randn(2, 5, 8)),
        torch.rand(9),
    )
    once = manipulation(fs3, direction, std, 1.0, 0.0)
    torch.testing.assert_close(manipulation(fs3, direction, std, -3.0, 0.0), -3 * once)
    assert (once / std).abs().max().item() == pytest.approx(1)
    assert manipulation(fs3, direction, std, 0.0, 0.0).count_nonzero() == 0


# ---------------------------------------------------------------------------------------------- what has no direction


def test_a_channel_that_changes_nothing_has_a_zero_row():
    embeddings = torch.randn(4, 3, 2, 8)
    embeddings[1, :, 1] = embeddings[1, :, 0]  # in no image
    embeddings[2, 0, 1] = embeddings[2, 0, 0] * 3  # in one image
    embeddings[3, :, 0] = 0  # no embedding at all
    found = channel_relevance(embeddings)
    assert found.isfinite().all()
    assert found[1].count_nonzero() == 0
    assert found[[0, 2]].norm(dim=1) == pytest.approx(1)
    torch.testing.assert_close(found[2], channel_relevance(embeddings[2:3, 1:])[0])


def test_rounding_alone_has_no_direction():
    same = torch.nn.functional.normalize(torch.randn(5, 512), dim=1)
    noisy = same * (1 + 1e-7 * torch.randn(5, 512))
    assert text_direction(noisy, same).count_nonzero() == 0
    assert channel_relevance(torch.stack([same, noisy], dim=1)[None]).count_nonzero() == 0


def test_equal_texts():
    texts, fs3 = torch.randn(5, 8), torch.randn(6, 8)
    direction = text_direction(texts, texts.clone())
    assert direction.tolist() == [0] * 8
    for beta in (0.0, 0.1):
        with pytest.raises(EngineError, match="These texts move no style channel"):
            manipulation(fs3, direction, torch.ones(6), 1.0, beta)


def test_zero_embeddings_of_texts():
    assert text_direction(torch.zeros(3, 8), torch.zeros(3, 8)).tolist() == [0] * 8
    some = torch.randn(3, 8)
    torch.testing.assert_close(text_direction(some, torch.zeros(3, 8)).norm(), torch.tensor(1.0))


# ---------------------------------------------------------------------------------------------- beta


def test_beta_too_high_names_one_that_works(array, std):
    with pytest.raises(
        EngineError, match=r"^No style channel reaches beta 0\.9; lower it to 0\.\d+ or less\.$"
    ) as caught:
        manipulation(array("fs3"), array("dt"), std, 1.0, 0.9)
    usable = float(str(caught.value).split("to ")[1].split(" ")[0])
    assert manipulation(array("fs3"), array("dt"), std, 1.0, usable).count_nonzero() > 0
    assert usable == pytest.approx(array("relevance").abs().max().item(), abs=1e-4)


def test_a_channel_at_beta_moves():
    fs3, direction = torch.tensor([[0.25, 0.0], [-0.5, 0.0], [0.125, 0.0]]), torch.tensor([1.0, 0.0])
    offset = manipulation(fs3, direction, torch.tensor([2.0, 3.0, 4.0]), 2.0, 0.25)
    assert offset.tolist() == [2.0, -6.0, 0.0]


def test_automatic_beta_of_any_table():
    assert automatic_beta(torch.full((200,), 0.01)) == 0.1
    assert automatic_beta(torch.full((200,), 0.9)) == 0.29
    assert automatic_beta(torch.full((20,), 0.9)) == 0.1  # not more than 20


@pytest.mark.parametrize("channels", [1, 7, 50])
def test_beta_that_keeps_channels(channels):
    relevance = torch.randn(50) / 1000
    beta = beta_keeping(relevance, channels)
    assert num_channels(relevance, beta) == channels
    assert num_channels(relevance, beta * 1.0001) == channels - 1


def test_beta_cannot_keep_more_channels_than_there_are():
    relevance = torch.tensor([0.1, -0.3])
    assert num_channels(relevance, beta_keeping(relevance, 100)) == 2


# ---------------------------------------------------------------------------------------------- what belongs together


def test_a_table_without_the_last_channels(array, std):
    whole = manipulation(array("fs3"), array("dt"), std, 4.1, 0.15)
    strongest = array("relevance").abs().argmax().item()
    first = strongest + 1
    part = manipulation(array("fs3")[:first], array("dt"), std, 4.1, 0.15)
    assert part.shape == whole.shape
    torch.testing.assert_close(part[:first], whole[:first])
    assert part[first:].count_nonzero() == 0
    assert whole[first:].count_nonzero() > 0


def test_a_table_of_another_generator():
    with pytest.raises(EngineError, match="6 style channels and the generator 5; choose the table"):
        manipulation(torch.randn(6, 8), torch.randn(8), torch.ones(5), 1.0, 0.0)


def test_a_table_of_another_clip():
    with pytest.raises(EngineError, match="8 numbers in an embedding and this one has 9; choose the CLIP"):
        manipulation(torch.randn(6, 8), torch.randn(9), torch.ones(6), 1.0, 0.0)


# ---------------------------------------------------------------------------------------------- files


def test_saved_tables_are_read_back(tmp_path):
    fs3 = torch.randn(6, 8)
    save_relevance(fs3, tmp_path / "fs3.npy")
    assert torch.equal(load_relevance(tmp_path / "fs3.npy"), fs3)
    assert np.array_equal(np.load(tmp_path / "fs3.npy"), fs3.numpy())


@pytest.mark.parametrize(("dtype", "order"), [(np.float64, "C"), (np.float32, "F"), (np.float16, "C"), (">f4", "C")])
def test_tables_of_others(tmp_path, dtype, order):
    table = np.asarray(np.random.default_rng(0).normal(size=(6, 8)), dtype, order=order)
    np.save(tmp_path / "fs3.npy", table)
    found = load_relevance(tmp_path / "fs3.npy")
    assert (found.dtype, found.is_contiguous()) == (torch.float32, True)
    assert np.array_equal(found.numpy(), table.astype(np.float32))


def npy(value, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, value, **options)
    return file.getvalue()


def claiming(shape: tuple[int, ...]) -> bytes:
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 64


DAMAGED = {
    "nothing": (b"", "is no table"),
    "text": (b"a table of channel relevance", "is no table"),
    "archive": (b"PK\x03\x04" + b"\0" * 60, "is no table"),
    "end cut off": (npy(np.ones((6, 8)))[:-8], "is no table"),
    "more than there is": (claiming((1 << 40, 512)), "is no table"),
    "one row": (npy(np.ones(8)), r"float64 numbers of shape \(8,\)"),
    "no rows": (npy(np.ones((0, 8))), "is no table|of shape"),
    "whole numbers": (npy(np.ones((6, 8), int)), "int64 numbers"),
    "no number": (npy(np.full((6, 8), np.nan)), "not finite"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_tables_end_in_a_sentence(tmp_path, name):
    content, message = DAMAGED[name]
    path = tmp_path / "fs3.npy"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=message) as caught:
        load_relevance(path)
    assert str(caught.value).startswith("'fs3.npy' ")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_missing_table(tmp_path):
    with pytest.raises(EngineError, match="There is no file"):
        load_relevance(tmp_path / "fs3.npy")
    with pytest.raises(EngineError, match="cannot be read"):
        load_relevance(tmp_path)


class Touch:
    """Pickled as a call that makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_nothing_in_a_table_runs(tmp_path):
    target, path = tmp_path / "touched", tmp_path / "fs3.npy"
    evil = np.array([[Touch(target)]], dtype=object)
    for content in (npy(evil, allow_pickle=True), pickle.dumps(Touch(target))):
        path.write_bytes(content)
        with pytest.raises(EngineError, match="is no table"):
            load_relevance(path)
        assert not target.exists()
