"""The look of the studio: paper and ink by day, a dark room by night. System fonts only, nothing is fetched.

Every pair of text and ground used here keeps a contrast of at least 4.5 : 1 (tests/ui/test_theme.py).
The style sheet, assets/studio.css, reads the same colours from the CSS variables that Gradio makes of this theme.
"""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import sizes
from gradio.themes.utils.colors import Color

__all__ = ["DARK", "LIGHT", "StudioTheme"]

LIGHT = {
    "ground": "#f3f0e8",
    "panel": "#fdfcf8",
    "field": "#ffffff",
    "line": "#dcd6c8",
    "edge": "#8f8878",
    "ink": "#24211c",
    "muted": "#645e52",
    "accent": "#a8361d",
    "accent_strong": "#8c2a14",
    "on_accent": "#ffffff",
    "soft": "#f3e3dc",
    "error": "#9d1c1c",
    "error_ground": "#fbe9e7",
}
DARK = {
    "ground": "#171614",
    "panel": "#211f1c",
    "field": "#2a2824",
    "line": "#3b3832",
    "edge": "#7d766a",
    "ink": "#eee9df",
    "muted": "#b0a899",
    "accent": "#f0937a",
    "accent_strong": "#f7ab96",
    "on_accent": "#2a0f07",
    "soft": "#3a2721",
    "error": "#ff9d94",
    "error_ground": "#3d1f1d",
}

_INK = Color(
    name="ink",
    c50="#fdfcf8",
    c100="#f3f0e8",
    c200="#e6e1d5",
    c300="#dcd6c8",
    c400="#a69f90",
    c500="#7d766a",
    c600="#645e52",
    c700="#3b3832",
    c800="#2a2824",
    c900="#211f1c",
    c950="#171614",
)
_SEAL = Color(
    name="seal",
    c50="#fbf1ed",
    c100="#f3e3dc",
    c200="#ecc9bd",
    c300="#f7ab96",
    c400="#f0937a",
    c500="#c4543a",
    c600="#a8361d",
    c700="#8c2a14",
    c800="#6d2110",
    c900="#3a2721",
    c950="#2a0f07",
)
_SANS = [
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "Noto Sans CJK KR",
    "sans-serif",
]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]

# Variable of the theme → role in the two palettes above.
_ROLES = {
    "body_background_fill": "ground",
    "body_text_color": "ink",
    "body_text_color_subdued": "muted",
    "background_fill_primary": "panel",
    "background_fill_secondary": "ground",
    "border_color_accent": "accent",
    "border_color_accent_subdued": "accent",
    "border_color_primary": "line",
    "color_accent": "accent",
    "color_accent_soft": "soft",
    "link_text_color": "accent",
    "link_text_color_active": "accent_strong",
    "link_text_color_hover": "accent_strong",
    "link_text_color_visited": "accent",
    "block_background_fill": "panel",
    "block_border_color": "line",
    "block_info_text_color": "muted",
    "block_label_background_fill": "panel",
    "block_label_border_color": "line",
    "block_label_text_color": "ink",
    "block_title_text_color": "ink",
    "panel_background_fill": "panel",
    "panel_border_color": "line",
    "accordion_text_color": "ink",
    "table_text_color": "ink",
    "table_border_color": "line",
    "table_even_background_fill": "panel",
    "table_odd_background_fill": "ground",
    "code_background_fill": "ground",
    "checkbox_background_color": "field",
    "checkbox_background_color_focus": "field",
    "checkbox_background_color_hover": "field",
    "checkbox_background_color_selected": "accent",
    "checkbox_border_color": "edge",
    "checkbox_border_color_focus": "accent",
    "checkbox_border_color_hover": "accent",
    "checkbox_border_color_selected": "accent",
    "checkbox_label_background_fill": "field",
    "checkbox_label_background_fill_hover": "soft",
    "checkbox_label_background_fill_selected": "soft",
    "checkbox_label_border_color": "line",
    "checkbox_label_border_color_hover": "accent",
    "checkbox_label_border_color_selected": "accent",
    "checkbox_label_text_color": "ink",
    "checkbox_label_text_color_selected": "ink",
    "error_background_fill": "error_ground",
    "error_border_color": "error",
    "error_text_color": "error",
    "error_icon_color": "error",
    "input_background_fill": "field",
    "input_background_fill_focus": "field",
    "input_background_fill_hover": "field",
    "input_border_color": "line",
    "input_border_color_focus": "accent",
    "input_border_color_hover": "edge",
    "input_placeholder_color": "muted",
    "loader_color": "accent",
    "slider_color": "accent",
    "stat_background_fill": "soft",
    "button_primary_background_fill": "accent",
    "button_primary_background_fill_hover": "accent_strong",
    "button_primary_border_color": "accent",
    "button_primary_text_color": "on_accent",
    "button_primary_text_color_hover": "on_accent",
    "button_secondary_background_fill": "field",
    "button_secondary_background_fill_hover": "soft",
    "button_secondary_border_color": "line",
    "button_secondary_border_color_hover": "accent",
    "button_secondary_text_color": "ink",
    "button_secondary_text_color_hover": "ink",
    "button_cancel_background_fill": "field",
    "button_cancel_background_fill_hover": "error_ground",
    "button_cancel_border_color": "error",
    "button_cancel_text_color": "error",
    "button_cancel_text_color_hover": "error",
}

_SHAPES = {
    "block_border_width": "0px",
    "block_label_border_width": "0px",
    "block_shadow": "none",
    "block_padding": "0px",
    "block_title_text_size": "13px",
    "block_title_text_weight": "550",
    "block_label_text_size": "13px",
    "block_label_text_weight": "550",
    "block_info_text_size": "12px",
    "input_border_width": "1px",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "input_text_size": "14px",
    "input_padding": "8px 10px",
    "button_primary_shadow": "none",
    "button_primary_shadow_hover": "none",
    "button_secondary_shadow": "none",
    "button_secondary_shadow_hover": "none",
    "button_large_text_weight": "600",
    "button_large_text_size": "15px",
    "button_large_padding": "10px 22px",
    "button_medium_text_weight": "500",
    "button_small_text_weight": "500",
    "layout_gap": "14px",
    "form_gap_width": "0px",
    "checkbox_label_shadow": "none",
    "checkbox_label_padding": "6px 12px",
    "section_header_text_size": "13px",
}


class StudioTheme(gr.themes.Base):
    """Both palettes laid over Gradio's base theme."""

    def __init__(self) -> None:
        super().__init__(
            primary_hue=_SEAL,
            secondary_hue=_SEAL,
            neutral_hue=_INK,
            radius_size=sizes.radius_md,
            text_size=sizes.text_md,
            font=_SANS,
            font_mono=_MONO,
        )
        for variable, role in _ROLES.items():
            setattr(self, variable, LIGHT[role])
            setattr(self, f"{variable}_dark", DARK[role])
        self.set(**_SHAPES)
        self.name = "atelier"
        self.custom_css = _variables()


def _variables() -> str:
    """The palettes as CSS variables of our own, for assets/studio.css."""

    def block(selector: str, palette: dict[str, str]) -> str:
        lines = "".join(f"--studio-{name.replace('_', '-')}: {value};" for name, value in palette.items())
        return f"{selector} {{ {lines} }}"

    return "\n".join([block(":root", LIGHT), block(":root.dark, :root .dark", DARK)])
