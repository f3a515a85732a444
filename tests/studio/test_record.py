"""Names of folders and the record of a run."""

from __future__ import annotations

import unicodedata
from datetime import datetime

import pytest

from engines.base import EngineError
from studio.record import Record, RunState, create_folder, read_record, slug, title_of
from tests.fake_engine import FakeEngine

NOW = datetime(2026, 11, 21, 9, 30)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a red apple", "a-red-apple"),
        ("  A Red -- Apple!!  ", "a-red-apple"),
        ("빨간 사과", "빨간-사과"),
        ("una manzana roja con año", "una-manzana-roja-con-año"),
        ("a:1 | b:0.4", "a-1-b-0-4"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\Windows\\system32", "c-windows-system32"),
        ("\u202etxt.exe\x00", "txt-exe"),
        ("🍎", "untitled"),
        ("", "untitled"),
        ("x" * 1000, "x" * 40),
    ],
)
def test_slug(text, name):
    assert slug(text) == name
    assert len(name.encode("utf-8")) < 200


def test_slug_of_decomposed_korean_is_composed():
    assert slug(unicodedata.normalize("NFD", "빨간 사과")) == "빨간-사과"


def test_numbers_count_up_per_method_and_day(tmp_path):
    names = [create_folder(tmp_path, "clipdraw", "a red apple", NOW).name for _ in range(3)]
    assert names == ["clipdraw-0001-a-red-apple", "clipdraw-0002-a-red-apple", "clipdraw-0003-a-red-apple"]
    assert create_folder(tmp_path, "unclip", "x", NOW).name == "unclip-0001-x"
    assert create_folder(tmp_path, "clipdraw", "x", NOW.replace(day=22)).name == "clipdraw-0001-x"
    (tmp_path / "2026-11-21" / "clipdraw-0007-by-hand").mkdir()
    (tmp_path / "2026-11-21" / "clipdraw-old").mkdir()
    assert create_folder(tmp_path, "clipdraw", "", NOW) == tmp_path / "2026-11-21" / "clipdraw-0008-untitled"


def test_title_is_the_prompt_in_one_line():
    assert title_of(FakeEngine.Settings(prompt="a  red\n apple ")) == "a red apple"


def test_record_round_trip(tmp_path):
    record = Record("x", "fake", "사과", "pocket", "2026-11-21T09:30:00", {"prompt": "사과"}, RunState.PAUSED, step=3)
    record.changes = [(1, {"wander": 2.0})]
    record.steps = [{"step": 1, "seconds": 0.1, "loss": 2.0}]
    record.write(tmp_path)
    assert read_record(tmp_path) == record
    assert "사과" in (tmp_path / "run.json").read_text("utf-8")


@pytest.mark.parametrize("text", [None, "", "{", "[]", "null", '{"id": 1}', '{"state": "dancing"}'])
def test_unreadable_records(tmp_path, text):
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(EngineError, match="run.json"):
        read_record(tmp_path)
