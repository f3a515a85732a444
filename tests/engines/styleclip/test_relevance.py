"""Exact and estimated relevance, with a linear stand-in for CLIP whose answers can be written down."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from engines.base import EngineError
from engines.styleclip import relevance
from engines.styleclip.directions import text_relevance
from engines.styleclip.relevance import (
    RelevanceEstimates,
    RelevanceTable,
    StyleStatistics,
    estimate_relevance,
    measure_remaining,
    measure_table,
    relevance_codes,
    style_statistics,
)
from engines.stylegan2 import Generator, GeneratorConfig, conv_channels

CONFIG = GeneratorConfig(channels=(6, 5, 4), z_dim=8, mapping_features=(12, 10))


class LinearEncoder:
    """Embeds pictures by a random matrix and gives unit length, as a `ClipEncoder` does."""

    image_size, sha256 = 8, "c" * 64

    def __init__(self):
        self.matrix = torch.randn(3 * 64, 12, generator=torch.Generator().manual_seed(0))

    def encode_texts(self, texts):
        return torch.zeros(len(texts), 12)

    def encode_image(self, pictures):
        return torch.nn.functional.normalize(pictures.flatten(1) @ self.matrix, dim=1)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(1)
    return Generator(CONFIG).requires_grad_(False).eval()


@pytest.fixture(scope="module")
def statistics(generator):
    return style_statistics(generator, 500)


def test_codes_are_those_of_the_released_script(generator):
    codes = relevance_codes(generator, 3)
    assert codes.shape == (3, CONFIG.num_ws, 10)
    assert torch.allclose(codes, relevance_codes(generator, 5)[:3], atol=1e-5)


def test_statistics_are_of_the_population(generator, statistics):
    channels = conv_channels(generator.styles(relevance_codes(generator, 500)))
    assert torch.allclose(statistics.mean, channels.mean(0), atol=1e-5)
    assert torch.allclose(statistics.std, channels.std(0, correction=0), atol=1e-5)


def test_table_has_a_unit_row_for_every_channel(generator, statistics):
    codes, done = relevance_codes(generator, 3), []
    table = measure_table(generator, LinearEncoder(), statistics, codes, advanced=done.append)
    assert table.shape == (len(statistics.std), 12)
    assert torch.allclose(table.norm(dim=1), torch.ones(len(table)), atol=1e-4)
    assert done == list(range(len(table)))
    part = measure_table(generator, LinearEncoder(), statistics, codes, channels=range(4, 7), batch=2)
    assert torch.allclose(part, table[4:7], atol=1e-5)


def test_row_is_the_change_of_the_embedding_with_the_channel(generator, statistics):
    """One channel, one picture, written out."""
    encoder, code, channel = LinearEncoder(), relevance_codes(generator, 1), 2
    table = measure_table(generator, encoder, statistics, code, channels=range(channel, channel + 1))
    styles = generator.styles(code)
    embeddings = []
    for side in (-5, 5):
        moved = {name: style.clone() for name, style in styles.items()}
        moved["b4.conv1"][:, channel] = statistics.mean[channel] + side * statistics.std[channel]
        pixels = (generator.synthesis_from_styles(moved) * 127.5 + 128).clamp(0, 255).floor() / 255
        small = torch.nn.functional.interpolate(
            pixels, (8, 8), mode="bicubic", antialias=True, align_corners=False
        ).clamp(0, 1)
        embeddings.append(encoder.encode_image(small)[0])
    step = embeddings[1] - embeddings[0]
    assert torch.allclose(table[0], step / step.norm(), atol=1e-3)


def test_estimate_ranks_channels_as_the_table_does(generator, statistics):
    encoder, codes = LinearEncoder(), relevance_codes(generator, 12)
    direction = torch.nn.functional.normalize(torch.randn(12, generator=torch.Generator().manual_seed(3)), dim=0)
    exact = text_relevance(measure_table(generator, encoder, statistics, codes), direction)
    *_, estimated = estimate_relevance(generator, encoder, statistics, codes, direction, probes=32)
    ranks = torch.stack([values.argsort().argsort().float() for values in (exact, estimated)])
    assert torch.corrcoef(ranks)[0, 1] > 0.6
    assert estimated.abs().max() < 2


def test_estimate_comes_picture_by_picture(generator, statistics):
    direction = torch.zeros(12)
    direction[0] = 1
    found = list(estimate_relevance(generator, LinearEncoder(), statistics, relevance_codes(generator, 3), direction))
    assert len(found) == 3
    assert not torch.equal(found[0], found[2])


def test_table_is_read_back(tmp_path):
    table = RelevanceTable(torch.eye(4), torch.arange(4.0), "g" * 64, "c" * 64)
    table.save(tmp_path / "table.safetensors")
    found = RelevanceTable.load(tmp_path / "table.safetensors")
    assert torch.equal(found.fs3, table.fs3)
    assert torch.equal(found.std, table.std)
    assert (found.generator, found.clip) == (table.generator, table.clip)


@pytest.mark.parametrize("content", [None, b"", b"no table at all", b"\x08\0\0\0\0\0\0\0{}      "])
def test_table_refuses_other_files(tmp_path, content):
    path = tmp_path / "table.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EngineError, match="table of channel relevance"):
        RelevanceTable.load(path)


def test_a_table_goes_on_where_it_was_left(generator, statistics, tmp_path):
    encoder, codes, path = LinearEncoder(), relevance_codes(generator, 2), tmp_path / "folder" / "table.safetensors"

    def measuring():
        return measure_remaining(generator, encoder, statistics, codes, path, chunk=10)

    first, second = islice(measuring(), 2)
    assert [(len(table.fs3), table.is_whole) for table in (first, second)] == [(0, False), (10, False)]
    rest = list(measuring())
    assert [len(table.fs3) for table in rest] == [10, 20, 26]
    assert rest[-1].is_whole
    assert (rest[-1].generator, rest[-1].clip) == (generator.sha256, encoder.sha256)
    (kept,) = measuring()
    assert torch.equal(kept.fs3, rest[-1].fs3)
    whole = measure_table(generator, encoder, statistics, codes)
    torch.testing.assert_close(rest[-1].fs3, whole, rtol=1e-3, atol=1e-3)
    assert torch.equal(RelevanceTable.load(path).fs3, rest[-1].fs3)


def test_estimates_are_found_again(statistics, tmp_path):
    path = tmp_path / "folder" / "estimates.safetensors"
    directions = torch.nn.functional.normalize(torch.randn(3, 12), dim=1)
    found = torch.randn(3, len(statistics.std))
    assert RelevanceEstimates(path).find(directions[0]) is None
    assert RelevanceEstimates(path).statistics("cpu") is None
    for row in range(2):
        RelevanceEstimates(path).keep(statistics, directions[row], found[row])
    estimates = RelevanceEstimates(path)
    assert torch.equal(estimates.find(directions[0]), found[0])
    assert torch.equal(estimates.find(directions[1] + 1e-6), found[1])  # as another device rounds
    assert estimates.find(directions[2]) is None
    assert estimates.find(torch.ones(7)) is None
    assert torch.equal(estimates.statistics("cpu").std, statistics.std)


def test_only_the_newest_estimates_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(relevance, "MOST_ESTIMATES", 2)
    estimates = RelevanceEstimates(tmp_path / "estimates.safetensors")
    for row in torch.eye(4):
        estimates.keep(StyleStatistics(torch.zeros(5), torch.ones(5)), row, torch.ones(5))
    assert [estimates.find(row) is not None for row in torch.eye(4)] == [False, False, True, True]


@pytest.mark.parametrize("content", [b"", b"no estimates at all", b"\x08\0\0\0\0\0\0\0{}      "])
def test_damaged_estimates_are_as_good_as_none(tmp_path, content):
    path = tmp_path / "estimates.safetensors"
    path.write_bytes(content)
    assert RelevanceEstimates(path).find(torch.ones(4)) is None
    RelevanceEstimates(path).keep(StyleStatistics(torch.zeros(5), torch.ones(5)), torch.ones(4), torch.ones(5))
    assert torch.equal(RelevanceEstimates(path).find(torch.ones(4)), torch.ones(5))


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    estimates = RelevanceEstimates(tmp_path / "file" / "estimates.safetensors")
    estimates.keep(StyleStatistics(torch.zeros(5), torch.ones(5)), torch.ones(4), torch.ones(5))
    assert estimates.find(torch.ones(4)) is None
