"""Every word of the page in both languages; no word outside ui/text."""

from __future__ import annotations

import ast
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from engines import ENGINES
from engines.base import EngineError, Sentence
from engines.settings import REASONS
from engines.zoo import CATALOGUE
from ui.language import COOKIE, Text, language_of

ROOT = Path(__file__).parents[2]
UI = ROOT / "ui"
BRACES = re.compile(r"\{\w+(?:[:!][^}]*)?\}")


def words(name: str) -> dict[str, str]:
    return json.loads((UI / "text" / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def text() -> Text:
    return Text({name: ENGINES[name].Settings for name in ENGINES})


# ------------------------------------------------------------------------------------------ complete


def test_both_languages_have_the_same_keys_and_blanks():
    english, korean = words("en.json"), words("ko.json")
    assert sorted(english) == sorted(korean)
    for key in english:
        assert sorted(BRACES.findall(english[key])) == sorted(BRACES.findall(korean[key])), key


@pytest.mark.parametrize("method", list(ENGINES))
def test_every_setting_speaks_korean(method):
    settings, korean = ENGINES[method].Settings, words("settings.ko.json")
    said = {word for spec in settings.specs() for word in (spec.group, spec.label, spec.help, *spec.choices)}
    said |= set(settings.PRESETS)
    assert sorted(word for word in said if word not in korean and not word.isdigit()) == []


def test_every_model_speaks_korean():
    korean = words("settings.ko.json")
    assert [entry.name for entry in CATALOGUE if entry.description not in korean] == []


def test_every_sentence_speaks_korean():
    korean = words("sentences.ko.json")
    assert sorted(template for template in templates() if template not in korean) == []


def test_every_translation_is_of_a_sentence():
    assert sorted(set(words("sentences.ko.json")) - templates()) == []


def templates() -> set[str]:
    """The template of every `EngineError(…)` and `Sentence(…)` in the program; a sentence is a constant at each."""
    found = set(REASONS.values())
    for floor in ("engines", "studio", "ui"):
        for file in sorted((ROOT / floor).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("EngineError", "Sentence"):
                    found |= constants(node.args[0], f"{file.relative_to(ROOT)}:{node.lineno}")
    return {template for template in found if re.search("[A-Za-z]{2}", BRACES.sub("", template))}


def constants(template: ast.expr, place: str) -> set[str]:
    if isinstance(template, ast.IfExp):
        return constants(template.body, place) | constants(template.orelse, place)
    if isinstance(template, ast.Constant):
        return {template.value}
    assert isinstance(template, ast.Name | ast.Attribute | ast.Subscript), f"{place}: write a template"
    return set()


def test_blanks_of_sentences_are_filled():
    for english, korean in words("sentences.ko.json").items():
        assert sorted(BRACES.findall(english)) == sorted(BRACES.findall(korean)), english


# ------------------------------------------------------------------------------------------ in its place


class Visible(HTMLParser):
    def __init__(self):
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words += [data.strip()] if data.strip() else []


@pytest.mark.parametrize("template", sorted(UI.rglob("*.html")), ids=lambda path: path.name)
def test_templates_hold_no_words_and_nothing_that_is_evaluated(template):
    source = template.read_text("utf-8")
    parser = Visible()
    parser.feed(source)
    assert parser.words == []
    # Gradio evaluates a template as Handlebars and then as a JavaScript template literal.
    assert not re.search(r"\$\{|\{\{|`", source)


@pytest.mark.parametrize("script", sorted(UI.rglob("*.js")), ids=lambda path: path.name)
def test_scripts_hold_no_words(script):
    source = re.sub(r"//.*", "", script.read_text("utf-8"))
    spoken = re.findall(r"(?:textContent|title|alt|placeholder)\s*[:=]\s*[\"'`]([^\"'`$]*[A-Za-z]{2}[^\"'`$]*)", source)
    assert spoken == []


def test_components_hold_no_words():
    spoken = []
    for file in UI.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            for keyword in getattr(node, "keywords", []):
                named = keyword.arg in ("label", "info", "placeholder", "alt_text")
                if named and isinstance(keyword.value, ast.Constant | ast.JoinedStr):
                    spoken.append(f"{file.name}: {ast.unparse(keyword.value)}")
    assert spoken == []


def test_every_key_is_used():
    """By its whole name, or, where a component's script says it, by what follows the component's own prefix."""
    source = "".join(path.read_text("utf-8") for path in UI.rglob("*") if path.suffix in (".py", ".js", ".html"))
    made_up = (
        "controls.examples.",
        "edit.",
        "domain.",
        "dream.",
        "unclip.",
        "way.",
        "canvas.kind.",
        "status.",
        "history.state.",
        "models.pocket",
        "models.full",
    )
    keys = [key for key in words("en.json") if not key.startswith(made_up)]
    spoken = {key: key.split(".", 1)[1].removesuffix("_hint") for key in keys}
    assert [key for key in keys if key not in source and not re.search(rf"\b{spoken[key]}\b", source)] == []


# ------------------------------------------------------------------------------------------ chosen and filled in


@pytest.mark.parametrize(
    ("cookies", "accepts", "wanted"),
    [
        ({}, "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ({}, "en-US,ko;q=0.5", "en"),
        ({}, "fr", "en"),
        ({COOKIE: "en"}, "ko-KR", "en"),
        ({COOKIE: "ko"}, "en-US", "ko"),
        ({COOKIE: "<script>"}, "ko", "ko"),
    ],
)
def test_the_switch_goes_before_the_browser(cookies, accepts, wanted):
    assert language_of(SimpleNamespace(cookies=cookies, headers={"accept-language": accepts})) == wanted


def test_sentences_keep_their_names_and_numbers(text):
    error = EngineError(
        "Setting '{name}' has to be at most {le:g} (got {value}).", name="num_strokes", le=2048, value="9999"
    )
    assert text.sentence(error, "en") == "Setting 'Strokes' has to be at most 2048 (got 9999)."
    assert text.sentence(error, "ko") == "설정 '획'은 2048 이하여야 합니다(받은 값: 9999)."
    assert text.sentence("Setting 'num_strokes' needs a number.", "en") == "Setting 'Strokes' needs a number."


def test_a_sentence_in_a_sentence_is_translated(text):
    inner = Sentence("'{text}' is not a colour; write it like #ff8800.", text="rot")
    outer = EngineError("Setting '{name}': {reason}", name="background", reason=EngineError(inner))
    assert text.sentence(outer, "ko") == "설정 '배경': 'rot'은(는) 색이 아닙니다. #ff8800처럼 쓰세요."


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("prompt", "설정 '프롬프트'가 "), ("ink", "설정 '잉크'가 "), ("background", "설정 '배경'이 ")],
)
def test_korean_particles_follow_their_word(text, name, wanted):
    error = EngineError("Setting '{low}' is larger than '{high}'; make it smaller.", low=name, high="seed")
    assert text.sentence(error, "ko").startswith(wanted)


def test_an_unknown_sentence_stays_english(text):
    assert text.sentence("The moon is too far away.", "ko") == "The moon is too far away."
