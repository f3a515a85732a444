"""StyleCLIPDraw with the pocket models: what the style does, when, and how a run is taken up again."""

from functools import cache

import numpy as np
import pytest
from PIL import Image

from engines.base import EngineError, LiveSettings
from engines.clipdraw import CLIPDraw, CLIPDrawSettings
from engines.state_file import load_state, save_state
from engines.style import SWATCHES
from engines.styleclipdraw import StyleCLIPDraw, StyleCLIPDrawSettings
from engines.styleclipdraw import engine as module

FIRST, SECOND, *_ = SWATCHES
STYLE = {"texture", "moments", "palette"}
SMALL = {
    "prompt": "a red apple", "num_strokes": 12, "num_augmentations": 2, "num_steps": 6, "width": 96, "height": 96,
    "style_samples": 64, "style_size": 64, "style_steps": 3, "style_every": 3, "transfer_steps": 4,
}  # fmt: skip


def small(**changes) -> StyleCLIPDrawSettings:
    return StyleCLIPDrawSettings.parse({**SMALL, **changes})


def frames(pocket, settings, live=None):
    return list(StyleCLIPDraw(pocket).run(settings, live))


def picture_file(tmp_path, pixels, name="picture.png", mode=None, **options) -> str:
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(tmp_path / name, **options)
    return str(tmp_path / name)


def plain(color) -> np.ndarray:
    return np.full((40, 30, 3), color, np.uint8)


# ---------------------------------------------------------------------------------------------- every run


def test_losses_and_models_are_named(pocket):
    run = frames(pocket, small(num_steps=1))
    assert set(run[-1].losses) == {"loss", "prompt", *STYLE}
    assert {"pocket-clip", "pocket-vgg"} <= {model["name"] for model in pocket.used}


def test_without_strength_it_is_clipdraw(pocket):
    settings = small(style_strength=0, fade_from=0)
    known = {name: value for name, value in settings.model_dump().items() if name in CLIPDrawSettings.model_fields}
    *_, plain_drawing = CLIPDraw(pocket).run(CLIPDrawSettings.parse(known))
    drawing = frames(pocket, settings)[-1]
    assert np.array_equal(drawing.image, plain_drawing.image)
    assert drawing.losses == plain_drawing.losses


def test_the_drawing_takes_the_colours_of_the_style(pocket, tmp_path):
    settings = small(
        style_image=picture_file(tmp_path, plain((20, 120, 60))), style_strength=100, num_steps=40, num_strokes=30
    )
    run = frames(pocket, settings)
    assert run[-1].losses["palette"] < 0.7 * run[1].losses["palette"]
    first, last = (np.abs(run[at].image - np.array([20.0, 120, 60])).mean() for at in (0, -1))
    assert last < 0.7 * first


def test_a_narrow_canvas_is_wide_enough_for_the_style(pocket):
    assert np.isfinite(frames(pocket, small(width=512, height=64, num_steps=1))[-1].losses["texture"])


# ---------------------------------------------------------------------------------------------- taken up again


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "rmsprop", "patience": 2, "fade_from": 0.8},
        {"coupling": "alternating"},
        {"coupling": "sequential", "num_steps": 3},
    ],
    ids=["joint", "rmsprop", "alternating", "sequential"],
)
def test_resume_equals_uninterrupted(pocket, tmp_path, changes):
    """Cut off in the middle, after the style was swapped."""
    settings = small(**changes)

    def steps(run, live, count):
        for _ in range(count):
            frame = next(run)
            if frame.step == 2:
                live.update(swatch=SECOND, num_strokes=15)
        return frame

    live = LiveSettings(settings)
    *_, through = iter_with(StyleCLIPDraw(pocket).run(live.current, live), live)
    live = LiveSettings(settings)
    engine = StyleCLIPDraw(pocket)
    steps(engine.run(live.current, live), live, 6)
    save_state(tmp_path / "state.safetensors", engine.state_dict())
    resumed = StyleCLIPDraw(pocket)
    resumed.load_state_dict(load_state(tmp_path / "state.safetensors"))
    first, *_, last = resumed.run(live.current)
    assert first.step == 5
    assert (last.step, last.losses) == (through.step, through.losses)
    assert np.array_equal(last.image, through.image)


def iter_with(run, live):
    for frame in run:
        if frame.step == 2:
            live.update(swatch=SECOND, num_strokes=15)
        yield frame


