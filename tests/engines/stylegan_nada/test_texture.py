"""How near faces are to the texture of style pictures, with a VGG-16 of random weights."""

import numpy as np
import pytest
import torch

from engines.style import StyleEncoder
from engines.style.features import vgg_features
from engines.stylegan_nada.texture import StyleTexture


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return StyleEncoder("random", vgg_features([4, 6, 8, 10, 12]), "")


def stripes(width: int, side: int = 32) -> np.ndarray:
    row = (np.arange(side) // width % 2 * 255).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (side, side, 3))


def as_pictures(*pictures: np.ndarray) -> torch.Tensor:
    return torch.stack([torch.tensor(picture) for picture in pictures]).permute(0, 3, 1, 2) / 127.5 - 1


def test_a_picture_has_its_own_texture(encoder):
    texture = StyleTexture(encoder, [stripes(2)], 32)
    own, other = (texture.loss(as_pictures(picture)) for picture in (stripes(2), stripes(16)))
    assert own.item() == pytest.approx(0, abs=1e-10)
    assert other.item() > 0.01


def test_it_does_not_matter_where_things_are(encoder):
    texture = StyleTexture(encoder, [stripes(2)], 32)
    shifted = np.roll(stripes(2), 4, axis=1)
    assert texture.loss(as_pictures(shifted)) < 0.05 * texture.loss(as_pictures(stripes(16)))


def test_the_loss_is_the_mean_over_pictures_and_relative_to_the_mean_of_the_styles(encoder):
    one, other = stripes(2), stripes(8)
    texture = StyleTexture(encoder, [one, other], 32)
    alone = [texture.loss(as_pictures(picture)) for picture in (one, other)]
    torch.testing.assert_close(texture.loss(as_pictures(one, other)), torch.stack(alone).mean())
    distances = []
    for features in encoder.maps((as_pictures(one, other) + 1) / 2)[1:8]:
        rows = features.flatten(2)
        grams = torch.einsum("ncx,ndx->ncd", rows, rows) / rows.shape[2]
        wanted = grams.mean(0)
        distances.append(((grams - wanted) ** 2).sum((1, 2)).mean() / (wanted**2).sum())
    torch.testing.assert_close(torch.stack(alone).mean(), torch.stack(distances).mean())


def test_pictures_of_other_sizes_are_compared_in_one(encoder):
    texture = StyleTexture(encoder, [stripes(4, 64)], 32)
    assert texture.loss(as_pictures(stripes(4, 64), stripes(4, 64))) < 1e-6
    assert texture.loss(as_pictures(stripes(2, 32))) < 0.2 * texture.loss(as_pictures(stripes(16, 32)))
