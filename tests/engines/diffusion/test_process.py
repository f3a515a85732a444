"""Against arrays of Karlo's diffusion code, and against models whose answer is known exactly."""

import math

import pytest
import torch

from engines.base import EngineError
from engines.diffusion.process import Diffusion, Step, cosine_betas, leading_timesteps, spaced_timesteps
from engines.unclip.upsampler import FAST_27, KARLO_7

COSINE = Diffusion.of({}).alphas_cumprod
TYPES = ("epsilon", "v_prediction", "sample")


@pytest.fixture(scope="module")
def array(references):
    """`array(key)`: that reference array as a tensor."""
    return references.tensors("unclip")


def karlo(prediction_type: str, clip: float) -> Diffusion:
    return Diffusion.of({"prediction_type": prediction_type, "clip_sample_range": clip})


def next_of(timesteps: list[int], timestep: int) -> int | None:
    return [*timesteps, None][timesteps.index(timestep) + 1]


def close(found, expected, atol=2e-5):
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


# ---------------------------------------------------------------------------------------------- schedules


def test_reference_schedule(array):
    close(cosine_betas(), array("betas_cosine_1000"), 1e-12)
    close(COSINE, array("alphas_cumprod_1000"), 1e-12)


@pytest.mark.parametrize("count", [7, 25, 50, 64])
def test_reference_timesteps(array, count):
    assert spaced_timesteps(count) == array(f"timesteps_{count}").tolist()


@pytest.mark.parametrize("count", [50, 250])
def test_reference_timesteps_for_inversion(array, count):
    assert leading_timesteps(count) == array(f"timesteps_ddim{count}").tolist()


def test_reference_timesteps_of_the_upsamplers(array):
    assert array("timesteps_fast27").tolist() == FAST_27
    assert array("sr_timestep").tolist() == KARLO_7


@pytest.mark.parametrize("timesteps", [spaced_timesteps, leading_timesteps])
@pytest.mark.parametrize("count", [1, 1001])
def test_impossible_numbers_of_steps(timesteps, count):
    with pytest.raises(EngineError, match="between 2 and 1000"):
        timesteps(count)


@pytest.mark.parametrize(
    ("config", "first", "last"),
    [
        ({"_class_name": "DDPMScheduler"}, 1 - 1e-4, 4.036e-5),
        ({"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}, 1 - 0.00085, 4.66e-3),
    ],
)
def test_schedules_of_published_models(config, first, last):
    """Known values of the linear schedule of DDPM and of latent diffusion."""
    levels = Diffusion.of(config).alphas_cumprod
    assert levels[0].item() == pytest.approx(first)
    assert levels[-1].item() == pytest.approx(last, rel=1e-3)


def test_schedulers_as_they_are_published():
    prior = Diffusion.of({"_class_name": "UnCLIPScheduler", "prediction_type": "sample", "clip_sample_range": 5.0})
    assert (prior.prediction_type, prior.clip) == ("sample", 5.0)
    assert Diffusion.of({"_class_name": "DDIMScheduler", "clip_sample": False}).clip is None
    assert Diffusion.of({"_class_name": "PNDMScheduler", "prediction_type": "v_prediction"}).clip is None


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"_class_name": "HeunDiscreteScheduler"}, "scheduler 'HeunDiscreteScheduler' is not known"),
        ({"beta_schedule": "sigmoid"}, "schedule 'sigmoid' is not known"),
        ({"prediction_type": "flow"}, "predict 'flow'"),
    ],
)
def test_unknown_schedulers(refused, config, message):
    refused(message, Diffusion.of, config)


# ---------------------------------------------------------------------------------------------- DDPM


@pytest.mark.parametrize("clip", [10, 5])
def test_reference_prior_steps(array, clip):
    diffusion, timesteps = karlo("sample", clip), spaced_timesteps(25)
    for number, timestep in enumerate(array("prior_timestep").tolist()):
        found, _ = diffusion.ddpm_step(
            array("prior_pred_x0"), array("prior_x_t"), timestep, next_of(timesteps, timestep), array("prior_noise")
        )
        close(found, array(f"prior_prev_clip{clip}")[number])
        if clip == 5:
            # its tables are of single precision, which shows at the last step
            close(found, array("unclip_sched_prior_prev")[number], 2e-4 if timestep else 5e-3)


