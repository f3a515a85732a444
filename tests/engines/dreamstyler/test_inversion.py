import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from engines.base import EngineError
from engines.dreamstyler.inversion import Painting, StageInversion, as_input
from engines.dreamstyler.tokens import PromptReader

SENTENCES = ("A painting of a cat, in the style of {}", "A painting of a house, in the style of {}")


@pytest.fixture
def paintings():
    random = np.random.default_rng(0)
    return [Painting(random.integers(0, 256, (20, 30, 3), dtype=np.uint8), sentence) for sentence in SENTENCES]


@pytest.fixture
def training(model, paintings, learning):
    return StageInversion(model, paintings, learning())


def test_all_stages_begin_with_the_word(model, training):
    word = PromptReader(model).word("painting")
    assert torch.equal(training.vectors, word.expand(3, -1))


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_one_step_is_that_of_the_released_code(large, paintings, learning, kind):
    """AdamW on the rows of the vocabulary, for the loss of whatever the network predicts."""
    large.scheduler.register_to_config(prediction_type=kind)
    training = StageInversion(large, paintings[:1], learning(batch_size=3, lr=0.01))
    latents = training._means[0]
    start = training.vectors.detach().clone()
    seen = {}

    def remember(network, inputs, output):
        seen.update(noised=inputs[0], timesteps=inputs[1], texts=inputs[2], output=output.sample)

    handle = large.unet.register_forward_hook(remember)
    training.step(learning(batch_size=3, lr=0.01))
    handle.remove()
    random = torch.Generator().manual_seed(0)  # the same draws again
    torch.randint(1, (3,), generator=random)
    mirrored = torch.randint(2, (3,), generator=random)
    torch.rand(3, generator=random, dtype=torch.float64)
    x0 = latents[mirrored] + training._stds[0][mirrored] * torch.randn(3, 4, 8, 8, generator=random)
    noise = torch.randn(3, 4, 8, 8, generator=random)
    level = large.scheduler.alphas_cumprod[seen["timesteps"]].view(-1, 1, 1, 1)
    torch.testing.assert_close(seen["noised"], level.sqrt() * x0 + (1 - level).sqrt() * noise)
    target = {
        "epsilon": noise, "sample": x0, "v_prediction": level.sqrt() * noise - (1 - level).sqrt() * x0,
    }[kind]  # fmt: skip
    assert training.losses["loss"] == pytest.approx(F.mse_loss(seen["output"], target).item(), rel=1e-5)
    expected = start.clone().requires_grad_()
    optimizer = torch.optim.AdamW([expected], lr=0.01)
    reader = PromptReader(large)
    texts = reader([reader.parse(SENTENCES[0])] * 3, expected[[0, 1, 2]])
    F.mse_loss(large.unet(seen["noised"], seen["timesteps"], texts).sample, target).backward()
    optimizer.step()
    torch.testing.assert_close(training.vectors, expected, rtol=0, atol=1e-5)
    assert (training.vectors - start).abs().max() > 5e-3


def test_timesteps_go_round_the_stages(training):
    drawn = [training._draw_timesteps(4) for _ in range(30)]
    stages = torch.cat([stages for stages, _ in drawn])
    timesteps = torch.cat([timesteps for _, timesteps in drawn])
    assert torch.equal(stages, torch.arange(120) % 3)
    assert torch.equal(timesteps * 3 // 1000, stages)
    assert len(timesteps.unique()) > 90


def test_it_learns_and_nothing_else_does(model, paintings, training, learning):
    before = {name: value.clone() for name, value in model.unet.state_dict().items()}
    for _ in range(30):
        training.step(learning(batch_size=6, lr=0.05))
    still = learning(batch_size=12, lr=0.0)

    def loss(vectors):
        """Of the same views, which nothing is learned from."""
        other = StageInversion(model, paintings, still)
        other.vectors.data.copy_(vectors)
        losses = []
        for _ in range(4):
            other.step(still)
            losses.append(other.losses["loss"])
        assert torch.equal(other.vectors, vectors)
        return sum(losses)

    word = PromptReader(model).word("painting").expand(3, -1)
    assert loss(training.vectors.detach()) < 0.999 * loss(word)
    assert all(torch.equal(value, before[name]) for name, value in model.unet.state_dict().items())


def test_it_goes_on_as_if_it_had_never_stopped(model, paintings, learning, training):
    settings = learning()
    for _ in range(3):
        training.step(settings)
    state = training.state_dict()
    for _ in range(3):
        training.step(settings)
    again = StageInversion(model, paintings, settings)
    again.load_state_dict(state)
    assert again.steps_done == 3
    for _ in range(3):
        again.step(settings)
    assert torch.equal(again.vectors, training.vectors)
    assert again.losses == training.losses
    assert list(again.snapshots) == list(training.snapshots) == [2, 4, 6]
    assert torch.equal(again.snapshots[2], training.snapshots[2])


def test_the_state_of_another_style(model, paintings, learning, training):
    state = training.state_dict()
    for other in (
        StageInversion(model, paintings, learning(num_stages=4)),
        StageInversion(model, paintings[:1], learning()),
    ):
        with pytest.raises((ValueError, RuntimeError)):
            other.load_state_dict(state)


def test_back_to_an_earlier_step(training, learning):
    for _ in range(5):
        training.step(learning())
    latest = training.style(learning())
    assert (latest.name, latest.metadata["steps"]) == ("<style>", "5")
    assert torch.equal(latest.vectors, training.vectors)
    earlier = training.style(learning(snapshot=3))
    assert earlier.metadata["steps"] == "2"
    assert torch.equal(earlier.vectors, training.snapshots[2])
    first = training.style(learning(snapshot=1))
    assert torch.equal(first.vectors[0], first.vectors[2])
    assert latest.metadata["sentences"].split("\n") == list(SENTENCES)
    assert len(latest.metadata["pictures"].split("\n")) == 2


def test_too_high_a_learning_rate(training, learning, monkeypatch):
    monkeypatch.setattr(F, "mse_loss", lambda *_: torch.tensor(torch.nan))
    with pytest.raises(EngineError, match="lower the learning rate"):
        training.step(learning())


def test_pictures_are_squashed_or_cut():
    picture = np.zeros((10, 20, 3), dtype=np.uint8)
    picture[:, :5] = 255
    squashed, cut = as_input(picture, 8), as_input(picture, 8, center_crop=True)
    assert squashed.shape == cut.shape == (1, 3, 8, 8)
    assert squashed.mean() > 0.2
    assert not cut.any()
    lanczos = Image.fromarray(picture).resize((8, 8), Image.Resampling.LANCZOS)
    assert np.array_equal((squashed[0] * 255).byte().permute(1, 2, 0).numpy(), np.asarray(lanczos))
