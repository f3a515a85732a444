"""Files are whole or not there."""

from __future__ import annotations

import pytest

from engines.files import replacing, write_bytes, write_text


def test_written_whole(tmp_path):
    write_text(tmp_path / "a.txt", "사과\n")
    assert (tmp_path / "a.txt").read_bytes() == "사과\n".encode()
    write_bytes(tmp_path / "a.txt", b"other")
    assert (tmp_path / "a.txt").read_bytes() == b"other"


def test_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    write_text(tmp_path / "a.txt", "old")

    def fail() -> None:
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_old_file_is_seen_until_the_new_one_is_whole(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".txt"
        assert (tmp_path / "a.txt").read_text() == "old"
    assert (tmp_path / "a.txt").read_text() == "new"
