"""The loop against whole runs of the released code; the engine with a small random generator and the pocket CLIP."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from engines.base import EngineError, LiveSettings
from engines.clip.losses import reference_clip_input
from engines.faces import face_crop
from engines.state_file import load_state, save_state
from engines.styleclip import face
from engines.styleclip.optimize.engine import StyleCLIPOptimize, clip_view
from engines.styleclip.optimize.latent import LatentOptimization
from engines.styleclip.optimize.settings import StyleCLIPOptimizeSettings
from engines.stylegan2 import Generator, GeneratorConfig, is_torgb, load_generator, save_generator
from engines.zoo import Models
from tests.engines.faces.twins import NARROW, identity_shapes, random_state

SPACES = ["W+", "S"]

# ---------------------------------------------------------------------------------------------- the released code


@pytest.mark.parametrize("space", SPACES)
def test_reference_run(space, references):
    """In double precision, for Adam amplifies rounding (the note's tolerances are for that of the reference)."""
    stored = references.tensors("styleclip_traj")

    def array(key):
        return stored(key).double() if stored(key).is_floating_point() else stored(key)

    def expect(found, key, tolerance, rows=slice(None)):
        expected = array(f"{'wplus' if space == 'W+' else 's'}_{key}")
        torch.testing.assert_close(torch.as_tensor(found).to(expected)[rows], expected[rows], rtol=0, atol=tolerance)

    def embed(picture):
        return F.adaptive_avg_pool2d(reference_clip_input(picture), 8).flatten(1) @ array("proj_clip").T

    def identity(picture):
        return F.normalize(F.adaptive_avg_pool2d(face_crop(picture), 7).flatten(1) @ array("proj_id").T, dim=1)

    generator = load_generator(references.path("rosinality_tiny.pt")).double()
    walk = LatentOptimization(generator, array("latent_init"), space=space, embed=embed, identity=identity)
    weights = {name: array(name).item() for name in ("lr", "l2_lambda", "id_lambda")}
    steps = array("steps").item()
    losses, codes, pictures = [], [], []
    for _ in range(steps):
        pictures.append(walk.render(walk.code()))
        losses.append(walk.step([(array("text_embedding"), 1.0)], num_steps=steps, **weights))
        codes.append(walk.code())

    for key, name in (("clip_loss", "clip"), ("id_loss", "identity")):
        expect([terms[name] for terms in losses], key, 2e-5, slice(4))
        expect([terms[name] for terms in losses], key, 2e-3)
    expect(pictures[0], "img_init", 1e-4)
    expect(pictures[-1], "img_last_render", 0.02 * array("wplus_img_last_render").std().item())
    if space == "S":
        for index, style in enumerate(codes[-1].values()):
            expect(style.flatten(), f"final_{index:02d}", 1e-2)
    else:
        expect(torch.stack([torch.cat(list(code.values())) for code in codes]), "latents", 1e-2)
    for terms in losses:
        total = terms["clip"] + weights["l2_lambda"] * terms["l2"] + weights["id_lambda"] * terms["identity"]
        assert terms["loss"] == pytest.approx(total, rel=1e-12)


# ---------------------------------------------------------------------------------------------- the loop


@pytest.fixture(scope="module")
def generator() -> Generator:
    """64 px, so that there are rows of all levels: 4 coarse, 4 medium, 2 fine."""
    torch.manual_seed(5)
    generator = Generator(GeneratorConfig(channels=(8,) * 5, z_dim=6, mapping_features=(12, 10)))
    generator.mapping.w_avg.copy_(0.2 * torch.randn(10))
    return generator.eval().requires_grad_(False)


def a_walk(generator, space="W+", seed=3, identity=None) -> LatentOptimization:
    w = torch.randn(1, generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(seed))
    return LatentOptimization(generator, w, space=space, embed=project, identity=identity)


def project(pictures, size=6):
    pooled = F.adaptive_avg_pool2d(pictures, size).flatten(1)
    return pooled @ torch.randn(pooled.shape[1], 16, generator=torch.Generator().manual_seed(size))


def features(pictures):
    return F.normalize(project(pictures, 5), dim=1)


TEXT, OTHER = torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(1))


