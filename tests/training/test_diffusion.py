import pytest
import torch
import torch.nn.functional as F

from engines.clip._open_clip import open_clip
from engines.diffusion import PocketDiffusion, sample
from engines.diffusion.pocket import tokens
from evaluation.weights import load_weights
from training import diffusion
from training.clip import ASSETS, MODEL
from training.diffusion import (
    ALONE,
    DRAFTING,
    GOING_ON,
    LAST,
    NAMING,
    PEAK_LR,
    TIMESTEPS,
    DiffusionTrainer,
    fit_code,
    fit_draft,
    make_scheduler,
    make_text_encoder,
    make_tokenizer,
    make_unet,
)
from world.subjects import load_subjects

TEXTS = ["a Red apple, on a table", "눈으로 만든 하얀 눈사람", "it's  3 stars & the moon!", "", "long " * 40]


@pytest.fixture(scope="module")
def trainer(composer):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusion, "BATCH", 12)
        patch.setattr(diffusion, "WIDTHS", (32, 32, 32, 32))
        patch.setattr(diffusion, "HEADS", (1, 1, 1, 1))
        patch.setattr(diffusion, "NAMES", 24)
        patch.setattr(diffusion, "SHEET", diffusion.SHEET[:8])
        yield DiffusionTrainer(100, 1, "cpu")


def test_the_text_encoder_begins_as_clips_text_tower():
    tower = load_weights(ASSETS / f"{MODEL}.safetensors")
    open_clip.add_model_config(ASSETS / f"{MODEL}.json")
    clip = open_clip.create_model(MODEL).eval()
    clip.load_state_dict(tower)
    tokenizer, theirs = make_tokenizer(), open_clip.get_tokenizer(MODEL, bpe_path=str(ASSETS / "bpe.txt.gz"))(TEXTS)
    ids = tokens(tokenizer, TEXTS)
    for row, other in zip(ids, theirs, strict=True):
        end = int(other.argmax())
        assert torch.equal(row[: end + 1], other[: end + 1])
    with torch.no_grad():
        pooled = make_text_encoder(tokenizer).eval()(ids).pooler_output
        assert torch.allclose(pooled @ tower["text_projection"], clip.encode_text(theirs), atol=1e-4)


def test_the_rate_rises_and_falls_with_each_thing_that_is_learned(trainer, monkeypatch):
    """Words, drafts and pictures, of 100 batches."""
    rates = []
    with monkeypatch.context() as patch:
        patch.setattr(diffusion, "WARM_UP", 2)
        patch.setattr(diffusion, "descend", lambda loss, optimizer, rate, *networks: rates.append(rate / PEAK_LR))
        patch.setattr(trainer, "world", _World(torch.rand(12, 3, 64, 64)))
        for batch in (0, 4, 5, 49, 50, 75, 99):
            patch.setattr(trainer, "batch", batch)
            trainer.step()
    left = [1 / 5, 1 / 45, 1 / 2, 1 / 50]
    words, drafts, half, end = (LAST + (1 - LAST) * share for share in left)
    assert rates == pytest.approx([0.5, words, 0.5, drafts, 0.5, half, end])


def test_every_prediction_of_pixels_stays_within_their_range():
    scheduler = make_scheduler()
    scheduler.set_timesteps(4)
    noise = torch.randn(1, 48, 4, 4)
    step = scheduler.step(torch.full_like(noise, 1.7), scheduler.timesteps[0], noise)
    assert step.pred_original_sample.eq(1).all()
    assert len(scheduler.alphas_cumprod) == TIMESTEPS


def test_the_loss_weighs_what_is_missing_by_the_noise(trainer, monkeypatch):
    seen = {}

    def answer(noisy, timesteps, ids):
        seen.update(noisy=noisy, timesteps=timesteps)
        return torch.zeros_like(noisy, requires_grad=True), torch.zeros_like(noisy)

    pictures = torch.full((12, 3, 64, 64), 0.75)  # 0.5 in latents
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "world", _World(pictures))
        patch.setattr(trainer, "denoiser", _Stub(trainer.denoiser, answer))
        patch.setattr(trainer.optimizer, "step", lambda: None)
        patch.setattr(trainer, "batch", 99)
        loss = trainer.step()["loss"]
    flow = trainer.flow.times[seen["timesteps"]]
    assert loss == pytest.approx((0.25 / flow.clamp_min(0.1).square()).mean().item(), rel=1e-4)
    level = trainer.scheduler.alphas_cumprod[seen["timesteps"]]
    signal, noise = level.sqrt(), (1 - level).sqrt()
    assert torch.allclose(signal.square() + noise.square(), torch.ones(12), atol=1e-5)
    assert torch.allclose(seen["noisy"].mean((1, 2, 3)), 0.5 * signal, atol=0.05)
    assert torch.allclose(seen["noisy"].std((1, 2, 3)), noise, rtol=0.05)


class _World:
    """Always the same pictures; `asked` tells which kind was wanted."""

    def __init__(self, pictures):
        self.pictures, self.asked = pictures, []

    def __call__(self, *_):
        self.asked.append("all")
        return self.pictures, ["a cat"] * len(self.pictures)

    def plain(self, *_):
        self.asked.append("plain")
        return self.pictures, ["a cat"] * len(self.pictures)

    def names(self, *_):
        self.asked.append("names")
        return torch.arange(len(self.pictures)), [f"a cat {number}" for number in range(len(self.pictures))]


