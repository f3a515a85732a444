"""Names of things: joined by Unicode characters, by what packages call them, and by WordNet."""

import json

import pytest

from tests.tiny_world import CONCEPTS
from world.artists.gallery import Picture
from world.concepts.build import compound_concepts, drawn_only, emoji_concepts, further_concepts, with_extras
from world.concepts.matching import Match, Matcher, variations
from world.concepts.vocabulary import Concept, load_concepts, save_concepts
from world.concepts.wordnet import WordNet
from world.subjects import Subject, load_subjects


def picture(*names: str, artist: str = "icon-park", emoji: str = "", tags: tuple[str, ...] = ()) -> Picture:
    return Picture(artist, names[0], "training", names, tags, emoji)


# ------------------------------------------------------------------------------------------------------ matching


@pytest.mark.parametrize(
    ("shown", "name", "exact"),
    [
        (picture("whatever", emoji="🐈"), "cat", True),
        (picture("kitty"), "cat", True),
        (picture("Parasol-Closed"), "umbrella", True),
        (picture("umbrella two"), "umbrella", True),
        (picture("small blue umbrella (b and w)"), "umbrella", True),
        (picture("redapple"), "red apple", True),
        (picture("cats"), "cat", True),
        (picture("war axe", artist="game-icons"), "axe", False),
        (picture("persian cat", tags=("cat",)), "cat", False),
    ],
)
def test_pictures_find_their_concept(shown, name, exact):
    place = next(i for i, concept in enumerate(CONCEPTS) if concept.en == name)
    assert Matcher(CONCEPTS).find(shown) == Match(place, exact)


@pytest.mark.parametrize("name", ["persian cat", "file folder", "concatenate"])
def test_pictures_of_other_things_find_none(name):
    assert Matcher(CONCEPTS).find(picture(name)) is None


def test_variations_leave_more_and_more_out():
    assert list(variations("Old brown Cat with hat 2")) == [
        "old brown cat with hat 2", "old brown cat with hat", "old brown cat", "brown cat", "cat",
    ]  # fmt: skip
    assert "family" in list(variations("family man woman girl"))


# ------------------------------------------------------------------------------------------------------ WordNet


@pytest.fixture
def wordnet(tmp_path):
    """Three nouns in WordNet's format: lighthouse (and beacon), a bank of two senses, love."""
    synsets = {
        "lighthouse": '06 n 02 lighthouse 0 beacon_light 0 000 | a tower with a light; "a far one"',
        "shore": "17 n 01 bank 0 000 | sloping land",
        "love": "12 n 01 love 0 000 | a strong feeling",
    }
    lines, offsets, position = [], {}, 0
    for name, facts in synsets.items():
        line = f"{position:08} {facts}\n"
        offsets[name] = position
        lines.append(line)
        position += len(line.encode())
    index = [
        f"lighthouse n 1 1 @ 1 0 {offsets['lighthouse']:08}",
        f"beacon_light n 1 1 @ 1 0 {offsets['lighthouse']:08}",
        f"bank n 1 1 @ 1 0 {offsets['shore']:08}",
        f"love n 1 1 @ 1 0 {offsets['love']:08}",
    ]
    senses = [
        "lighthouse%1:06:00:: 1 1 5",
        "beacon_light%1:06:00:: 1 1 0",
        "bank%1:17:00:: 1 1 9",
        "bank%2:40:00:: 1 1 30",
    ]
    senses += ["old%3:00:00:: 1 1 9"]
    folder = tmp_path / "dict"
    folder.mkdir()
    (folder / "data.noun").write_text("".join(lines))
    (folder / "index.noun").write_text("  1 licence\n" + "\n".join(index) + "\n")
    (folder / "index.sense").write_text("\n".join(senses) + "\n")
    return WordNet(tmp_path)


def test_senses_have_a_kind_words_and_a_gloss(wordnet):
    sense = wordnet.senses("beacon light")[0]
    assert sense.kind == "artifact"
    assert sense.lemmas == ("lighthouse", "beacon light")
    assert sense.gloss == "a tower with a light"
    assert wordnet.senses("love")[0].kind == ""
    assert wordnet.senses("nothing") == []
    assert wordnet.is_mostly_noun("lighthouse")
    assert not wordnet.is_mostly_noun("bank")


def test_nouns_that_can_be_drawn_become_concepts(wordnet):
    drawn = [picture("lighthouse one"), picture("beacon light"), picture("love"), picture("bank")]
    concepts = further_concepts(list(CONCEPTS), {}, drawn, wordnet)
    assert [concept.en for concept in concepts[len(CONCEPTS) :]] == ["lighthouse"]
    assert concepts[-1].synonyms == ("beacon light",)
    assert concepts[-1].gloss == "a tower with a light"