def test_reference_decoder_steps(array):
    """With a learned variance."""
    diffusion, timesteps = karlo("epsilon", 1.0), spaced_timesteps(25)
    for number, timestep in enumerate(array("dec_timestep").tolist()):
        found, x0 = diffusion.ddpm_step(
            array("dec_model_out"), array("dec_x_t"), timestep, next_of(timesteps, timestep), array("dec_noise")
        )
        close(found, array("dec_prev")[number])
        close(x0, array("dec_pred_x0")[number])
        close(found, array("unclip_sched_dec_prev")[number], 1e-3)


def test_reference_upsampler_steps(array):
    diffusion = karlo("epsilon", 1.0)
    for number, timestep in enumerate(KARLO_7):
        found, _ = diffusion.ddpm_step(
            array("sr_eps"), array("sr_x_t"), timestep, next_of(KARLO_7, timestep), array("sr_noise")
        )
        close(found, array("sr_prev")[number])
        close(found, array("unclip_sched_sr_prev")[number], 1e-3)


# ---------------------------------------------------------------------------------------------- an analytic model


class Gaussian:
    """The best network there can be for pictures drawn from N(mu, variance), in each way of predicting."""

    def __init__(self, array, prediction_type: str):
        self.mu, self.variance, self.prediction_type = array("toy_mu"), array("toy_var").item(), prediction_type

    def __call__(self, x, timestep: int):
        level = COSINE[timestep].item()
        epsilon = math.sqrt(1 - level) * (x - math.sqrt(level) * self.mu) / (level * self.variance + 1 - level)
        x0 = (x - math.sqrt(1 - level) * epsilon) / math.sqrt(level)
        v = math.sqrt(level) * epsilon - math.sqrt(1 - level) * x0
        return {"epsilon": epsilon, "sample": x0, "v_prediction": v}[self.prediction_type]


@pytest.fixture(params=TYPES)
def model(array, request):
    return Gaussian(array, request.param)


@pytest.fixture
def diffusion(model):
    return Diffusion(COSINE, model.prediction_type)


@pytest.mark.parametrize("count", [50, 250])
def test_reference_inversion(array, model, diffusion, count):
    timesteps = leading_timesteps(count)
    steps = list(diffusion.ddim_inversion(model, array("ddim_x0"), timesteps))
    assert [(step.step, step.steps) for step in steps] == [(number, count - 1) for number in range(1, count)]
    close(steps[-1].sample, array(f"ddim_inverted_ddim{count}"))
    output = model(steps[-1].sample, timesteps[0])
    noise_alone, _ = diffusion.inversion_step(output, steps[-1].sample, timesteps[0], None)
    close(noise_alone, array(f"ddim_inverted_full_ddim{count}"))
    if count == 50:
        trace = [step.sample for step in steps] + [noise_alone]
        for index, expected in zip(
            array("ddim_inversion_trace_index").tolist(), array("ddim_inversion_trace_ddim50"), strict=True
        ):
            close(trace[index], expected)


@pytest.mark.parametrize("count", [50, 250])
def test_reference_ddim(array, model, diffusion, generator, count):
    start = array(f"ddim_inverted_ddim{count}")
    steps = list(diffusion.ddim(model, start, leading_timesteps(count), eta=0.0, generator=generator))
    close(steps[-1].sample, array(f"ddim_resampled_ddim{count}_eta0"))
    assert [step.step for step in steps] == list(range(1, count + 1))


@pytest.mark.parametrize("eta", ["0.5", "1"])
def test_reference_ddim_with_noise(array, model, diffusion, eta):
    timesteps, sample = leading_timesteps(50), array("ddim_inverted_ddim50")
    for index in reversed(range(50)):
        timestep, noise = timesteps[49 - index], array("ddim_noise_by_index")[index][None]
        output, before = model(sample, timestep), next_of(timesteps, timestep)
        sample, _ = diffusion.ddim_step(output, sample, timestep, before, float(eta), noise)
    close(sample, array(f"ddim_resampled_ddim50_eta{eta}"))


