"""StyleCLIP: editing a face by words, in three ways that each have a tab of their own within this one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import gradio as gr

from ui.components.controls import Controls
from ui.components.faces import FacePicker
from ui.context import Context
from ui.session import Session
from ui.tabs.drawing import lay_out

__all__ = ["METHODS", "TITLE"]

TITLE = "StyleCLIP"

TASKS = ("clip", "stylegan2", "identity")


def build_directions(context: Context) -> Session:
    engine, text = context.engines["styleclip-directions"], context.text

    def directions(controls: Controls) -> None:
        with gr.Column(elem_classes="card-box"):
            controls.one("neutral")
            controls.one("alpha")
            controls.one("auto_beta")
            controls.one("beta")
            with gr.Row():
                buttons["accept"] = gr.Button(text.label("edit.accept"), size="md", elem_id=f"{engine.name}-accept")
                buttons["undo"] = gr.Button(text.label("edit.undo"), size="md", elem_id=f"{engine.name}-undo")
            controls.one("edits", lines=1)

    def relevance(controls: Controls) -> None:
        controls.one("relevance_table")
        controls.one("exact_relevance")

    buttons: dict[str, gr.Button] = {}
    session = _edit_tab(context, "styleclip-directions", own=relevance, card=directions)
    session.changes_together(
        buttons["accept"],
        ("edits", "alpha"),
        _accepted,
        of=("edits", "neutral", "prompt", "alpha", "auto_beta", "beta"),
    )
    session.changes_together(buttons["undo"], ("edits",), _without_the_last, of=("edits",))
    return session


def build_mapper(context: Context) -> Session:
    def edit(controls: Controls) -> None:
        with gr.Column(elem_classes="card-box"):
            controls.one("edit")
            with gr.Accordion(context.text.label("edit.mapper"), open=False, elem_classes="more"):
                controls.one("mapper_file")

    def mapper(controls: Controls) -> None:
        with gr.Column(elem_classes="card-box"):
            for name in ("strength", "coarse", "medium", "fine"):
                controls.one(name)

    return _edit_tab(context, "styleclip-mapper", own=_identity, top=edit, card=mapper)


def build_optimize(context: Context) -> Session:
    def optimize(controls: Controls) -> None:
        with gr.Column(elem_classes="card-box"):
            for name in ("l2_lambda", "id_lambda", "accepted"):
                controls.one(name)

    return _edit_tab(context, "styleclip-optimize", own=_identity, card=optimize)


def _identity(controls: Controls) -> None:
    controls.one("identity_network")


def _edit_tab(
    context: Context,
    method: str,
    *,
    own: Callable[[Controls], None],
    top: Callable[[Controls], None] = lambda controls: None,
    card: Callable[[Controls], None],
) -> Session:
    """own: places what goes with a generator of one's own. top, card: the method's controls around the prompt."""
    picker = partial(FacePicker, text=context.text, device=context.studio.device)

    def face(controls: Controls) -> None:
        with gr.Column(elem_classes="card-box face-card"):
            controls.one("seed", maker=picker)
            with gr.Accordion(context.text.label("edit.own"), open=False, elem_classes="more"):
                controls.one("photo", height=240)
                controls.one("face_points")
                controls.one("projection_steps")
                controls.one("encoder")
            with gr.Accordion(context.text.label("edit.generator"), open=False, elem_classes="more"):
                controls.one("generator")
                own(controls)
        top(controls)

    session = lay_out(context, context.engines[method], tasks=TASKS, words="edit", top=face, card=card)
    session.controls.components["seed"].shows(session.controls.components["generator"], session.models.choice)
    session.takes_points("photo", "face_points", count=5)
    session.empties("photo", "face_points")
    return session


def _accepted(edits: str, neutral: str, prompt: str, alpha: float, auto_beta: bool, beta: float) -> tuple[str, float]:
    """The present edit joins the accepted ones, and its strength is free for the next."""
    from engines.styleclip.directions.edits import Edit, format_edit, parse_edits

    if not prompt.strip() or not alpha:
        return edits, alpha
    added = format_edit(Edit(neutral.strip(), prompt.strip(), alpha, None if auto_beta else beta))
    parse_edits(added)  # a text may hold the signs that edits are written with
    return "; ".join(filter(None, [edits.strip(" ;"), added])), 0.0


def _without_the_last(edits: str) -> tuple[str]:
    return ("; ".join(part.strip() for part in edits.split(";")[:-1]),)


METHODS = {
    "styleclip-directions": build_directions,
    "styleclip-mapper": build_mapper,
    "styleclip-optimize": build_optimize,
}
