"""The pool, the attribute meter and the identity network of portraits."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from engines.faces.identity import IdentityNetwork, load_identity, save_identity
from evaluation.portrait_attributes import AttributeMeter, load_meter
from training.portrait_attributes import vary
from training.portrait_identity import FEATURES, WIDTHS, arc_face_loss, same_people
from training.portrait_pool import PortraitPool
from world.painter import paint
from world.portraits import ATTRIBUTES, IDENTITY_ATTRIBUTES, IDENTITY_MEASURES, sample_portraits


@pytest.fixture
def chance():
    return torch.Generator().manual_seed(0)


def test_pool_gives_pictures_with_the_people_in_them(chance):
    pool = PortraitPool(12, 32, chance)
    for _ in range(3):
        people, pictures = pool.draw(6, 2, chance)
        assert torch.allclose(paint(people, 32), pictures, atol=0.5 / 255 + 1e-6)


def test_pool_renews_itself(chance):
    pool = PortraitPool(6, 32, chance)
    before = pool.pictures.clone()
    pool.draw(4, 3, chance)
    changed = (pool.pictures != before).flatten(1).any(1).sum()
    assert 1 <= changed <= 3


def test_meter_reads_every_attribute_of_any_size():
    meter = AttributeMeter().eval()
    read = meter.read(torch.rand(3, 3, 100, 100))
    assert {name: tuple(places.shape) for name, places in read.items()} == dict.fromkeys(ATTRIBUTES, (3,))


def test_shipped_meter_reads_portraits(chance):
    people = sample_portraits(100, chance)
    read = load_meter().read(paint(people, 128))
    for name in ATTRIBUTES:
        shown = people.visible(name)
        assert (read[name] == people.choices[name])[shown].float().mean() > 0.9, name


def test_varied_pictures_are_still_pictures(chance):
    pictures = paint(sample_portraits(4, chance), 32)
    varied = vary(pictures, chance)
    assert varied.shape == pictures.shape
    assert 0 <= varied.min() <= varied.max() <= 1
    assert 0.001 < (varied - pictures).abs().mean() < 0.2


def test_same_people_keep_what_makes_them(chance):
    people = sample_portraits(40, chance)
    others = same_people(people, chance)
    assert all(torch.equal(people.choices[name], others.choices[name]) for name in IDENTITY_ATTRIBUTES)
    assert all(torch.equal(people.measures[name], others.measures[name]) for name in IDENTITY_MEASURES)
    assert (people.choices["hair style"] != others.choices["hair style"]).any()
    assert (others.shows("beard", "none") >= others.shows("gender", "woman")).all()


def test_arc_face_loss_without_margin_is_cross_entropy_of_cosines(chance):
    features = F.normalize(torch.randn(5, 8, generator=chance))
    centres, person = torch.randn(7, 8, generator=chance), torch.tensor([0, 3, 6, 1, 2])
    plain = F.cross_entropy(32 * features @ F.normalize(centres).T, person)
    assert torch.allclose(arc_face_loss(features, centres, person, 0.0), plain, atol=1e-4)
    assert arc_face_loss(features, centres, person, 0.3) > plain


def test_identity_network_is_read_back(tmp_path):
    torch.manual_seed(0)
    network = IdentityNetwork(WIDTHS, FEATURES).eval()
    save_identity(network, tmp_path / "identity.safetensors")
    pictures = torch.rand(2, 3, 128, 128) * 2 - 1
    assert torch.allclose(load_identity(tmp_path / "identity.safetensors")(pictures), network(pictures), atol=5e-3)


def test_shipped_identity_network_tells_people_apart(chance):
    from engines.zoo import Models

    network = Models("pocket", "cpu").identity()
    people = sample_portraits(24, chance)
    one, two = (network(paint(same_people(people, chance), 128) * 2 - 1) for _ in range(2))
    cosine = one @ two.T
    assert cosine.diagonal().mean() > 0.5
    assert cosine.diagonal().mean() - cosine[~torch.eye(24, dtype=torch.bool)].mean() > 0.4