def test_first_come_words_then_drafts_and_subjects_alone(trainer, monkeypatch, tmp_path):
    """An earlier model knows words and subjects."""
    trainer.export(tmp_path)
    asked = {}
    for name, one in {"new": trainer, "begun": DiffusionTrainer(100, 2, "cpu", begin=tmp_path)}.items():
        world = _World(torch.rand(12, 3, 64, 64))
        with monkeypatch.context() as patch:
            patch.setattr(one, "world", world)
            patch.setattr(diffusion, "descend", lambda *_: None)
            for share in (0, NAMING - 0.01, NAMING + 0.01, DRAFTING - 0.01, DRAFTING, ALONE - 0.01, ALONE, 0.99):
                patch.setattr(one, "batch", round(100 * share))
                one.step()
        asked[name] = world.asked
    assert asked["new"] == ["names", "names", "plain", "all", "plain", "plain", "all", "all"]
    assert asked["begun"] == ["plain"] * 3 + ["all"] * 5


def test_drafts_are_learned_from_captions_that_differ_in_all_directions_alike(trainer):
    wholes = torch.randn(300, 512) * torch.logspace(0, -2, 512)
    fit_draft(trainer.denoiser.unet, wholes)
    with torch.no_grad():
        strengths = torch.linalg.svdvals(trainer.denoiser.unet.draft.hidden(wholes))
    assert strengths[100] > 0.3 * strengths[0]
    state = {name: value.clone() for name, value in trainer.denoiser.state_dict().items()}
    losses = []
    for trainer.batch in (20,) * 12:
        losses.append(trainer.step()["loss"])
    assert losses[-1] < losses[0]
    changed = {name for name, value in trainer.denoiser.state_dict().items() if not torch.equal(value, state[name])}
    assert changed == {name for name in state if name.startswith("unet.draft.")}


def test_texts_begin_as_different_as_their_names_and_learn_to_be_told_apart(trainer):
    """All directions in which names differ count alike at first; then those that tell subjects apart."""
    names = [name for subject in load_subjects() for name in (subject.en, subject.ko)]
    text_encoder = make_text_encoder(trainer.tokenizer)
    unet = make_unet(text_encoder.config.hidden_size)
    fit_code(unet, text_encoder, trainer.tokenizer, names)
    with torch.no_grad():
        told = unet.add_embedding(text_encoder(tokens(trainer.tokenizer, names)).last_hidden_state).unflatten(
            0, (-1, 2)
        )
    english, korean = F.normalize(told - told.mean(0), dim=-1).unbind(1)
    assert ((korean @ english.T).argmax(1) == torch.arange(len(english))).float().mean() > 0.95
    losses = []
    for trainer.batch in (3,) * 6:
        losses.append(trainer.step()["loss"])
    assert losses[-1] < losses[0]


class _Stub:
    """A denoiser that gives a fixed answer."""

    def __init__(self, denoiser, answer):
        self.parameters, self.state_dict, self.answer = denoiser.parameters, denoiser.state_dict, answer

    def __call__(self, *inputs):
        return self.answer(*inputs)


def test_a_resumed_training_goes_on_as_if_it_had_never_stopped(trainer, tmp_path):
    trainer.batch = 50
    for _ in range(2):
        trainer.step()
    torch.save(trainer.state_dict(), tmp_path / "state.pt")
    unbroken = trainer.step()["loss"]
    after = {name: value.clone() for name, value in trainer.average.state_dict().items()}

    trainer.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert trainer.batch == 52
    assert trainer.step()["loss"] == unbroken
    for name, value in trainer.average.state_dict().items():
        assert torch.equal(value, after[name]), name


def test_what_is_seen_again_and_again_is_learned(trainer, monkeypatch):
    monkeypatch.setattr(diffusion, "WARM_UP", 4)
    losses = []
    for trainer.batch in (75,) * 8:
        losses.append(trainer.step()["loss"])
    assert losses[-1] < 0.7 * losses[0]


def test_what_is_exported_is_small_and_is_what_was_learned(trainer, tmp_path):
    trainer.export(tmp_path)
    assert sum(path.stat().st_size for path in (tmp_path / "unet").iterdir()) < 2.2 * _count(trainer.average.unet)
    loaded = PocketDiffusion.load(tmp_path)
    prompts = ["a cat", "집"]
    ours, theirs = (sample(m, prompts, 2, 1.0, torch.Generator().manual_seed(0)) for m in (trainer.model(), loaded))
    assert torch.allclose(ours, theirs, atol=0.02)


def _count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_a_training_can_begin_as_an_earlier_model(trainer, tmp_path):
    trainer.export(tmp_path)
    again = DiffusionTrainer(100, 2, "cpu", begin=tmp_path)
    for name, value in trainer.average.state_dict().items():
        torch.testing.assert_close(again.denoiser.state_dict()[name], value, rtol=1e-3, atol=1e-4)
    assert all(parameter.requires_grad for parameter in again.denoiser.parameters())
    assert again.peak == GOING_ON * PEAK_LR < trainer.peak, "what is known is not to be thrown about"
    again.export(tmp_path / "again")
    assert str(tmp_path) not in (tmp_path / "again" / "unet" / "config.json").read_text()


def test_the_sheet_shows_a_sample_of_each_prompt(trainer):
    sheet = trainer.sheet()
    assert sheet.size == (8 * diffusion.SIZE, diffusion.SIZE)
    assert sheet.convert("L").getextrema() != (255, 255)


def test_the_network_attends_to_the_text():
    torch.manual_seed(0)
    unet = make_unet(192).eval()
    noisy, text = torch.randn(1, 48, 16, 16), torch.randn(2, 24, 192)
    with torch.no_grad():
        one, other = unet(noisy.expand(2, -1, -1, -1), 500, text).sample
    assert one.shape == (48, 16, 16)
    assert 2 * (_count(unet) + _count(make_text_encoder(make_tokenizer()))) < 25e6  # bytes as fp16
    assert not torch.allclose(one, other, atol=1e-4)
