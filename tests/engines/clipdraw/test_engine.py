"""CLIPDraw with the pocket models: what each setting does to a running drawing."""

import numpy as np
import pytest
import torch
from PIL import Image

from engines.base import EngineError, LiveSettings
from engines.clipdraw import CLIPDraw, CLIPDrawSettings
from engines.clipdraw.strokes import point_rate_factor
from engines.vector import load_svg, save_svg

SMALL = {
    "prompt": "a red apple", "num_strokes": 12, "num_augmentations": 2, "num_steps": 6, "width": 96, "height": 96,
    "num_paintings": 1,
}  # fmt: skip


def small(**changes) -> CLIPDrawSettings:
    return CLIPDrawSettings.parse({**SMALL, **changes})


def frames(pocket, settings, live=None):
    return list(CLIPDraw(pocket).run(settings, live))


def picture_file(tmp_path, pixels) -> str:
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    return str(path)


def test_losses_are_named(pocket):
    run = frames(pocket, small(num_steps=1))
    assert run[0].losses == {}
    assert set(run[-1].losses) == {"loss", "prompt", "away from the painting"}


def test_shapes(pocket):
    last = frames(pocket, small(width=120, height=64, num_steps=1))[-1]
    assert last.image.shape == (64, 120, 3)
    assert last.image.dtype == np.uint8
    assert (last.scene.width, last.scene.height, len(last.scene)) == (120, 64, 12)


def test_loss_falls(pocket):
    run = frames(pocket, small(num_steps=40, num_strokes=24))
    losses = [frame.losses["loss"] for frame in run[1:]]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.1


LONG_ENOUGH = small(background="#d0d8e0", num_steps=4)


@pytest.fixture(scope="module")
def unchanged(pocket):
    return frames(pocket, LONG_ENOUGH)[-1].image


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a blue car"},
        {"negative_prompt": "red", "negative_weight": 2.0},
        {"max_width": 1.0},
        {"num_strokes": 30},
        {"background": "#203040"},
        {"color_mode": "grey"},
        {"use_alpha": False},
        {"num_augmentations": 5},
        {"points_lr": 5.0},
        {"learn_background": True},
        {"locked_strokes": "0-5"},
        {"random_backgrounds": 1.0},
    ],
)
def test_live_control_changes_result(pocket, unchanged, change):
    live = LiveSettings(LONG_ENOUGH)
    run = CLIPDraw(pocket).run(live.current, live)
    for _ in range(3):
        frame = next(run)
    live.update(**change)
    *_, frame = run
    assert not np.array_equal(frame.image, unchanged)


def test_the_slider_of_strokes_is_followed_at_the_next_step(pocket):
    live = LiveSettings(small(num_steps=20))
    run = CLIPDraw(pocket).run(live.current, live)
    assert len(next(run).scene) == 12
    live.update(num_strokes=20)
    assert len(next(run).scene) == 20
    live.update(num_strokes=3)
    assert len(next(run).scene) == 3
    assert np.isfinite(next(run).losses["loss"])


def test_widths_obey_the_limits(pocket):
    live = LiveSettings(small(start_width=8.0))
    run = CLIPDraw(pocket).run(live.current, live)
    next(run)
    live.update(max_width=2.0)
    unit = 96 / 224
    assert next(run).scene.widths.max() <= 2.0 * unit + 1e-5


def test_locked_strokes_do_not_move(pocket):
    run = frames(pocket, small(locked_strokes="0, 3-4", dead_strokes="keep"))
    first, last = run[0].scene, run[-1].scene
    for stroke in range(12):
        same = torch.equal(first.select([stroke]).points, last.select([stroke]).points)
        assert same == (stroke in (0, 3, 4))


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"color_mode": "ink", "ink": "#102030"}, ["#102030"]),
        ({"color_mode": "palette", "palette": "#ff0000 #0000ff"}, ["#ff0000", "#0000ff"]),
    ],
)
def test_colours_of_a_mode(pocket, changes, allowed):
    colors = (frames(pocket, small(**changes))[-1].scene.colors[:, :3] * 255).round().int().tolist()
    assert {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colors} <= set(allowed)


