"""The words of the page in English and Korean.

Three kinds of words, all in ui/text/:

* `en.json`, `ko.json`: what the page itself says, by key ("canvas.pause").
* `settings.ko.json`: labels, help, groups and choices of the settings schemas, by their English wording.
* `sentences.ko.json`: sentences that come from studio/ and engines/, by template ("There is no setting '{name}'.").

What Gradio draws is translated in the browser (`gr.I18n`); what Python says is translated here, in the language that
the browser asks for. A missing Korean wording falls back to English.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr

from engines.errors import EngineError, Sentence
from engines.settings import EngineSettings, SettingSpec

__all__ = ["COOKIE", "LANGUAGES", "Text", "language_of"]

LANGUAGES = ("en", "ko")
COOKIE = "atelier-language"
_FOLDER = Path(__file__).parent / "text"


def language_of(request: Any) -> str:
    """ "en" or "ko": what the page's switch says (a cookie), else what the browser prefers."""
    chosen = request.cookies.get(COOKIE) if request is not None else None
    if chosen in LANGUAGES:
        return chosen
    preferred = request.headers.get("accept-language", "") if request is not None else ""
    return "ko" if preferred.lower().startswith("ko") else "en"


class Text:
    """Looks words up. Knows the settings schemas of all methods, so that their labels can be translated as well."""

    def __init__(self, settings: dict[str, type[EngineSettings]], more: Sequence[Path] = ()):
        """more: files of words that tabs bring with them (`ui.tabs`)."""
        self._settings = settings
        self._names: dict[str, str] = {}
        for spec in (spec for kind in settings.values() for spec in kind.specs()):
            self._names.setdefault(spec.name, spec.label)  # what most methods call it, they come first
        self._page = {language: _read(f"{language}.json") for language in LANGUAGES}
        self._schema = {"en": {}, "ko": _read("settings.ko.json")}
        self._sentences = _read("sentences.ko.json")
        for words in (json.loads(path.read_text(encoding="utf-8")) for path in more):
            for language in LANGUAGES:
                self._page[language] |= words["page"][language]
            self._schema["ko"] |= words["settings.ko"]
            self._sentences |= words["sentences.ko"]

    # ------------------------------------------------------------------ what Python says

    def say(self, key: str, language: str, **values: Any) -> str:
        """The words of the page under `key`, filled in."""
        return self._page[language].get(key, self._page["en"][key]).format(**values)

    def wording(self, english: str, language: str) -> str:
        """A label, help text, group or choice of a settings schema."""
        return self._schema[language].get(english, english)

    def sentence(self, text: str | EngineError, language: str) -> str:
        """A sentence from studio/ or engines/, looked up by its template; settings appear under their labels.

        A `str` without a template, or a template without a translation, stays English.
        """
        if isinstance(text, EngineError):
            text = text.sentence
        korean = self._sentences.get(getattr(text, "template", text)) if language == "ko" else None
        if korean is None:
            return self._with_labels(self.wording(str(text), language), language)
        values = {name: self._value(value, language) for name, value in getattr(text, "values", {}).items()}
        filled = korean.format(**values) if values else korean
        return _with_particles(self._with_labels(filled, language))

    def _value(self, value: Any, language: str) -> Any:
        """A value in a sentence: another sentence, a word of a settings schema, or a name or number as it is."""
        if isinstance(value, Sentence):
            return self.sentence(value, language)
        return self.wording(value, language) if isinstance(value, str) else value

    def _with_labels(self, sentence: str, language: str) -> str:
        """Settings by the names that the user sees: 'num_strokes' → 'Strokes'."""

        def label(quoted: re.Match[str]) -> str:
            return f"'{self.wording(self._names[quoted[1]], language)}'" if quoted[1] in self._names else quoted[0]

        return re.sub(r"'(\w+)'", label, sentence)

    def under(self, prefix: str) -> dict[str, dict[str, str]]:
        """language → key without the prefix → words, for a component's own script."""
        return {
            language: {
                key.removeprefix(prefix): self._page[language].get(key, english)
                for key, english in self._page["en"].items()
                if key.startswith(prefix)
            }
            for language in LANGUAGES
        }

    # ------------------------------------------------------------------ what Gradio draws

    @cached_property
    def i18n(self) -> gr.I18n:
        """Everything that Gradio components may show, for `launch(i18n=...)`."""
        return gr.I18n(
            **{
                language: {**self._page["en"], **self._page[language], **self._labels(language)}
                for language in LANGUAGES
            }
        )

    def label(self, key: str) -> Any:
        """The words of the page under `key`, translated in the browser."""
        return self.i18n(key)

    def setting_label(self, method: str, spec: SettingSpec) -> Any:
        return self.i18n(f"{method}.{spec.name}.label")

    def setting_help(self, method: str, spec: SettingSpec) -> Any:
        return self.i18n(f"{method}.{spec.name}.help")

    def group_label(self, method: str, group: str) -> Any:
        return self.i18n(f"{method}.group.{group}")

    def _labels(self, language: str) -> dict[str, str]:
        labels = {}
        for method, settings in self._settings.items():
            for spec in settings.specs():
                labels[f"{method}.{spec.name}.label"] = self.wording(spec.label, language)
                labels[f"{method}.{spec.name}.help"] = self.wording(spec.help, language)
                labels[f"{method}.group.{spec.group}"] = self.wording(spec.group, language)
        return labels


_PARTICLES = {"이(가)": ("이", "가"), "은(는)": ("은", "는"), "을(를)": ("을", "를"), "(이)라는": ("이라는", "라는")}


def _with_particles(korean: str) -> str:
    """Choose the form of a particle by the syllable before it: "'시드'이(가)" → "'시드'가". Not after digits."""

    def chosen(match: re.Match[str]) -> str:
        ends_in_consonant = (ord(match["syllable"]) - ord("가")) % 28 != 0
        after_consonant, after_vowel = _PARTICLES[match["particle"]]
        return match["syllable"] + match["mark"] + (after_consonant if ends_in_consonant else after_vowel)

    particles = "|".join(map(re.escape, _PARTICLES))
    return re.sub(rf"(?P<syllable>[가-힣])(?P<mark>[')]?)(?P<particle>{particles})", chosen, korean)


def _read(name: str) -> dict[str, str]:
    return json.loads((_FOLDER / name).read_text(encoding="utf-8"))
