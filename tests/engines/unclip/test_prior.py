"""Sampling against a loop written out, and folders in the layout of the published priors."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.diffusion._diffusers import PriorTransformer
from engines.diffusion.process import spaced_timesteps
from engines.unclip.prior import OWN_SCHEDULER, DiffusionPrior, PriorStep
from engines.unclip.text import TextCondition

WEIGHTS = "prior/diffusion_pytorch_model.safetensors"


def run(prior, text, null, seed=0, **options):
    return list(prior.sample(text, null, generator=torch.Generator().manual_seed(seed), **options))


# ---------------------------------------------------------------------------------------------- sampling


def test_sampling_is_the_guided_posterior_of_predicted_embeddings(prior, texts):
    text, null = texts(1, seed=4), texts(1, seed=9)
    steps = run(prior, text, null, num_steps=4, guidance_scale=3.0, num_candidates=1)

    chance = torch.Generator().manual_seed(0)
    z, timesteps = torch.randn(1, 12, generator=chance), spaced_timesteps(4)
    for number, timestep in enumerate(timesteps):
        noise = torch.randn(1, 12, generator=chance)
        told, untold = (
            prior.network(z, timestep, t.embedding, t.tokens, t.mask).predicted_image_embedding for t in (text, null)
        )
        before = [*timesteps, None][number + 1]
        z, x0 = prior.diffusion.ddpm_step(untold + 3 * (told - untold), z, timestep, before, noise)
        expected = x0 * prior.network.clip_std + prior.network.clip_mean
        torch.testing.assert_close(steps[number].embeddings[:, 0], expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(steps[-1].best(), prior.network.post_process_latents(z), rtol=1e-4, atol=1e-4)


def test_candidates_are_ranked_by_their_cosine_with_the_text(prior, texts):
    text = texts(3)
    step = run(prior, text, texts(1, seed=9), num_steps=3, num_candidates=4)[-1]
    assert step.embeddings.shape == (3, 4, 12)
    expected = torch.cosine_similarity(step.embeddings, text.embedding[:, None], dim=-1)
    torch.testing.assert_close(step.scores, expected)
    assert all(torch.equal(step.best()[i], step.embeddings[i, expected[i].argmax()]) for i in range(3))


def test_texts_do_not_disturb_each_other(prior, texts):
    """The same noise for each: what a text becomes does not depend on the others."""
    both, null = texts(2), texts(1, seed=9)
    alone = TextCondition(both.embedding[:1], both.tokens[:1], both.mask[:1])
    z = torch.randn(2, 12)
    torch.testing.assert_close(prior.predict(z, 300, both)[:1], prior.predict(z[:1], 300, alone), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(prior.predict(z, 300, both), prior.predict(z, 300, null.expanded(2)))


def test_what_a_mask_hides_is_not_read(prior, texts):
    text, z = texts(3), torch.randn(3, 12)
    other = TextCondition(text.embedding, text.tokens + 9 * ~text.mask[..., None], text.mask)
    torch.testing.assert_close(prior.predict(z, 300, other), prior.predict(z, 300, text), rtol=1e-4, atol=1e-5)


def test_without_guidance_the_null_text_is_not_read(prior, texts):
    text = texts(2)
    first, second = (run(prior, text, texts(1, seed=s), num_steps=3, guidance_scale=1.0)[-1] for s in (8, 9))
    assert torch.equal(first.embeddings, second.embeddings)
    guided = run(prior, text, texts(1, seed=9), num_steps=3, guidance_scale=2.0)[-1]
    assert not torch.allclose(guided.embeddings, second.embeddings)


def test_guidance_may_change_on_the_way(prior, texts):
    text, null = texts(2), texts(1, seed=9)
    values = iter([1.0, 1.0, 6.0, 6.0])
    mixed = run(prior, text, null, num_steps=4, guidance_scale=lambda: next(values))
    still = run(prior, text, null, num_steps=4, guidance_scale=1.0)
    same = [torch.equal(a.embeddings, b.embeddings) for a, b in zip(mixed, still, strict=True)]
    assert same == [True, True, False, False]


def test_a_seed_is_an_embedding(prior, texts):
    arguments = prior, texts(2), texts(1, seed=9)
    one, same, other = (run(*arguments, seed=s, num_steps=3)[-1].embeddings for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_steps_are_counted(prior, texts):
    steps = run(prior, texts(1), texts(1), num_steps=5)
    assert [(step.step, step.steps) for step in steps] == [(n, 5) for n in range(1, 6)]
    assert all(isinstance(step, PriorStep) for step in steps)


def test_texts_of_another_clip(prior, texts, refused):
    text = texts(1)
    wrong = TextCondition(torch.randn(1, 8), torch.randn(1, 6, 8), text.mask)
    refused("6 tokens and 12 numbers and this CLIP gives 6 and 8", run, prior, wrong, text)


def test_standardized_as_the_network_knows_them(prior):
    z = torch.randn(3, 12)
    torch.testing.assert_close(prior.network.post_process_latents(prior.standardize(z)), z)


# ---------------------------------------------------------------------------------------------- folders


@pytest.fixture
def folder(prior, tmp_path):
    prior.save(tmp_path / "model")
    return tmp_path / "model"


def test_saved_priors_are_read_back(prior, folder, texts):
    found = DiffusionPrior.load(folder)
    for name, tensor in prior.network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], tensor), name
    assert found.scheduler == OWN_SCHEDULER
    arguments = texts(2), texts(1, seed=9)
    assert torch.equal(run(found, *arguments, num_steps=3)[-1].best(), run(prior, *arguments, num_steps=3)[-1].best())
    assert not any(parameter.requires_grad for parameter in found.network.parameters())


def test_half_precision_is_half_the_size_and_read_as_single(prior, tmp_path, folder):
    prior.save(tmp_path / "half", half=True)
    sizes = [(path / WEIGHTS).stat().st_size for path in (tmp_path / "half", folder)]
    assert sizes[0] < 0.7 * sizes[1]
    found = DiffusionPrior.load(tmp_path / "half").network.proj_in.weight
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, prior.network.proj_in.weight, rtol=1e-3, atol=1e-4)
    assert prior.network.proj_in.weight.dtype == torch.float32


@pytest.mark.parametrize(
    "extra",
    [{}, {"embedding_proj_dim": 12, "time_embed_dim": 20, "norm_in_type": "layer"}],
    ids=["Karlo", "with the options of others"],
)
def test_folders_as_diffusers_writes_them(tmp_path, texts, extra):
    """And with the scheduler as Karlo has it, which leaves most of it out."""
    network = PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, num_layers=1, embedding_dim=12, num_embeddings=6, **extra
    )
    torch.nn.init.ones_(network.clip_std)
    network.save_pretrained(tmp_path / "prior")
    (tmp_path / "prior_scheduler").mkdir()
    (tmp_path / "prior_scheduler" / "scheduler_config.json").write_text(
        '{"_class_name": "UnCLIPScheduler", "_diffusers_version": "0.10.2", "clip_sample_range": 5.0, '
        '"num_train_timesteps": 1000, "prediction_type": "sample", "variance_type": "fixed_small_log"}'
    )
    prior = DiffusionPrior.load(tmp_path)
    assert (prior.diffusion.clip, prior.diffusion.prediction_type) == (5.0, "sample")
    assert (prior.embed_dim, prior.num_tokens) == (12, 6)
    assert run(prior, texts(2), texts(1), num_steps=2)[-1].embeddings.isfinite().all()


def test_a_folder_without_a_prior(tmp_path, refused):
    refused("There is no file .*config.json", DiffusionPrior.load, tmp_path)


def test_a_folder_without_a_scheduler(folder, refused):
    (folder / "prior_scheduler" / "scheduler_config.json").unlink()
    refused("There is no file .*scheduler_config.json", DiffusionPrior.load, folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "\udcff"])
def test_damaged_configurations(folder, refused, text):
    (folder / "prior" / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    refused("'config.json' in 'prior' is no configuration", DiffusionPrior.load, folder)


def test_damaged_weights(folder, refused):
    weights = folder / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-8])
    refused("'prior' is damaged or no PriorTransformer", DiffusionPrior.load, folder)


def test_a_pickle_is_not_read(folder, refused):
    torch.save({}, folder / "prior" / "diffusion_pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    refused("'prior' is damaged or no PriorTransformer", DiffusionPrior.load, folder)


@pytest.mark.parametrize("name", ["proj_in.weight", "clip_std"])
def test_missing_tensors_are_not_made_up(folder, refused, name):
    tensors = load_file(folder / WEIGHTS)
    del tensors[name]
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})
    refused(f"'{name}'", DiffusionPrior.load, folder)


def test_tensors_of_another_size(folder, refused, rewrite_json):
    rewrite_json(folder / "prior" / "config.json", embedding_dim=14)
    refused("choose another folder", DiffusionPrior.load, folder)


def test_numbers_that_are_none(folder, refused):
    tensors = load_file(folder / WEIGHTS)
    tensors["norm_out.bias"][3] = float("nan")
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})
    refused("not finite", DiffusionPrior.load, folder)


def test_a_prior_that_was_never_trained(folder, refused):
    tensors = load_file(folder / WEIGHTS)
    tensors["clip_std"].zero_()
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})
    refused("'model' was not trained", DiffusionPrior.load, folder)
