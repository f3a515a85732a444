"""Random pickles and mutated files end in a value or an `EngineError`, never in anything else and never without end.

`make torture` tries many more.
"""

import io
import random
from contextlib import suppress
from functools import partial

import pytest
import torch

from engines.base import EngineError
from engines.checkpoints.pickles import read_pickle
from engines.dreamstyler.styles import load_style
from engines.faces.e4e import load_encoder
from engines.faces.identity import load_identity
from engines.styleclip.mapper import load_mapper
from engines.stylegan2 import GeneratorConfig, load_generator
from tests.engines.checkpoints.programs import random_program
from tests.engines.stylegan2.twins import ada_module, random_tensors, to_rosinality, with_filters, write_ada

READERS = (load_generator, load_mapper, load_encoder, load_identity, partial(load_style, width=16))
CONFIG = GeneratorConfig(channels=(3, 2), z_dim=4, mapping_features=(4,))


def read_by_all(path, content: bytes) -> int:
    """How many readers made something of it; anything but a value or a sentence is raised."""
    path.write_bytes(content)
    read = 0
    for load in READERS:
        message = sentence_of(load, path)
        read += not message
        assert "\n" not in message
        assert len(message) < 400
    return read


def sentence_of(load, path) -> str:
    try:
        load(path)
    except EngineError as error:
        return str(error)
    return ""


def fuzz_programs(path, count: int, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(count):
        read_by_all(path, random_program(chance, chance.randrange(1, 80)))


def valid_files(folder) -> list[bytes]:
    tensors = random_tensors(CONFIG)
    write_ada(folder / "ada.pkl", {"G_ema": ada_module(with_filters(tensors), {"z_dim": 4})})
    g_ema, latent_avg = to_rosinality(tensors)
    for zipped in (True, False):
        torch.save({"g_ema": g_ema, "latent_avg": latent_avg}, folder / f"ros{zipped}.pt",
                   _use_new_zipfile_serialization=zipped)  # fmt: skip
    torch.save({"string_to_param": torch.nn.ParameterDict({"*": torch.ones(2, 16)}), "name": "a"}, folder / "style.pt")
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def fuzz_mutations(folder, count: int, seed: int) -> int:
    (folder / "valid").mkdir()
    files, chance, read = valid_files(folder / "valid"), random.Random(seed), 0
    for _ in range(count):
        content = bytearray(chance.choice(files))
        for _ in range(chance.choice([0, 1, 3, 10])):
            place = chance.randrange(min(len(content), chance.choice([300, 3000, 1 << 30])))
            if chance.random() < 0.7:
                content[place] = chance.randrange(256)
            else:  # a piece from elsewhere in the file
                start = chance.randrange(len(content))
                content[place : place + chance.randrange(30)] = content[start : start + chance.randrange(30)]
        read += read_by_all(folder / "mutated", bytes(content))
    return read


def test_random_programs(tmp_path):
    fuzz_programs(tmp_path / "random.pkl", 150, seed=0)


def test_random_programs_are_mostly_pickles():
    """Or the test above would show little."""
    chance, whole = random.Random(0), 0
    for _ in range(150):
        with suppress(EngineError, ValueError, LookupError):
            read_pickle(io.BytesIO(random_program(chance, chance.randrange(1, 80))))
            whole += 1
    assert whole > 10


def test_mutated_files(tmp_path):
    assert fuzz_mutations(tmp_path, 40, seed=1) > 5


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(10))
def test_many_random_programs(tmp_path, seed):
    fuzz_programs(tmp_path / "random.pkl", 5000, seed=100 + seed)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(10))
def test_many_mutated_files(tmp_path, seed):
    fuzz_mutations(tmp_path, 2000, seed=100 + seed)
