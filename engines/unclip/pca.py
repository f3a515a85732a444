"""Principal components of image embeddings: what a picture is in its first numbers, and those numbers as tokens.

    pca = EmbeddingPCA.fit(embeddings, num_components=64)
    rough = pca.reconstruct(pca.project(z)[:, :20])     # the kind of thing; further components bring its exact form
    codes = pca.quantize(pca.project(z))                # (N, 64) whole numbers, what the autoregressive prior says

unCLIP (Ramesh et al., arXiv 2204.06125), §2.2 and §3.4. d numbers in an embedding, K components, of falling variance.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.errors import EngineError

__all__ = ["EmbeddingPCA"]

PAPER_BUCKETS = 1024


class EmbeddingPCA(nn.Module):
    """Empty until fitted or filled. Nothing in it is learned; it is a module to be stored with its prior."""

    def __init__(self, embed_dim: int, num_components: int, num_buckets: int = PAPER_BUCKETS):
        super().__init__()
        self.num_buckets = num_buckets
        self.register_buffer("mean", torch.zeros(embed_dim))
        self.register_buffer("components", torch.zeros(num_components, embed_dim))
        self.register_buffer("variance", torch.zeros(num_components))
        """Along each component; `total_variance` counts those that were left out, too."""
        self.register_buffer("total_variance", torch.zeros(()))
        self.register_buffer("low", torch.zeros(num_components))
        self.register_buffer("high", torch.zeros(num_components))
        """What the buckets of each component lie between."""

    @property
    def num_components(self) -> int:
        return len(self.components)

    @classmethod
    def fit(cls, embeddings: Tensor, num_components: int, num_buckets: int = PAPER_BUCKETS) -> EmbeddingPCA:
        """Of (N, d) embeddings, by singular values in double precision; the largest entry of a component is positive.

        Raises `EngineError` when there are not that many components.
        """
        if not 0 < num_components <= min(embeddings.shape):
            raise EngineError(
                "{count} embeddings of {shape} numbers have no {num_components} components; ask for at most {value}.",
                count=len(embeddings),
                shape=embeddings.shape[1],
                num_components=num_components,
                value=min(embeddings.shape),
            )
        data = embeddings.double()
        mean = data.mean(0)
        _, singular, rows = torch.linalg.svd(data - mean, full_matrices=False)
        largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
        components = (rows * largest.sign())[:num_components]
        coefficients = (data - mean) @ components.T
        pca = cls(embeddings.shape[1], num_components, num_buckets).to(embeddings)
        values = {
            "mean": mean,
            "components": components,
            "variance": singular[:num_components].square() / (len(data) - 1),
            "total_variance": singular.square().sum() / (len(data) - 1),
            "low": coefficients.amin(0),
            "high": coefficients.amax(0),
        }
        pca.load_state_dict(values)
        return pca

    def components_for(self, share: float) -> int:
        """How many of the first components hold this share of the variance; all, if they do not."""
        reached = self.variance.cumsum(0) >= share * self.total_variance
        return int(reached.int().argmax()) + 1 if reached.any() else self.num_components

    def project(self, z: Tensor) -> Tensor:
        """(…, d) → (…, K)."""
        return (z - self.mean) @ self.components.T

    def reconstruct(self, coefficients: Tensor) -> Tensor:
        """(…, k), the first k ≤ K → (…, d); the missing ones count as their mean (§3.4, figure 7)."""
        return coefficients @ self.components[: coefficients.shape[-1]] + self.mean

    def quantize(self, coefficients: Tensor) -> Tensor:
        """(…, K) → buckets, whole numbers from 0 to num_buckets - 1; what lies outside counts to the outermost."""
        place = (coefficients - self.low) / (self.high - self.low)
        return (place * self.num_buckets).floor().clamp(0, self.num_buckets - 1).long()

    def dequantize(self, codes: Tensor) -> Tensor:
        """(…, k) buckets of the first k components → the middles of these buckets."""
        low, high = self.low[: codes.shape[-1]], self.high[: codes.shape[-1]]
        return low + (codes + 0.5) / self.num_buckets * (high - low)
