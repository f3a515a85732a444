"""Vectors in prompts, against words that are really added to a vocabulary."""

from copy import deepcopy

import pytest
import torch

from engines.diffusion.model import tokens
from engines.dreamstyler.tokens import PromptReader
from training.diffusion import make_tokenizer

PROMPTS = [
    "A painting of a red apple in the style of {}",
    "{}",
    "{}, a cat.",
    "고양이 그림, {} 스타일로",
    "a cat in '{}' style",
]


@pytest.fixture(scope="module")
def reader(model):
    return PromptReader(model)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_as_if_they_were_words(model, reader, new_style, prompt):
    """The way of the released code: T new words, the table of the text encoder made longer."""
    style = new_style(4)
    tokenizer, network = make_tokenizer(), deepcopy(model.text_encoder)
    tokenizer.add_tokens(list(style.named()))
    known = len(network.get_input_embeddings().weight)
    network.resize_token_embeddings(known + 4, mean_resizing=False)
    network.get_input_embeddings().weight.data[known:] = style.vectors
    theirs = network(tokens(tokenizer, [prompt.format(name) for name in style.named()])).last_hidden_state
    ours = reader([reader.parse(prompt)] * 4, style.vectors)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    assert (ours[0] - ours[1]).abs().max() > 1e-2


def test_several_vectors_are_several_words(model, reader):
    vectors = torch.randn(1, 3, reader.width)
    tokenizer, network = make_tokenizer(), deepcopy(model.text_encoder)
    tokenizer.add_tokens(["<a>", "<b>", "<c>"])
    known = len(network.get_input_embeddings().weight)
    network.resize_token_embeddings(known + 3, mean_resizing=False)
    network.get_input_embeddings().weight.data[known:] = vectors[0]
    theirs = network(tokens(tokenizer, ["a cat in <a><b><c> style"])).last_hidden_state
    ours = reader([reader.parse("a cat in {} style", 3)], vectors)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_plain_prompts_are_read_as_ever(model, reader):
    prompts = ["a red apple", "", "a very " + "long " * 40 + "way"]
    ours = reader([reader.parse_plain(prompt) for prompt in prompts], torch.ones(3, reader.width))
    assert torch.equal(ours, model.encode(prompts))


def test_only_the_vectors_learn(model, reader, new_style):
    vectors = new_style(3).vectors.requires_grad_()
    prompts = [reader.parse("a cat in the style of {}"), reader.parse_plain("a cat")]
    reader(prompts, vectors[[2, 1]]).square().sum().backward()
    assert vectors.grad[2].abs().min() > 0
    assert not vectors.grad[:2].any()
    assert all(parameter.grad is None for parameter in model.text_encoder.parameters())


def test_the_model_stays_as_it_is(model, new_style):
    before = model.encode(["a cat"])
    table = model.text_encoder.get_input_embeddings()
    reader = PromptReader(model)
    reader([reader.parse("{}")], new_style(1).vectors)
    assert model.text_encoder.get_input_embeddings() is table
    assert torch.equal(model.encode(["a cat"]), before)


def test_a_word_to_begin_with(model, reader, refused):
    (number,) = model.tokenizer("painting", add_special_tokens=False).input_ids
    assert torch.equal(reader.word("painting"), model.text_encoder.get_input_embeddings().weight[number])
    for word in ("oil painting", "", "xqzvw"):
        refused("is not one word of the model's vocabulary", reader.word, word)


def test_prompts_that_are_too_long(reader, refused):
    assert reader.parse("{}" + " a cat" * 40).shape == (24,)  # what is cut off is not the style
    words = reader.parse_plain("a cat and a dog").shape
    assert words == (24,)
    refused("too long: the style would be cut off. Shorten it", reader.parse, "a cat " * 11 + "in {}")
    refused("at least 19 words", reader.parse, "a cat in {}", 38)
    refused("has 2 places", reader.parse, "{} {}")