def go(walk, count, texts=((TEXT, 1.0),), **changes):
    weights = {"num_steps": 20, "lr": 0.1, "l2_lambda": 0.008, "id_lambda": 0.5} | changes
    return [walk.step(texts, **weights) for _ in range(count)]


@pytest.mark.parametrize("space", SPACES)
def test_it_walks_to_the_text(generator, space):
    walk = a_walk(generator, space)
    losses = [terms["clip"] for terms in go(walk, 20)]
    assert losses[1] == losses[0]  # the first step has rate 0
    assert losses[-1] < losses[0] - 0.2


@pytest.mark.parametrize("space", SPACES)
def test_companions_move_as_the_face_does(generator, space):
    walk = a_walk(generator, space, identity=features)
    others = torch.randn(3, generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(8))
    own = torch.stack(list(walk.code().values()), 1) if space == "W+" else None
    seen = project(generator.synthesis(others))
    alone = F.cosine_similarity(project(walk.start_picture), TEXT).item()
    together = (3 * F.cosine_similarity(seen, TEXT).mean().item() + alone) / 4
    first, *_ = go(walk, 10, companions=others)
    assert first["clip"] == pytest.approx(1 - together, abs=1e-5)  # nothing has moved
    (now,) = go(walk, 1, companions=others)
    if space == "W+":
        moved = others + torch.stack(list(walk.code().values()), 1) - own
        assert F.cosine_similarity(project(generator.synthesis(moved)), TEXT).mean() > (4 * together - alone) / 3
    assert now["clip"] < first["clip"] - 0.05


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("held", ["coarse", "medium", "fine"])
def test_held_rows_stay_and_so_do_their_moments(generator, space, held):
    walk = a_walk(generator, space)
    rows = generator.synthesis.rows if space == "S" else {f"w{row}": row for row in range(10)}
    level = {name: ("coarse", "medium", "fine")[min(row // 4, 2)] for name, row in rows.items()}
    go(walk, 4)
    before = walk.state_dict()
    go(walk, 3, levels={"coarse", "medium", "fine"} - {held})
    after = walk.state_dict()
    for name in rows:
        stays = level[name] == held or is_torgb(name)
        assert torch.equal(before["code"][name], after["code"][name]) == stays
        if not is_torgb(name):
            assert torch.equal(before["moments"][name]["exp_avg"], after["moments"][name]["exp_avg"]) == stays
    go(walk, 1)
    assert all(is_torgb(name) or not torch.equal(after["code"][name], vector) for name, vector in walk.code().items())


def test_with_all_rows_held_nothing_moves(generator):
    walk = a_walk(generator)
    before = walk.code()
    losses = go(walk, 3, levels=())
    assert walk.steps_done == 3
    assert losses[0] == losses[-1]
    assert all(torch.equal(before[name], vector) for name, vector in walk.code().items())


def test_several_texts_count_by_their_weights(generator):
    one, other, both = (
        go(a_walk(generator), 1, texts)[0]["clip"]
        for texts in ([(TEXT, 1.0)], [(OTHER, 1.0)], [(TEXT, 0.7), (OTHER, -0.3)])
    )
    assert both == pytest.approx(0.7 * one - 0.3 * other, rel=1e-6)


def test_identity_is_there_where_it_counts(generator):
    assert "identity" not in go(a_walk(generator), 1)[0]
    assert "identity" not in go(a_walk(generator, identity=features), 1, id_lambda=0.0)[0]
    held, free = (a_walk(generator, identity=features) for _ in range(2))
    go(held, 15, id_lambda=5.0)
    go(free, 15, id_lambda=0.0)
    assert go(held, 1)[0]["identity"] < go(free, 1)[0]["identity"]


@pytest.mark.parametrize("space", SPACES)
def test_an_accepted_start_is_what_the_weights_refer_to(generator, space):
    walk = a_walk(generator, space, identity=features)
    first = walk.start_picture
    losses = go(walk, 6)
    assert min(losses[-1]["l2"], losses[-1]["identity"]) > 1e-3
    walk.accept()
    assert torch.equal(walk.start_picture, walk.render(walk.code()).detach())
    assert not torch.equal(walk.start_picture, first)
    losses = go(walk, 2)
    assert losses[0]["l2"] == 0
    assert losses[0]["identity"] == pytest.approx(0, abs=1e-6)
    assert losses[1]["l2"] > 0


def test_a_loss_that_is_no_number_is_one_sentence(generator):
    walk = a_walk(generator)
    before = walk.code()
    with pytest.raises(EngineError, match="lower the setting 'lr'"):
        go(walk, 1, [(torch.full((1, 16), float("nan")), 1.0)])
    assert all(torch.equal(before[name], vector) for name, vector in walk.code().items())


@pytest.mark.parametrize("space", SPACES)
def test_a_walk_goes_on_as_if_it_had_never_stopped(generator, space):
    walk = a_walk(generator, space, identity=features)
    go(walk, 3, levels={"medium"})  # fine rows have no moments yet
    walk.accept()
    go(walk, 3, levels={"coarse", "medium"})
    state = walk.state_dict()
    resumed = a_walk(generator, space, seed=4, identity=features)
    resumed.load_state_dict(state)
    assert go(resumed, 5) == go(walk, 5)
    assert torch.equal(resumed.render(resumed.code()), walk.render(walk.code()))
    assert state["steps"] == 6


def test_the_state_of_another_walk_is_refused(generator, refused):
    small = Generator(GeneratorConfig(channels=(8,) * 5, z_dim=6, mapping_features=(12, 9))).requires_grad_(False)
    for walk in (a_walk(generator, "S"), a_walk(small)):
        refused("another generator or latent space", walk.load_state_dict, a_walk(generator).state_dict())
    refused("another generator", a_walk(generator).load_state_dict, {})


# ---------------------------------------------------------------------------------------------- the engine


@pytest.fixture(scope="module")
def small(generator, tmp_path_factory):
    """`small(**changes)`: settings of a short run with that generator."""
    path = tmp_path_factory.mktemp("generator") / "small.safetensors"
    save_generator(generator, path)
    values = {"prompt": "face with glasses", "num_steps": 5, "generator": str(path), "id_lambda": 0.0}
    return lambda **changes: StyleCLIPOptimizeSettings.parse({**values, **changes})


@pytest.fixture(scope="module")
def person(small, tmp_path_factory):
    """The same with a twin of a published identity network."""
    path = tmp_path_factory.mktemp("identity") / "model_ir_se50.pth"
    torch.save(random_state(identity_shapes(NARROW, 16)), path)
    return lambda **changes: small(**{"identity_network": str(path), **changes})


@pytest.fixture
def models():
    return Models("pocket", "cpu")


def frames(models, settings, live=None):
    return list(StyleCLIPOptimize(models).run(settings, live))


def test_smoke(models, small):
    run = frames(models, small())
    assert [frame.step for frame in run] == list(range(6))
    assert all(frame.steps == 5 for frame in run)
    assert run[0].losses == {}
    assert list(run[-1].losses) == ["loss", "clip", "l2"]
    assert run[0].image.shape == (64, 64, 3)
    assert run[0].image.dtype == np.uint8
    assert all(np.array_equal(frame.before, run[0].image) for frame in run)
    assert np.array_equal(run[1].image, run[0].image)  # the first step has rate 0
    assert not np.array_equal(run[-1].image, run[0].image)
    assert not any(frame.status or frame.is_resting for frame in run)


def test_the_start_is_the_face_of_the_number(models, small, generator):
    expected = face.to_pixels(generator.synthesis(face.latent_of_seed(generator, 7, 0.6)))
    for space in SPACES:
        first = next(StyleCLIPOptimize(models).run(small(seed=7, truncation_psi=0.6, space=space)))
        assert np.array_equal(first.image, expected)


def test_a_frame_keeps_its_picture(models, small):
    """It may be drawn long after the walk went on."""
    late = frames(models, small())
    early = [frame.image for frame in StyleCLIPOptimize(models).run(small())]
    assert all(np.array_equal(frame.image, image) for frame, image in zip(late, early, strict=True))


@pytest.mark.parametrize("space", SPACES)
def test_loss_falls(models, small, space):
    losses = [frame.losses["loss"] for frame in frames(models, small(num_steps=25, space=space))[1:]]
    assert losses[-1] < losses[0] - 0.05


@pytest.fixture(scope="module")
def unchanged(pocket, person):
    """The losses of the run that no live setting disturbs."""
    return frames(pocket, person())[-1].losses


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a red apple"},
        {"prompt": "face with glasses:1 | beard:-0.5"},
        {"l2_lambda": 0.1},
        {"id_lambda": 1.0},
        {"lr": 0.3},
        {"num_steps": 8},
        {"coarse": False},
        {"medium": False},
        {"fine": False},
    ],
)
def test_live_control_changes_result(models, person, unchanged, change):
    live = LiveSettings(person())
    run = StyleCLIPOptimize(models).run(live.current, live)
    for _ in range(3):
        next(run)
    live.update(**change)
    *_, last = run
    assert last.losses != unchanged
    assert last.step == last.steps == live.current.num_steps


def test_accepting_a_new_start(models, person):
    live = LiveSettings(person(accepted=2, id_lambda=0.1, num_steps=8))
    run = StyleCLIPOptimize(models).run(live.current, live)
    shown = [next(run) for _ in range(5)]
    assert np.array_equal(shown[4].before, shown[0].image)  # presses before the run are none of its own
    live.update(accepted=3)
    after = next(run)
    assert np.array_equal(after.before, shown[4].image)
    assert after.losses["l2"] == 0
    assert after.step == 5
    later = next(run)
    assert np.array_equal(later.before, after.before)
    assert later.losses["l2"] > 0


@pytest.mark.parametrize("space", SPACES)
def test_resume_equals_uninterrupted(models, person, tmp_path, space):
    def begin(engine, live):
        run = engine.run(live.current, live)
        for _ in range(3):
            next(run)
        live.update(accepted=1)
        next(run)
        return run

    settings = person(num_steps=7, space=space, id_lambda=0.1)
    *_, through = begin(StyleCLIPOptimize(models), LiveSettings(settings))
    engine, live = StyleCLIPOptimize(models), LiveSettings(settings)
    run = begin(engine, live)
    save_state(tmp_path / "state.safetensors", engine.state_dict())
    run.close()
    resumed = StyleCLIPOptimize(models)
    resumed.load_state_dict(load_state(tmp_path / "state.safetensors"))
    rest = list(resumed.run(live.current))
    assert [frame.step for frame in rest] == [3, 4, 5, 6, 7]
    assert np.array_equal(rest[-1].image, through.image)
    assert np.array_equal(rest[-1].before, through.before)
    assert rest[-1].losses == through.losses


class Search:
    """Stands in for the projector: every step moves the code by one tenth."""

    def __init__(self, generator, features, target, *, num_steps, seed, start):
        self.generator, self.latent = generator, torch.zeros(1, generator.num_ws, generator.w_dim)
        self.target = torch.zeros(1, 3, 64, 64)

    def step(self):
        self.latent = self.latent + 0.1
        return {"loss": 1.0}

    def picture(self):
        return self.generator.synthesis(self.latent)

    def state_dict(self):
        return {"latent": self.latent}

    def load_state_dict(self, state):
        self.latent = state["latent"]


def own_picture(tmp_path) -> str:
    Image.new("RGB", (40, 50), "#c08060").save(tmp_path / "own.png")
    return str(tmp_path / "own.png")


def test_an_own_picture_is_searched_for_and_then_edited(models, small, tmp_path, monkeypatch):
    monkeypatch.setattr(face, "Projector", Search)
    settings = small(photo=own_picture(tmp_path), projection_steps=20)
    through = frames(models, settings)
    assert [frame.step for frame in through] == list(range(26))
    assert {frame.steps for frame in through} == {25}
    assert np.array_equal(through[20].image, through[-1].before)
    for stop in (7, 20, 22):  # in the search, at its end, and in the walk
        engine = StyleCLIPOptimize(models)
        run = engine.run(settings)
        for _ in range(stop + 1):
            next(run)
        save_state(tmp_path / "state.safetensors", engine.state_dict())
        resumed = StyleCLIPOptimize(models)
        resumed.load_state_dict(load_state(tmp_path / "state.safetensors"))
        rest = list(resumed.run(settings))
        assert [frame.step for frame in rest] == list(range(stop, 26))
        assert np.array_equal(rest[-1].image, through[-1].image)


def test_free_mode_begins_with_the_average_face_and_is_not_held(models, person, generator):
    settings = person(mode="free", photo="not looked at.png", l2_lambda=0.1, id_lambda=1.0)
    run = frames(models, settings)
    average = generator.mapping.w_avg.repeat(1, generator.num_ws, 1)
    assert np.array_equal(run[0].image, face.to_pixels(generator.synthesis(average)))
    assert all(frame.losses["loss"] == frame.losses["clip"] for frame in run[1:])
    assert run[-1].losses["l2"] > 0
    assert [frame.step for frame in run] == list(range(6))
    assert run[-1].status == ""


def test_a_lack_of_an_identity_network_is_said(models, small):
    live = LiveSettings(small(id_lambda=0.1))
    run = StyleCLIPOptimize(models).run(live.current, live)
    for frame in (next(run), next(run)):
        assert frame.notices[0].startswith("There is no identity network for these models")
        assert "identity" not in frame.losses
    live.update(id_lambda=0.0)
    assert next(run).notices == ()


def test_the_embedded_network_is_for_the_embedded_faces(models):
    run = frames(models, StyleCLIPOptimizeSettings(prompt="face with glasses", num_steps=3, id_lambda=0.1))
    assert run[-1].losses["identity"] > 0
    assert "pocket-identity" in [record["name"] for record in models.used]


def test_identity_with_a_network(models, person):
    run = frames(models, person(id_lambda=0.1, num_steps=3))
    assert run[1].losses["identity"] == pytest.approx(0, abs=1e-6)
    assert run[-1].losses["identity"] > 0
    assert run[-1].status == ""
    assert [record["name"] for record in models.used][-1] == "model_ir_se50.pth"


def test_what_a_person_may_overlook_is_said(models, small):
    assert "held" in frames(models, small(coarse=False, medium=False, fine=False, num_steps=1))[-1].status
    assert (
        "only the beginning" in frames(models, small(prompt="a very " * 40 + "happy face", num_steps=1))[-1].notices[0]
    )


# ---------------------------------------------------------------------------------------------- what CLIP is shown


def test_the_reference_view_is_for_a_clip_of_224_pixels():
    def encode_image(pictures, *, normalize=True):
        return SimpleNamespace(pictures=pictures, normalize=normalize)

    encoder = SimpleNamespace(name="stub", image_size=224, encode_image=encode_image)
    pictures = 2 * torch.randn(1, 3, 64, 64)
    shown = clip_view(encoder, True)(pictures)
    assert not shown.normalize
    torch.testing.assert_close(shown.pictures, reference_clip_input(pictures))
    shown = clip_view(encoder, False)(pictures)
    assert shown.normalize
    assert shown.pictures.shape == (1, 3, 224, 224)
    assert 0 <= shown.pictures.min() <= shown.pictures.max() <= 1


def test_the_reference_view_is_refused_before_anything_is_searched(models, small, refused):
    run = StyleCLIPOptimize(models).run(small(reference_clip_input=True, photo="not looked at.png"))
    refused("'reference_clip_input' needs a CLIP that looks at 224 pixels.* switch it off", next, run)


# ---------------------------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"prompt": "  "}, "prompt"),
        ({"prompt": "| |"}, "prompt"),
        ({"prompt": ":0.4"}, "prompt"),
    ],
)
def test_wrong_settings_end_in_one_sentence(small, changes, named):
    with pytest.raises(EngineError, match=f"'{named}'") as caught:
        small(**changes)
    assert "\n" not in str(caught.value)


def test_paper_preset_is_the_papers(small):
    settings = small(**StyleCLIPOptimizeSettings.PRESETS["Paper"])
    assert (settings.num_steps, settings.lr, settings.truncation_psi) == (300, 0.1, 0.7)
    assert (settings.l2_lambda, settings.id_lambda) == (0.008, 0.005)


@pytest.mark.parametrize(
    "state", [{}, {"step": 3}, {"step": 1, "start": None, "search": None}, {"step": 1, "start": 2, "search": None}]
)
def test_a_wrong_state_is_one_sentence(models, state, refused):
    refused("not one of StyleCLIP optimisation", StyleCLIPOptimize(models).load_state_dict, state)


def test_a_state_of_the_other_space_is_refused(models, small, refused):
    engine = StyleCLIPOptimize(models)
    next(engine.run(small()))
    resumed = StyleCLIPOptimize(models)
    resumed.load_state_dict(engine.state_dict())
    refused("another generator or latent space", next, resumed.run(small(space="S")))