@pytest.mark.parametrize("state", [{}, {"step": 3}])
def test_a_wrong_state_is_one_sentence(pocket, state):
    with pytest.raises(EngineError, match="not one of StyleCLIPDraw"):
        StyleCLIPDraw(pocket).load_state_dict(state)


def test_a_state_of_clipdraw_is_not_one_of_styleclipdraw(pocket):
    other = CLIPDraw(pocket)
    next(other.run(CLIPDrawSettings(prompt="a red apple")))
    with pytest.raises(EngineError, match="not one of StyleCLIPDraw"):
        StyleCLIPDraw(pocket).load_state_dict(other.state_dict())


# ---------------------------------------------------------------------------------------------- live


@pytest.fixture(scope="module")
def unchanged(pocket):
    """`unchanged(coupling)`: the last picture of the run that no live setting disturbs."""
    return cache(lambda coupling: frames(pocket, small(coupling=coupling))[-1].image)


@pytest.mark.parametrize(
    "change",
    [
        {"swatch": SECOND},
        {"style_image": "PICTURE"},
        {"style_strength": 100},
        {"texture_weight": 4},
        {"moments_weight": 5},
        {"palette_weight": 0},
        {"gram_weight": 5},
        {"style_region": "MASK"},
        {"second_swatch": SECOND},
        {"second_style_image": "PICTURE"},
        {"content_weight": 0},
        {"fade_from": 0, "fade_to": 0},
        {"style_samples": 32},
        {"style_draws": 3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_live_control_changes_result(pocket, unchanged, tmp_path, change):
    files = {
        "PICTURE": picture_file(tmp_path, plain((200, 30, 30))),
        "MASK": picture_file(tmp_path, np.vstack([plain(255), plain(0)]), "mask.png"),
    }
    change = {name: files.get(value, value) for name, value in change.items()}
    live = LiveSettings(small())
    run = StyleCLIPDraw(pocket).run(live.current, live)
    for _ in range(3):
        next(run)
    live.update(**change)
    *_, frame = run
    assert not np.array_equal(frame.image, unchanged("joint"))


@pytest.mark.parametrize("change", [{"style_every": 1}, {"style_steps": 9}, {"style_points_lr": 3.0}])
def test_live_control_of_alternating_runs(pocket, unchanged, change):
    live = LiveSettings(small(coupling="alternating"))
    run = StyleCLIPDraw(pocket).run(live.current, live)
    for _ in range(3):
        next(run)
    live.update(**change)
    *_, frame = run
    assert not np.array_equal(frame.image, unchanged("alternating"))
    assert frame.step == frame.steps


def test_a_style_is_measured_once_and_again_when_it_is_swapped(pocket, monkeypatch):
    measured = []
    measure = module.style_statistics
    monkeypatch.setattr(module, "style_statistics", lambda *a, **k: measured.append(1) or measure(*a, **k))
    live = LiveSettings(small())
    run = StyleCLIPDraw(pocket).run(live.current, live)
    counts = []
    for change in ({}, {"style_strength": 70}, {"swatch": SECOND}, {"texture_weight": 2}, {"second_swatch": FIRST}):
        live.update(**change)
        next(run)
        counts.append(len(measured))
    assert counts == [1, 1, 2, 2, 3]


def test_the_strokes_of_a_mix_are_between_the_styles(pocket, tmp_path):
    red, blue = (picture_file(tmp_path, plain(color), f"{color}.png") for color in ((220, 20, 20), (20, 20, 220)))

    def redness(mix):
        settings = small(
            style_image=red, second_style_image=blue, style_mix=mix, style_strength=100, content_weight=0, num_steps=25
        )
        return float(np.subtract(*frames(pocket, settings)[-1].image.mean((0, 1))[[0, 2]]))

    assert redness(0.0) > redness(0.5) > redness(1.0)


def test_only_the_marked_part_of_a_style_counts(pocket, tmp_path):
    halves = np.vstack([plain((220, 20, 20)), plain((20, 20, 220))])
    mask = np.vstack([plain(0), plain(255)])
    settings = small(
        style_image=picture_file(tmp_path, halves), style_region=picture_file(tmp_path, mask, "mask.png"),
        style_strength=100, content_weight=0, num_steps=25,
    )  # fmt: skip
    red, _, blue = frames(pocket, settings)[-1].image.mean((0, 1))
    assert blue > red + 20


# ---------------------------------------------------------------------------------------------- couplings


def kinds(run) -> str:
    """p: the prompt alone, s: the style alone, b: both."""
    letters = {(True, False): "p", (False, True): "s", (True, True): "b"}
    return "".join(letters["prompt" in frame.losses, "palette" in frame.losses] for frame in run[1:])


def test_alternating_gives_the_style_its_turns(pocket):
    """clipdraw.md §2.4 A: at t % every == 0 and at the last t."""
    run = frames(pocket, small(coupling="alternating"))
    assert kinds(run) == "psss" + "pp" + "psss" + "p" + "psss"
    assert [frame.steps for frame in run] == [15] * 16


def test_alternating_optimisers_have_their_own_memory(pocket):
    engine = StyleCLIPDraw(pocket)
    for frame in engine.run(small(coupling="alternating", num_steps=1)):
        if frame.step == 1:
            before = engine.state_dict()["strokes"]
    after = engine.state_dict()["strokes"]
    assert (before["first.points"] == after["first.points"]).all()
    assert after["style_square.points"].any()
    assert "style_square.points" not in before


def test_sequential_draws_as_clipdraw_first(pocket):
    settings = small(coupling="sequential")
    run = frames(pocket, settings)
    assert kinds(run) == "pppppp" + "ssss"
    *_, drawn = StyleCLIPDraw(pocket).run(settings.replace(coupling="joint", style_strength=0))
    assert np.array_equal(run[6].image, drawn.image)
    assert run[7].losses["arrangement"] == pytest.approx(0, abs=1e-6)
    assert run[-1].losses["arrangement"] > 0


def test_the_arrangement_can_be_kept(pocket):
    loose, kept = (
        frames(pocket, small(coupling="sequential", keep_weight=weight, transfer_steps=25))[-1].losses["arrangement"]
        for weight in (0, 20)
    )
    assert kept < 0.8 * loose


def test_the_prompt_fades(pocket):
    plain = {"contrast": 0, "painter_weight": 0, "style_strength": 1e-6}  # the loss is the weighted similarity alone
    _, *run = frames(pocket, small(**plain, fade_from=0.5, fade_to=0.1, content_weight=3))
    shares = [-frame.losses["loss"] / frame.losses["prompt"] for frame in run]
    assert shares == pytest.approx([3, 3, 3, 0.3, 0.3, 0.3], rel=1e-3)


def test_without_a_better_likeness_the_run_ends_early(pocket):
    """clipdraw.md §2.4 B: t jumps to the beginning of the fade, here from 5 to 16 of 20."""
    settings = small(num_steps=20, patience=4, fade_from=0.8, fade_to=0.1, points_lr=0, width_lr=0, color_lr=0)
    run = frames(pocket, settings)
    likeness = [frame.losses["prompt"] for frame in run[1:]]
    assert run[-1].step == run[-1].steps < 20
    assert run[0].steps == 20
    assert len(likeness) == 20 - (run[0].steps - run[-1].steps)


@pytest.mark.parametrize("preset", StyleCLIPDrawSettings.PRESETS)
def test_every_preset_draws(pocket, preset):
    tiny = {"num_steps": 2, "num_strokes": 8, "style_steps": 2, "transfer_steps": 2, "num_augmentations": 2}
    last = frames(pocket, small(**{**StyleCLIPDrawSettings.PRESETS[preset], **tiny, "width": 96, "height": 96}))[-1]
    assert np.isfinite(last.losses["loss"])


def test_presets_are_the_published_schemes():
    """clipdraw.md §2.4, with sums over N views written as weights of means."""
    slow, fast, joint = (
        StyleCLIPDrawSettings.parse({"prompt": "x", **StyleCLIPDrawSettings.PRESETS[name]})
        for name in ("Slow", "Fast", "Joint")
    )
    for one in (slow, fast, joint):
        assert (one.num_strokes, one.max_width, one.width, one.contrast) == (256, 50, 224, 0)
        assert (one.style_samples, one.style_draws, one.style_mapping, one.style_size) == (1024, 5, "paper", 224)
        assert (one.texture_weight, one.moments_weight, one.palette_weight, one.gram_weight) == (1, 1, 1, 0)
    assert (slow.coupling, slow.style_every, slow.style_steps, slow.num_steps) == ("alternating", 5, 50, 1000)
    assert (slow.points_lr, slow.width_lr, slow.color_lr, slow.lr_schedule) == (1.0, 0.1, 0.01, "paper")
    assert (slow.style_points_lr, slow.style_width_lr, slow.style_color_lr) == (0.1, 0.1, 0.01)
    assert (slow.num_augmentations, slow.normalize_clip, slow.optimizer) == (4, False, "adam")
    assert (fast.coupling, fast.optimizer, fast.lr_schedule, fast.num_steps) == ("joint", "rmsprop", "constant", 500)
    assert (fast.points_lr, fast.width_lr, fast.color_lr) == (0.3, 0.3, 0.03)
    assert (fast.num_augmentations, fast.content_weight, 4 * fast.style_strength / 100) == (4, 1, 1)
    assert (fast.fade_from, fast.fade_to, fast.patience, fast.normalize_clip) == (0.8, 0.1, 50, True)
    assert (joint.coupling, joint.optimizer, joint.lr_schedule, joint.num_steps) == ("joint", "adam", "paper", 500)
    assert (joint.points_lr, joint.width_lr, joint.color_lr) == (1.0, 0.1, 0.01)
    assert (joint.num_augmentations, joint.content_weight, 4 * joint.style_strength / 100) == (10, 10, 2)
    assert (joint.fade_from, joint.fade_to, joint.patience, joint.normalize_clip) == (0.9, 0, 0, False)


# ---------------------------------------------------------------------------------------------- strange pictures


@pytest.mark.parametrize(
    ("mode", "name"),
    [("L", "grey.png"), ("LA", "grey.webp"), ("RGBA", "clear.png"), ("CMYK", "print.jpg"), ("P", "colours.png")],
)
def test_pictures_of_every_kind_are_styles(pocket, tmp_path, mode, name):
    path = picture_file(tmp_path, np.random.default_rng(0).integers(0, 255, (50, 30, 3), np.uint8), name, mode)
    assert np.isfinite(frames(pocket, small(style_image=path, num_steps=2))[-1].losses["loss"])


@pytest.mark.parametrize("color", [0, 255])
def test_a_style_of_one_pixel(pocket, tmp_path, color):
    path = picture_file(tmp_path, np.full((1, 1, 3), color, np.uint8))
    run = frames(pocket, small(style_image=path, gram_weight=1))
    assert np.isfinite(list(run[-1].losses.values())).all()


def test_the_first_picture_of_an_animation_is_the_style(pocket, tmp_path):
    red, blue = (Image.fromarray(plain(color)) for color in ((220, 20, 20), (20, 20, 220)))
    red.save(tmp_path / "moving.webp", save_all=True, append_images=[blue], lossless=True)
    still = picture_file(tmp_path, plain((220, 20, 20)))
    moving, alone = (
        frames(pocket, small(style_image=path, num_steps=2))[-1].losses
        for path in (str(tmp_path / "moving.webp"), still)
    )
    assert moving == alone


@pytest.mark.parametrize("name", ["style_image", "second_style_image", "style_region"])
@pytest.mark.parametrize("content", ["missing", "broken", "gif"])
def test_what_is_no_picture_ends_in_one_sentence(pocket, tmp_path, name, content):
    path = tmp_path / "style.gif"
    if content == "broken":
        path.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    elif content == "gif":
        Image.fromarray(plain(90)).save(path, save_all=True, append_images=[Image.fromarray(plain(9))])
    with pytest.raises(EngineError, match="style.gif") as caught:
        next(StyleCLIPDraw(pocket).run(small(**{name: str(path)})))
    assert "\n" not in str(caught.value)


def test_a_region_without_white_is_refused(pocket, tmp_path):
    with pytest.raises(EngineError, match="marked region"):
        next(StyleCLIPDraw(pocket).run(small(style_region=picture_file(tmp_path, plain(0)))))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"texture_weight": 0, "moments_weight": 0, "palette_weight": 0}, "texture_weight"),
        ({"prompt": ""}, "prompt"),
    ],
)
def test_wrong_settings_end_in_one_sentence(changes, named):
    with pytest.raises(EngineError, match=named) as caught:
        small(**changes)
    assert "\n" not in str(caught.value)