def test_grey_has_no_colour(pocket):
    colors = frames(pocket, small(color_mode="grey"))[-1].scene.colors
    assert torch.allclose(colors[:, 0], colors[:, 2])


def test_opaque_strokes(pocket):
    assert frames(pocket, small(use_alpha=False))[-1].scene.colors[:, 3].eq(1).all()


@pytest.mark.parametrize(("segments", "points"), [("1", {4}), ("3", {10}), ("random", {4, 7, 10})])
def test_curves_per_stroke(pocket, segments, points):
    scene = next(CLIPDraw(pocket).run(small(segments=segments, num_strokes=40))).scene
    assert set(scene.layout.point_offsets.diff().tolist()) == points


def test_init_matches_the_reference_walk(pocket):
    """clipdraw.md §1.1: steps of at most 0.05 of the canvas per axis from a uniform first point."""
    scene = next(CLIPDraw(pocket).run(small(num_strokes=50, width=224, height=224, segments="3"))).scene
    steps = scene.points.view(50, 10, 2).diff(dim=1)
    assert steps.abs().max() <= 11.2
    assert steps.abs().max() > 10


def test_init_from_an_image_takes_its_colours_and_edges(pocket, tmp_path):
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[:, 32:] = (200, 30, 30)
    settings = small(init="image", init_image=picture_file(tmp_path, pixels), num_strokes=60)
    scene = next(CLIPDraw(pocket).run(settings)).scene
    starts = scene.points[scene.layout.point_offsets[:-1], 0]
    assert ((starts - 48).abs() < 6).float().mean() > 0.4  # on the edge in the middle
    red = scene.colors[starts > 52, :3]
    assert (red[:, 0] > red[:, 1] + 0.5).all()


def test_init_from_an_svg_goes_on_from_there(pocket, tmp_path):
    before = frames(pocket, small())[-1]
    save_svg(before.scene, tmp_path / "drawing.svg")
    after = next(CLIPDraw(pocket).run(small(init="svg", init_svg=str(tmp_path / "drawing.svg"), width=192, height=192)))
    assert torch.allclose(after.scene.points, before.scene.points * 2, atol=1e-2)
    assert len(load_svg(tmp_path / "drawing.svg")) == 12


def test_frames_tell_what_an_svg_lost(pocket, tmp_path):
    text = "<svg viewBox='0 0 9 9'><text>a</text><circle r='4' fill='none' stroke='red'/></svg>"
    (tmp_path / "a.svg").write_text(text)
    engine = CLIPDraw(pocket)
    assert next(engine.run(small(init="svg", init_svg=str(tmp_path / "a.svg")))).notices[0] == "Text is left out."
    resumed = CLIPDraw(pocket)
    resumed.load_state_dict(engine.state_dict())
    assert "Text is left out." in next(resumed.run(small())).notices


def left_half(tmp_path) -> str:
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[:, :32] = 255
    return picture_file(tmp_path, mask)


def test_strokes_begin_in_the_region(pocket, tmp_path):
    scene = next(CLIPDraw(pocket).run(small(region=left_half(tmp_path), num_strokes=100))).scene
    assert scene.points[scene.layout.point_offsets[:-1], 0].max() <= 49


def test_ink_outside_the_region_fades(pocket, tmp_path):
    everywhere = next(CLIPDraw(pocket).run(small(num_strokes=40, start_width=6.0))).scene
    save_svg(everywhere, tmp_path / "everywhere.svg")
    settings = small(
        init="svg",
        init_svg=str(tmp_path / "everywhere.svg"),
        region=left_half(tmp_path),
        region_weight=20,
        num_steps=15,
    )
    run = frames(pocket, settings)
    assert run[-1].losses["ink outside the region"] < 0.8 * run[1].losses["ink outside the region"]


