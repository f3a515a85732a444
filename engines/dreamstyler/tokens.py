"""Prompts with vectors in the place of a word, encoded by the text encoder of a diffusion model.

    reader = PromptReader(model)
    prompt = reader.parse("A painting of a dog in the style of {}")
    reader([prompt, prompt], torch.stack([style.vectors[5], style.vectors[4]]))              # (2, tokens, width)

As if every vector were a word of its own that was added to the vocabulary: DreamStyler (Ahn et al., arXiv 2309.06933),
§3.1, and textual inversion (Gal et al., arXiv 2208.01618). The tokenizer and the model stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.diffusion import DiffusionModel
from engines.dreamstyler.prompts import split_at_place
from engines.errors import EngineError

__all__ = ["PromptReader"]


class _Words(nn.Module):
    """The table of words; ids beyond its end are the vectors of that row of the batch, one after the other."""

    def __init__(self, table: Tensor):
        super().__init__()
        self.table = table
        self.vectors = table[:0, None]

    def forward(self, ids: Tensor) -> Tensor:
        words = F.embedding(ids.clamp(max=len(self.table) - 1), self.table)
        index = (ids - len(self.table)).clamp(0, self.vectors.shape[1] - 1)[..., None]
        vectors = self.vectors.to(words.dtype).gather(1, index.expand(-1, -1, self.vectors.shape[2]))
        return torch.where((ids >= len(self.table))[..., None], vectors, words)


class PromptReader:
    """The text side of a model. `width`: numbers of a vector."""

    def __init__(self, model: DiffusionModel):
        network = model.text_encoder
        shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
        self._network = deepcopy(network, shared)  # modules of one's own around the same tensors
        self._words = _Words(network.get_input_embeddings().weight)
        self._network.set_input_embeddings(self._words)
        self._tokenizer = model.tokenizer
        self._place = len(self._words.table)
        self.width = self._words.table.shape[1]

    def word(self, word: str) -> Tensor:
        """(width,) float32: the vector of an existing word. Raises `EngineError` unless it is a single token."""
        ids = self._ids(word)
        if len(ids) != 1:
            raise EngineError(
                "The word to begin with, '{word}', is not one word of the model's vocabulary; choose a "
                "simpler one, like 'painting'.",
                word=word[:40],
            )
        return self._words.table[ids[0]].float().clone()

    def parse(self, prompt: str, num_vectors: int = 1) -> Tensor:
        """(tokens,) ids of a prompt with one place for the vectors, padded; what is too long behind it is cut off.

        Raises `EngineError` for another number of places, or when the place itself would be cut off.
        """
        before, after = (self._ids(part) for part in split_at_place(prompt))
        room = self._tokenizer.model_max_length - 2
        excess = len(before) + num_vectors - room
        if excess > 0:
            raise EngineError(
                "The prompt '{prompt}...' is too long: the style would be cut off. Shorten it by at least "
                "{excess} words or parts of words, or write the style's place nearer to its beginning.",
                prompt=prompt[:40],
                excess=excess,
            )
        return self._padded([*before, *range(self._place, self._place + num_vectors), *after][:room])

    def parse_plain(self, prompt: str) -> Tensor:
        """(tokens,) ids of a prompt without a place, padded; what is too long is cut off."""
        return self._padded(self._ids(prompt)[: self._tokenizer.model_max_length - 2])

    def __call__(self, prompts: Sequence[Tensor], vectors: Tensor) -> Tensor:
        """Parsed prompts and their vectors, (prompts, width) or (prompts, num_vectors, width) → prompt_embeds.

        These are (prompts, tokens, width). The vectors of a plain prompt are not used. Differentiable in the vectors.
        """
        self._words.vectors = vectors[:, None] if vectors.dim() == 2 else vectors
        return self._network(torch.stack(list(prompts)).to(self._words.table.device)).last_hidden_state

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False).input_ids

    def _padded(self, ids: list[int]) -> Tensor:
        tokenizer = self._tokenizer
        ids = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
        return torch.tensor(ids + [tokenizer.pad_token_id] * (tokenizer.model_max_length - len(ids)))
