import json

import pytest

from world.keywords import SHARED_BY, add_keywords
from world.subjects import Subject


@pytest.fixture
def package(tmp_path):
    """An emojibase-data package of three rows and a crowd that all are "common"."""
    english = [["bear", "common", "panda"], ["grizzly", "common"], ["yacht", "common", "sign", ":)"]]
    korean = [["판다", "대나무"], ["bear", "대나무"], ["요트"]]
    characters = ["🐼", "🐻", "⛵️"]
    rows = {
        "en": list(zip(characters, ["panda", "bear", "sailboat"], english, strict=True)),
        "ko": list(zip(characters, ["판다 얼굴", "곰 얼굴", "돛배"], korean, strict=True)),
    }
    crowd = [(chr(0x1F600 + i), f"{i}", ["common"]) for i in range(SHARED_BY)]
    for language, own in rows.items():
        folder = tmp_path / language
        folder.mkdir()
        data = [{"emoji": e, "label": label, "tags": tags, "subgroup": 34} for e, label, tags in own + crowd]
        (folder / "data.json").write_text(json.dumps(data))
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "groups.json").write_text(json.dumps({"subgroups": {"34": "animal-mammal"}}))
    return tmp_path


def test_keywords_are_those_that_tell(package):
    subjects = [
        Subject("🐼", "panda", "판다 얼굴", ("bear", "panda face"), False),
        Subject("🐻", "bear", "곰 얼굴", (), False),
        Subject("⛵", "sailboat", "돛단배", ("boat",), False),
        *(Subject(chr(0x1F600 + i), f"crowd {i}", f"무리 {i}", (), False) for i in range(SHARED_BY)),
    ]
    panda, bear, boat, *crowd = add_keywords(subjects, package)
    assert panda.aliases == ("panda face",)  # "bear" is another's name
    assert panda.aliases_ko == ("판다",)
    assert (panda.keywords, bear.keywords, boat.keywords) == ((), ("grizzly",), ("yacht",))
    assert (panda.keywords_ko, bear.keywords_ko, boat.keywords_ko) == (("대나무",), ("대나무",), ("요트",))
    assert boat.aliases_ko == ("돛배",)
    assert not any(subject.keywords for subject in crowd)
    assert panda.kind == "animal-mammal"
    assert add_keywords([panda, bear, boat, *crowd], package) == [panda, bear, boat, *crowd]
