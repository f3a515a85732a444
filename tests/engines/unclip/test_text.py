import pytest
import torch

from engines.unclip.text import TextCondition, encode_texts

TEXTS = ["a red apple", "", "고양이 그림"]


@pytest.fixture(scope="module")
def encoder(pocket):
    return pocket.clip()


@pytest.fixture(scope="module")
def condition(encoder):
    return encode_texts(encoder, TEXTS)


def test_embeddings_are_those_of_clip_with_their_length(encoder, condition):
    unit = torch.nn.functional.normalize(condition.embedding, dim=-1)
    torch.testing.assert_close(unit, encoder.encode_texts(TEXTS))
    assert 0.3 < condition.embedding.std() < 3
    assert not torch.allclose(condition.embedding.norm(dim=-1), torch.ones(3))


def test_the_last_token_of_a_text_is_its_embedding(condition):
    last = condition.mask.sum(1) - 1
    torch.testing.assert_close(condition.tokens[torch.arange(3), last], condition.embedding)


def test_padding_is_masked(encoder, condition):
    lengths = [len(encoder.tokenizer.encode(text)) + 2 for text in TEXTS]
    assert condition.mask.sum(1).tolist() == lengths
    assert (condition.mask[:, 1:] <= condition.mask[:, :-1]).all()


def test_nothing_stays_hooked_to_the_encoder(encoder):
    encode_texts(encoder, TEXTS)
    assert not encoder.model.ln_final._forward_hooks


def test_texts_repeated_expanded_and_joined(texts):
    two, one = texts(2), texts(1, seed=5)
    repeated = two.repeated(3)
    assert torch.equal(repeated.embedding, two.embedding[[0, 0, 0, 1, 1, 1]])
    assert torch.equal(repeated.mask, two.mask[[0, 0, 0, 1, 1, 1]])
    joined = two.followed_by(one.expanded(2))
    assert len(joined) == 4
    assert torch.equal(joined.tokens, torch.cat([two.tokens, one.tokens, one.tokens]))
    assert isinstance(joined, TextCondition)