def test_a_region_without_white_is_refused(pocket, tmp_path):
    path = picture_file(tmp_path, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(EngineError, match="region"):
        next(CLIPDraw(pocket).run(small(region=path)))


def test_an_image_prompt_alone_is_enough(pocket, tmp_path):
    path = picture_file(tmp_path, np.full((20, 20, 3), (250, 40, 40), np.uint8))
    last = frames(pocket, small(prompt="", image_prompt=path))[-1]
    assert set(last.losses) == {"loss", "image prompt"}


def test_best_of_goes_on_with_the_best_beginning(pocket):
    settings = small(best_of=3, num_steps=4)
    run = frames(pocket, settings)
    assert run[-1].step == run[-1].steps == 4 + 2 * 4
    beginnings = [run[0].image, run[4].image, run[8].image]
    assert len({image.tobytes() for image in beginnings}) == 3


@pytest.mark.parametrize(("policy", "count"), [("keep", 12), ("reseed", 12), ("prune", 11)])
def test_invisible_strokes(pocket, tmp_path, policy, count):
    start = next(CLIPDraw(pocket).run(small())).scene
    gone = start.points.clone()
    gone[start.layout.point_offsets[5] : start.layout.point_offsets[6]] += 5000
    widths = torch.full_like(start.widths, 3.0)
    colors = torch.cat([start.colors[:, :3], torch.ones(12, 1)], dim=1)
    save_svg(start.replace(points=gone, widths=widths, colors=colors), tmp_path / "s.svg")
    settings = small(init="svg", init_svg=str(tmp_path / "s.svg"), dead_strokes=policy, num_steps=30)
    run = CLIPDraw(pocket).run(settings)
    for _ in range(22):
        scene = next(run).scene
    # strokes that happen to be covered are treated alike, so the count is a bound for pruning
    assert len(scene) == count if policy != "prune" else 1 <= len(scene) <= count
    far = scene.points[:, 0].max() > 1000
    assert far == (policy == "keep")


def test_paper_preset_is_the_papers(pocket):
    settings = small(**CLIPDrawSettings.PRESETS["Paper"])
    assert (settings.width, settings.num_strokes, settings.max_width, settings.num_steps) == (224, 256, 50, 1000)
    assert (settings.points_lr, settings.width_lr, settings.color_lr) == (1.0, 0.1, 0.01)
    assert (settings.distortion, settings.crop_min, settings.crop_max, settings.num_augmentations) == (0.5, 0.7, 0.9, 4)


@pytest.mark.parametrize("preset", CLIPDrawSettings.PRESETS)
def test_every_preset_draws(pocket, preset):
    settings = small(**{**CLIPDrawSettings.PRESETS[preset], "num_steps": 1})
    assert np.isfinite(frames(pocket, settings)[-1].losses["loss"])


@pytest.mark.parametrize(("progress", "factor"), [(0, 1), (0.49, 1), (0.5, 0.4), (0.74, 0.4), (0.75, 0.1), (1, 0.1)])
def test_paper_point_rate_factor(progress, factor):
    assert point_rate_factor("paper", progress) == factor


def test_a_long_prompt_is_noticed_not_refused(pocket):
    frame = frames(pocket, small(prompt="a very " * 50 + "red apple", num_steps=1))[-1]
    assert "only the beginning" in frame.notices[0]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"prompt": "  "}, "prompt"),
        ({"prompt": ":0.4"}, "weight"),
        ({"background": "reddish"}, "background"),
        ({"palette": ""}, "palette"),
        ({"locked_strokes": "first"}, "locked_strokes"),
        ({"min_width": 20, "max_width": 10}, "min_width"),
        ({"crop_min": 0.9, "crop_max": 0.5}, "crop_min"),
        ({"init": "image"}, "init_image"),
        ({"init": "svg"}, "init_svg"),
    ],
)
def test_wrong_settings_end_in_one_sentence(changes, named):
    with pytest.raises(EngineError, match=named) as caught:
        small(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("state", [{}, {"step": 3}, {"strokes": 1, "background": 2}])
def test_a_wrong_state_is_one_sentence(pocket, state):
    with pytest.raises(EngineError, match="not one of CLIPDraw"):
        CLIPDraw(pocket).load_state_dict(state)
