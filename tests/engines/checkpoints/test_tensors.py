"""Tensors in torch's two file formats: their shapes before they are read, and files that lie about them."""

import zipfile

import pytest
import torch
from torch import Tensor, nn

from engines.checkpoints import Budget, claimed_shape, open_checkpoint, tensors, to_tensor

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])


@pytest.fixture
def write(tmp_path):
    def save(value, zipped=True):
        torch.save(value, tmp_path / "tensors.pt", _use_new_zipfile_serialization=zipped)
        return tmp_path / "tensors.pt"

    return save


def read(path) -> Tensor:
    with open_checkpoint(path, "a tensor") as value:
        return to_tensor(value, Budget())


@FORMATS
def test_shapes_are_known_before_numbers_are_read(write, refused, zipped):
    huge = torch.zeros(1).expand(1 << 20, 1 << 20)  # 4 TiB if it were copied
    values = {"plain": huge, "parameter": nn.Parameter(torch.zeros(2, 3)), "scalar": torch.zeros(()), "text": "text"}
    path = write(values, zipped)
    with open_checkpoint(path, "tensors") as found:
        shapes = [claimed_shape(found, name) for name in ("plain", "parameter", "scalar")]
    assert shapes == [(1 << 20, 1 << 20), (2, 3), ()]
    assert claimed_shape({"read": torch.zeros(4, 1)}, "read") == (4, 1)

    def shape_of(name):
        with open_checkpoint(path, "tensors") as found:
            claimed_shape(found, name)

    refused("'tensors.pt': The file lacks the tensor 'bias'", shape_of, "bias")
    refused("damaged or not tensors .*place of the tensor 'text'", shape_of, "text")
    refused("more than 536870912 numbers", read, write(huge, zipped))


def test_numbers_are_counted_over_all_tensors(monkeypatch, refused):
    monkeypatch.setattr(tensors, "MAX_ELEMENTS", 20)
    budget = Budget()
    budget.take((2, 5))
    budget.take((10,))
    budget.take((0, 7))
    refused("more than 20 numbers", budget.take, ())


def test_a_storage_that_claims_more_than_there_is(write, refused):
    path = write(torch.ones(20, 16), zipped=False)
    content = path.read_bytes()
    assert content.count(b"M@\x01N") == 1  # 320 numbers
    path.write_bytes(content.replace(b"M@\x01N", b"J\xff\xff\xff\x7fN"))
    torch.testing.assert_close(read(path), torch.ones(20, 16))  # no more is read than the tensor needs
    path.write_bytes(content[:-4])
    refused("ends in the middle of its numbers", read, path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_zip_bombs(tmp_path, refused, compression):
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"N" * (17 << 20))
    is_small = compression == zipfile.ZIP_DEFLATED
    assert (path.stat().st_size < 1 << 20) == is_small
    refused("it is compressed" if is_small else "its index is larger than 16 MiB", read, path)


def test_other_archives(tmp_path, refused):
    with zipfile.ZipFile(tmp_path / "text.docx", "w") as archive:
        archive.writestr("word/document.xml", b"a document")
    refused("a zip archive of something else", read, tmp_path / "text.docx")


def test_foreign_byte_order(write, refused, tmp_path):
    with zipfile.ZipFile(write(torch.ones(3))) as old, zipfile.ZipFile(tmp_path / "big.pt", "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, b"big" if info.filename.endswith("byteorder") else old.read(info))
    refused("'big.pt' .*byte order", read, tmp_path / "big.pt")
