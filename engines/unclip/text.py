"""What a text is to a prior and to a decoder: its CLIP embedding and the states of its tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engines.clip.encoder import ClipEncoder

__all__ = ["TextCondition", "encode_texts"]


@dataclass(frozen=True)
class TextCondition:
    """N texts of up to L tokens.

    embedding: z_t, (N, d), not of unit length. tokens: last states of the text encoder, (N, L, d). mask: (N, L) bool,
    false for padding.
    """

    embedding: Tensor
    tokens: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.embedding)

    def repeated(self, times: int) -> TextCondition:
        """Each text so many times in a row."""
        return self._map(lambda x: x.repeat_interleave(times, 0))

    def expanded(self, count: int) -> TextCondition:
        """One text as `count`; as many as that as they are."""
        return self._map(lambda x: x.expand(count, *x.shape[1:]))

    def followed_by(self, other: TextCondition) -> TextCondition:
        """These texts and then the others."""
        pairs = ((self.embedding, other.embedding), (self.tokens, other.tokens), (self.mask, other.mask))
        return TextCondition(*(torch.cat(pair) for pair in pairs))

    def replaced(self, rows: Tensor, other: TextCondition) -> TextCondition:
        """Another text, 1, in the place of those where `rows`, (N,) bool, is true."""
        pairs = ((self.embedding, other.embedding), (self.tokens, other.tokens), (self.mask, other.mask))
        return TextCondition(*(torch.where(rows.view(-1, *[1] * (x.dim() - 1)), new, x) for x, new in pairs))

    def _map(self, change) -> TextCondition:
        return TextCondition(change(self.embedding), change(self.tokens), change(self.mask))


@torch.no_grad()
def encode_texts(encoder: ClipEncoder, texts: list[str]) -> TextCondition:
    """Texts as the pocket CLIP and OpenAI's in open_clip know them; "" is what guidance leads away from.

    The states are projected to the joint space as the embedding is, where they have its width, and neither is
    normalised: their numbers have a variance of about one.
    """
    return condition_of(encoder.model, encoder.tokenizer(texts).to(encoder.device))


def condition_of(model: torch.nn.Module, token_ids: Tensor) -> TextCondition:
    """(N, L) tokens of a text each, the end (the highest number) and then padding → their condition."""
    seen: list[Tensor] = []
    hook = model.ln_final.register_forward_hook(lambda _module, _inputs, states: seen.append(states))
    try:
        embedding = model.encode_text(token_ids)
    finally:
        hook.remove()
    end = token_ids.argmax(1, keepdim=True)
    mask = torch.arange(token_ids.shape[1], device=token_ids.device) <= end
    return TextCondition(embedding.float(), (seen[0] @ model.text_projection).float(), mask)
