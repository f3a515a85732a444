import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from engines.unclip.ar_prior import AutoregressivePrior, AutoregressivePriorConfig, load_ar_prior, save_ar_prior
from engines.unclip.pca import EmbeddingPCA
from engines.unclip.text import TextCondition


def run(prior, text, null, seed=0, **options):
    return list(prior.sample(text, null, generator=torch.Generator().manual_seed(seed), **options))


def logits(prior, text, codes, dots=None):
    return prior(text, torch.zeros(len(codes), dtype=torch.long) if dots is None else dots, codes)


# ---------------------------------------------------------------------------------------------- network


def test_a_component_is_said_from_the_ones_before_it(ar_prior, texts):
    text, codes = texts(2), torch.randint(16, (2, 4))
    full = logits(ar_prior, text, codes)
    assert full.shape == (2, 5, 16)
    for known in range(5):
        torch.testing.assert_close(logits(ar_prior, text, codes[:, :known])[:, -1], full[:, known])
    changed = codes.clone()
    changed[:, 2] = (changed[:, 2] + 1) % 16
    other = logits(ar_prior, text, changed)
    torch.testing.assert_close(other[:, :3], full[:, :3])
    assert not torch.allclose(other[:, 3:], full[:, 3:])


def test_everything_in_the_prefix_is_read(ar_prior, texts):
    text, codes = texts(2), torch.randint(16, (2, 4))
    before = logits(ar_prior, text, codes)
    tokens, embedding = text.tokens.clone(), text.embedding.clone()
    tokens[:, 0] += 1
    embedding += 1
    for other in (TextCondition(text.embedding, tokens, text.mask), TextCondition(embedding, text.tokens, text.mask)):
        assert not torch.allclose(logits(ar_prior, other, codes), before)
    assert not torch.allclose(logits(ar_prior, text, codes, torch.tensor([3, 3])), before)


def test_padding_is_not_read(ar_prior, texts):
    text, codes = texts(3), torch.randint(16, (3, 2))
    other = TextCondition(text.embedding, text.tokens + 9 * ~text.mask[..., None], text.mask)
    torch.testing.assert_close(logits(ar_prior, other, codes), logits(ar_prior, text, codes))


def test_a_text_of_nothing_but_padding(ar_prior, texts):
    text = texts(2)
    nothing = TextCondition(text.embedding, text.tokens, torch.zeros_like(text.mask))
    assert logits(ar_prior, nothing, torch.zeros(2, 0, dtype=torch.long)).isfinite().all()


# ---------------------------------------------------------------------------------------------- training


def test_measured_components_and_dot_products():
    config = AutoregressivePriorConfig(12, 6, 5, num_buckets=16, num_dots=8, width=24, num_heads=3)
    prior, images, texts = AutoregressivePrior(config), torch.randn(4000, 12), 3 * torch.randn(4000, 12)
    prior.measure(images, texts)
    torch.testing.assert_close(prior.pca.components, EmbeddingPCA.fit(images, 5, 16).components)
    dots = torch.cosine_similarity(images, texts)
    counts = torch.bucketize(dots, prior.dot_edges).bincount(minlength=8)
    assert counts.min() > 490
    assert counts.max() < 510


def test_it_learns_which_picture_belongs_to_which_text(texts, generator):
    """Eight texts with a picture each, and the nearness of a picture told by the dot product."""
    torch.manual_seed(0)
    text, pictures = texts(8), torch.randn(8, 12, generator=generator)
    config = AutoregressivePriorConfig(12, 6, 5, num_buckets=16, num_dots=2, width=24, num_layers=1, num_heads=3)
    prior = AutoregressivePrior(config)
    prior.measure(pictures, text.embedding)
    optimizer = torch.optim.Adam(prior.parameters(), lr=1e-2)
    losses = []
    for _ in range(120):
        loss = prior.loss(text, text.embedding, pictures)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(torch.tensor(16.0).log().item(), abs=0.4)
    assert losses[-1] < 0.1
    # Sampling asks for pictures of the upper half, and so may find only those.
    near = torch.cosine_similarity(pictures, text.embedding) > prior.dot_edges
    found = run(prior.eval(), text, text, temperature=0, num_candidates=1)[-1].embeddings[:, 0]
    expected = prior.pca.reconstruct(prior.pca.dequantize(prior.pca.quantize(prior.pca.project(pictures))))
    assert near.sum() == 4
    torch.testing.assert_close(found[near], expected[near])


# ---------------------------------------------------------------------------------------------- sampling


def test_an_embedding_grows_by_a_component_at_each_step(ar_prior, texts):
    steps = run(ar_prior, texts(2), texts(1, seed=9), num_candidates=3)
    assert [(step.step, step.steps) for step in steps] == [(n, 5) for n in range(1, 6)]
    for known, step in enumerate(steps, 1):
        assert step.embeddings.shape == (2, 3, 12)
        coefficients = ar_prior.pca.project(step.embeddings)
        assert (coefficients[..., known:].abs() < 1e-4).all()
        torch.testing.assert_close(
            coefficients[..., :known], ar_prior.pca.project(steps[-1].embeddings)[..., :known], rtol=1e-4, atol=1e-4
        )


def test_candidates_are_ranked(ar_prior, texts):
    text = texts(3)
    step = run(ar_prior, text, texts(1, seed=9), num_candidates=4)[-1]
    torch.testing.assert_close(
        step.scores, torch.cosine_similarity(step.embeddings, text.embedding[:, None], dim=-1), atol=1e-5, rtol=0
    )
    assert torch.equal(step.best()[1], step.embeddings[1, step.scores[1].argmax()])