def test_two_words_become_a_concept_when_the_last_one_is(wordnet):
    drawn = [picture("old cat", artist="game-icons"), picture("xyz cat", artist="game-icons"), picture("bank axe")]
    names = {concept.en for concept in compound_concepts(list(CONCEPTS), drawn, wordnet)}
    assert names == {
        concept.en for concept in CONCEPTS
    }  # "old" only describes, "xyz" is no word, icon-park's are short
    drawn = [picture("bank axe", artist="game-icons")]
    assert compound_concepts(list(CONCEPTS), drawn, wordnet)[-1] == Concept("bank axe", kind="artifact")


# ------------------------------------------------------------------------------------------------------ emoji


def test_gendered_emoji_are_one_concept(tmp_path):
    rows = [
        ("astronaut", "🧑‍🚀"),
        ("man astronaut", "👨‍🚀"),
        ("woman astronaut", "👩‍🚀"),
        ("flag: France", "🇫🇷"),
        ("grapes", "🍇"),
    ]
    korean = {
        "astronaut": "우주비행사",
        "man astronaut": "남자 우주비행사",
        "woman astronaut": "여자",
        "flag: France": "프랑스",
        "grapes": "포도",
    }
    for language, label in (("en", lambda name: name), ("ko", korean.get)):
        (tmp_path / language).mkdir()
        listed = [{"label": label(name), "emoji": emoji, "group": 1, "subgroup": 25} for name, emoji in rows]
        (tmp_path / language / "data.json").write_text(json.dumps(listed))
    (tmp_path / "en" / "shortcodes").mkdir()
    (tmp_path / "en" / "shortcodes" / "emojibase.json").write_text(json.dumps({"1F347": ["bunch_of_grapes", "grapes"]}))
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "groups.json").write_text(json.dumps({"subgroups": {"25": "person-role"}}))
    drawn = [picture(name, emoji=emoji) for name, emoji in rows]
    grapes, astronaut = emoji_concepts([Subject("🍇", "grapes", "포도", (), False)], tmp_path, drawn)
    assert (astronaut.en, astronaut.ko, len(astronaut.emoji)) == ("astronaut", "우주비행사", 3)
    assert grapes.spellings == ("bunch of grapes",)
    assert Matcher([grapes, astronaut]).find(picture("x", emoji="👩‍🚀")).concept == 1


# ------------------------------------------------------------------------------------------------------ the list


def test_extras_add_names_and_undrawn_things_are_dropped(tmp_path):
    file = tmp_path / "extras.tsv"
    file.write_text("cat\thouse cat | kitty\t나비\t\nunicycle\t\t외발자전거\tone wheel bike\n", "utf-8")
    concepts = with_extras(list(CONCEPTS), file)
    assert concepts[0].synonyms == ("kitty", "house cat")
    assert concepts[0].synonyms_ko == ("나비", "야옹이")
    assert concepts[-1] == Concept("unicycle", ko="외발자전거", kind="artifact", spellings=("one wheel bike",))
    assert drawn_only(concepts, [picture("axe")], kept=2) == [*concepts[:2], concepts[5]]
    assert drawn_only(concepts, [picture("one wheel bike")], kept=2)[-1].en == "unicycle"


def test_concepts_are_read_back(tmp_path):
    save_concepts(list(CONCEPTS), tmp_path / "concepts.json")
    rows = json.loads((tmp_path / "concepts.json").read_text("utf-8"))
    assert "synonyms" not in rows[1]
    assert rows[0]["synonyms_ko"] == ["야옹이"]


def test_the_shipped_list_begins_with_the_subjects_and_knows_everyday_things():
    concepts = load_concepts()
    subjects = load_subjects()
    assert [concept.en for concept in concepts[: len(subjects)]] == [subject.en for subject in subjects]
    assert len(concepts) >= 3000
    assert len({concept.en.lower() for concept in concepts}) == len(concepts)
    assert sum(bool(concept.ko) for concept in concepts) >= 1500
    matcher = Matcher(concepts)
    for name in ("lighthouse", "wizard", "dinosaur", "hot air balloon", "astronaut", "treasure chest", "sandcastle"):
        assert matcher.name(name) is not None, name
    by_name = {concept.en: concept for concept in concepts}
    assert by_name["lighthouse"].ko == "등대"
    assert concepts[matcher.name("wizard")].ko == "마법사"
