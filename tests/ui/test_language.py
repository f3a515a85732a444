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
from engines.zoo import CATALOGUE
from ui.language import COOKIE, Text, language_of

ROOT = Path(__file__).parents[2]
UI = ROOT / "ui"
BRACES = re.compile(r"\{\w+\}")
# What these raise can reach a person through the page.
SPEAKING = [
    "ui", "studio", "engines/base.py", "engines/export.py", "engines/images.py", "engines/colors.py",
    "engines/clip/prompts.py", "engines/clip/guidance.py", "engines/clipdraw", "engines/styleclipdraw", "engines/style",
    "engines/zoo/models.py", "engines/vector/svg.py", "engines/styleclip", "engines/checkpoints",
    "engines/stylegan2/checkpoint.py", "engines/stylegan2/_dialects.py", "engines/stylegan2/projector.py",
    "engines/faces", "engines/stylegan_nada", "engines/diffusion", "engines/dreamstyler", "engines/unclip",
]  # fmt: skip


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


def test_every_sentence_speaks_korean(text):
    told = text.sentence
    untold = [sentence for sentence in raised_sentences() if told(sentence, "ko") == told(sentence, "en")]
    assert untold == [], "add these to ui/text/sentences.ko.json"


def raised_sentences() -> list[str]:
    """The sentence of every `EngineError(...)`, its blanks filled with something."""
    found = []
    for place in SPEAKING:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "EngineError" and node.args:
                    found.append(sample(node.args[0]))
    return [sentence for sentence in found if re.search("[a-z]", sentence)]  # not what only joins others


def sample(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return ""


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
    korean = text.sentence("Setting 'num_strokes': should be less than or equal to 2048 (got 9999).", "ko")
    assert korean == "설정 '획': 2048 이하여야 합니다 (받은 값: 9999)."
    english = text.sentence("Setting 'num_strokes' needs a number.", "en")
    assert english == "Setting 'Strokes' needs a number."


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("prompt", "설정 '프롬프트'가 비어"), ("ink", "설정 '잉크'가 비어"), ("background", "설정 '배경'이 비어")],
)
def test_korean_particles_follow_their_word(text, name, wanted):
    assert text.sentence(f"Setting '{name}' is empty; type what to draw.", "ko").startswith(wanted)


def test_an_unknown_sentence_stays_english(text):
    assert text.sentence("The moon is too far away.", "ko") == "The moon is too far away."