def test_dot_products_are_drawn_from_the_upper_half(ar_prior, texts, monkeypatch):
    seen = []
    forward = ar_prior.forward
    monkeypatch.setattr(ar_prior, "forward", lambda t, dots, codes: seen.append(dots) or forward(t, dots, codes))
    run(ar_prior, texts(2), texts(1, seed=9), num_candidates=40)
    assert set(seen[0].tolist()) == {4, 5, 6, 7}
    assert all(torch.equal(dots, seen[0]) for dots in seen)


def test_guided_logits(ar_prior, texts):
    """Without heat each bucket is the likeliest of u + s (c - u)."""
    text, null = texts(1), texts(1, seed=9)
    steps = run(ar_prior, text, null, guidance_scale=3.0, temperature=0, num_candidates=1)
    dots = torch.randint(4, 8, (1,), generator=torch.Generator().manual_seed(0))
    codes = torch.zeros(1, 0, dtype=torch.long)
    for _ in range(5):
        told, untold = (ar_prior(t, dots, codes)[:, -1] for t in (text, null))
        codes = torch.cat([codes, (untold + 3 * (told - untold)).argmax(1, keepdim=True)], 1)
    expected = ar_prior.pca.reconstruct(ar_prior.pca.dequantize(codes))
    torch.testing.assert_close(steps[-1].embeddings[:, 0], expected)


def test_heat_makes_candidates_differ(ar_prior, texts):
    """Without it there is one for each of the four dot products of the upper half."""
    text, null = texts(1), texts(1, seed=9)
    kinds = [
        len(run(ar_prior, text, null, temperature=heat, num_candidates=40)[-1].embeddings[0].unique(dim=0))
        for heat in (0, 1.0)
    ]
    assert kinds[0] <= 4
    assert kinds[1] > 30


def test_a_seed_is_an_embedding(ar_prior, texts):
    one, same, other = (run(ar_prior, texts(2), texts(1), seed=s)[-1].embeddings for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_texts_of_another_clip(ar_prior, texts, refused):
    wrong = TextCondition(torch.randn(1, 12), torch.randn(1, 4, 12), torch.ones(1, 4, dtype=torch.bool))
    refused("6 tokens and 12 numbers and this CLIP gives 4 and 12", run, ar_prior, wrong, texts(1))


# ---------------------------------------------------------------------------------------------- files


def test_saved_priors_are_read_back(ar_prior, tmp_path, texts):
    save_ar_prior(ar_prior, tmp_path / "prior.safetensors")
    found = load_ar_prior(tmp_path / "prior.safetensors")
    assert found.config == ar_prior.config
    for name, tensor in ar_prior.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    assert not any(parameter.requires_grad for parameter in found.parameters())
    arguments = texts(2), texts(1, seed=9)
    assert torch.equal(run(found, *arguments)[-1].embeddings, run(ar_prior, *arguments)[-1].embeddings)


def test_half_precision(ar_prior, tmp_path):
    for half in (True, False):
        save_ar_prior(ar_prior, tmp_path / f"{half}.safetensors", half=half)
    sizes = [(tmp_path / f"{half}.safetensors").stat().st_size for half in (True, False)]
    assert sizes[0] < 0.6 * sizes[1]
    found = load_ar_prior(tmp_path / "True.safetensors").head.weight
    torch.testing.assert_close(found, ar_prior.head.weight, rtol=1e-3, atol=1e-4)


def rewritten(path, tensors=None, config=None):
    """The file with other tensors or another configuration."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
    save_file({**stored, **(tensors or {})}, path, metadata | ({"config": config} if config is not None else {}))


GOOD = '{"embed_dim": 12, "num_tokens": 6, "num_components": 5, "num_buckets": 16, "num_dots": 8, "width": %s, '
DAMAGED = {
    "no configuration": ({"config": ""}, "is damaged or not an autoregressive prior"),
    "another configuration": ({"config": '{"colour": 3}'}, "is damaged or not an autoregressive prior"),
    "another width": ({"config": GOOD % 48 + '"num_layers": 2, "num_heads": 3}'}, "is wanted; choose an undamaged"),
    "huge": ({"config": GOOD % (1 << 40) + '"num_layers": 2, "num_heads": 1}'}, "its configuration is impossible"),
    "heads that do not fit": (
        {"config": GOOD % 24 + '"num_layers": 2, "num_heads": 5}'},
        "configuration is impossible",
    ),
    "a tensor more": ({"tensors": {"extra": torch.zeros(3)}}, "has 'extra'"),
    "no number": ({"tensors": {"pca.mean": torch.full((12,), torch.nan)}}, "not finite"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files(ar_prior, tmp_path, refused, name):
    changes, message = DAMAGED[name]
    path = tmp_path / "prior.safetensors"
    save_ar_prior(ar_prior, path)
    rewritten(path, **changes)
    refused(message, load_ar_prior, path)


def test_files_of_others(tmp_path, refused):
    save_file({"x": torch.zeros(3)}, tmp_path / "other.safetensors")
    refused("not saved as an autoregressive prior by Atelier", load_ar_prior, tmp_path / "other.safetensors")
    torch.save({"x": torch.zeros(3)}, tmp_path / "other.pt")
    refused("not saved as an autoregressive prior by Atelier", load_ar_prior, tmp_path / "other.pt")
    refused("There is no file", load_ar_prior, tmp_path / "none.safetensors")
