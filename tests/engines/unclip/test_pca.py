import pytest
import torch

from engines.base import EngineError
from engines.unclip.pca import EmbeddingPCA


@pytest.fixture(scope="module")
def data(array):
    return array("pca_data").double()


@pytest.fixture(scope="module")
def pca(data):
    return EmbeddingPCA.fit(data, 12)


def test_reference_fit(array, pca):
    stored = {"mean": "mean", "components": "components", "variance": "explained", "low": "lo", "high": "hi"}
    for name, key in stored.items():
        torch.testing.assert_close(getattr(pca, name), array(f"pca_{key}"), rtol=0, atol=1e-9)


def test_reference_codes_and_reconstruction(array, pca, data):
    codes = pca.quantize(pca.project(data))
    assert torch.equal(codes, array("pca_codes"))
    torch.testing.assert_close(pca.reconstruct(pca.dequantize(codes)), array("pca_recon"), rtol=0, atol=1e-9)


def test_single_precision_is_good_enough(array, data):
    pca = EmbeddingPCA.fit(data.float(), 12)
    codes = pca.quantize(pca.project(data.float()))
    assert pca.components.dtype == torch.float32
    assert (codes - array("pca_codes")).abs().max() <= 1
    assert (codes == array("pca_codes")).double().mean() > 0.99


def test_components_are_orthonormal_and_all_of_them_lose_nothing(data):
    pca = EmbeddingPCA.fit(data, 32)
    torch.testing.assert_close(pca.components @ pca.components.T, torch.eye(32, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(pca.reconstruct(pca.project(data)), data, atol=1e-9, rtol=0)
    assert (pca.variance.diff() <= 0).all()
    torch.testing.assert_close(pca.variance.sum(), pca.total_variance)


def test_each_further_component_brings_a_picture_nearer(pca, data):
    errors = [(pca.reconstruct(pca.project(data)[:, :k]) - data).square().mean().item() for k in range(13)]
    assert all(later < earlier for earlier, later in zip(errors, errors[1:], strict=False))
    left = (pca.total_variance - pca.variance.sum()) * (len(data) - 1) / data.numel()
    assert errors[-1] == pytest.approx(left.item())


def test_components_for_a_share_of_the_variance(pca):
    shares = pca.variance.cumsum(0) / pca.total_variance
    assert pca.components_for(shares[0].item() - 1e-6) == 1
    assert pca.components_for(shares[4].item() + 1e-6) == 6
    assert pca.components_for(1.0) == 12


def test_what_was_never_seen_counts_to_the_outermost_bucket(pca):
    codes = pca.quantize(torch.stack([pca.low - 100, pca.low, pca.high, pca.high + 100]))
    assert codes.tolist() == [[0] * 12, [0] * 12, [1023] * 12, [1023] * 12]


def test_a_bucket_is_decoded_at_its_middle(data):
    pca = EmbeddingPCA.fit(data, 12, num_buckets=8)
    width = (pca.high - pca.low) / 8
    coefficients = pca.project(data)
    error = (pca.dequantize(pca.quantize(coefficients)) - coefficients).abs()
    assert (error <= width / 2 + 1e-12).all()
    assert (error.amax(0) > 0.4 * width).all()
    assert pca.dequantize(torch.zeros(3, 5, dtype=torch.long)).shape == (3, 5)


def test_too_many_components(data):
    with pytest.raises(EngineError, match="ask for at most 32"):
        EmbeddingPCA.fit(data, 33)
    with pytest.raises(EngineError, match="ask for at most 10"):
        EmbeddingPCA.fit(data[:10], 12)
