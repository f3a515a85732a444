"""Contrast of every pair of text and ground that the page uses, by WCAG 2.2's formula."""

from __future__ import annotations

import pytest

from ui.theme import DARK, LIGHT, StudioTheme

TEXT = ("ink", "muted", "accent", "error")
GROUND = ("ground", "panel", "field", "soft", "error_ground")


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_is_readable(palette):
    weak = [(t, g) for t in TEXT for g in GROUND if contrast(palette[t], palette[g]) < 4.5]
    assert weak == []
    assert contrast(palette["on_accent"], palette["accent"]) >= 4.5
    assert contrast(palette["on_accent"], palette["accent_strong"]) >= 4.5


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_edges_of_controls_are_visible(palette):
    assert contrast(palette["edge"], palette["field"]) >= 3


def test_no_font_is_fetched():
    css = StudioTheme()._get_theme_css()
    assert "url(http" not in css.replace("'", "").replace('"', "")
    assert "@font-face" not in css
    assert "@import" not in css