@pytest.mark.parametrize(("count", "error"), [(25, 4e-3), (50, 1.2e-3), (250, 6e-5)])
def test_inversion_and_back(array, model, diffusion, generator, count, error):
    timesteps = leading_timesteps(count)
    x0 = array("ddim_x0")
    *_, inverted = diffusion.ddim_inversion(model, x0, timesteps)
    *_, back = diffusion.ddim(model, inverted.sample, timesteps, generator=generator)
    assert (back.sample - x0).square().mean() < error
    assert (inverted.sample - x0).square().mean() > 0.1


def test_more_eta_drifts_further(array, model, diffusion):
    timesteps = leading_timesteps(50)
    *_, inverted = diffusion.ddim_inversion(model, array("ddim_x0"), timesteps)
    drift = []
    for eta in (0.0, 0.25, 0.5, 1.0):
        chance = torch.Generator().manual_seed(1)
        *_, end = diffusion.ddim(model, inverted.sample, timesteps, eta=eta, generator=chance)
        drift.append((end.sample - array("ddim_x0")).square().mean().item())
    assert drift == sorted(drift)
    assert drift[-1] > 20 * drift[0]


@pytest.mark.parametrize("kind", ["ddpm", "ddim"])
def test_noise_becomes_the_distribution_that_was_learned(array, model, diffusion, generator, kind):
    noise = torch.randn(80, 3, 8, 8, generator=generator)
    options = {"eta": 1.0} if kind == "ddim" else {}
    sampler = getattr(diffusion, kind)
    *_, end = sampler(model, noise, spaced_timesteps(250), generator=generator, **options)
    assert (end.sample.mean(0) - model.mu[0]).abs().mean() < 0.05
    assert end.sample.var(0).mean().item() == pytest.approx(model.variance, rel=0.06)


def test_inversion_does_not_clamp(array, model):
    x0, timesteps = 3 * array("ddim_x0"), leading_timesteps(10)
    clamped, free = Diffusion(COSINE, model.prediction_type, 0.1), Diffusion(COSINE, model.prediction_type)
    *_, first = clamped.ddim_inversion(model, x0, timesteps)
    *_, second = free.ddim_inversion(model, x0, timesteps)
    close(first.sample, second.sample, 0)


def test_predictions_are_clamped(array, generator):
    x = torch.randn(2, 3, 8, 8, generator=generator) * 4
    for prediction_type in TYPES:
        x0, epsilon = Diffusion(COSINE, prediction_type, 0.5).read(Gaussian(array, prediction_type)(x, 400), x, 400)
        assert x0.abs().max() == 0.5
        level = COSINE[400].item()
        close(math.sqrt(level) * x0 + math.sqrt(1 - level) * epsilon, x, 1e-5)


# ---------------------------------------------------------------------------------------------- streaming


def test_steps_are_made_one_by_one_and_reproducibly(array, model, diffusion):
    asked = []

    def predict(x, timestep):
        asked.append(timestep)
        return model(x, timestep)

    def run():
        chance = torch.Generator().manual_seed(3)
        return diffusion.ddpm(predict, array("ddim_x0"), spaced_timesteps(5), generator=chance)

    steps = run()
    first = next(steps)
    assert isinstance(first, Step)
    assert asked == [999]
    rest = list(steps)
    assert asked == spaced_timesteps(5)
    close(rest[-1].sample, rest[-1].x0, 0)
    again = list(run())
    assert all(torch.equal(a.sample, b.sample) for a, b in zip([first, *rest], again, strict=True))


def test_eta_may_change_on_the_way(array, model, diffusion):
    def end(eta):
        chance = torch.Generator().manual_seed(3)
        return list(diffusion.ddim(model, array("ddim_x0"), spaced_timesteps(6), eta=eta, generator=chance))

    values = iter([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    mixed, still = end(lambda: next(values)), end(0.0)
    same = [torch.equal(a.sample, b.sample) for a, b in zip(mixed, still, strict=True)]
    assert same == [True, True, True, False, False, False]


def test_noised_samples_each_have_a_timestep(generator):
    x0, noise = torch.randn(2, 3, 4, 4, 4, generator=generator)
    found = Diffusion(COSINE, "sample").noised(x0, noise, torch.tensor([0, 500, 999]))
    for number, timestep in enumerate((0, 500, 999)):
        level = COSINE[timestep].item()
        close(found[number], math.sqrt(level) * x0[number] + math.sqrt(1 - level) * noise[number], 1e-6)
