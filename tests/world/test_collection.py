"""The pictures of the gallery with what they show."""

import torch

from tests.tiny_world import CONCEPTS
from world.artists.gallery import Gallery
from world.collection import collect, is_kept_back


def test_pictures_know_concept_artist_and_split(collection, gallery):
    assert len(collection) == len(gallery) - 2  # whose "war axe" is no axe for sure
    assert set(collection.artists) == {"noto", "game-icons", "openmoji"}
    for place, row in enumerate(collection.rows):
        name = CONCEPTS[int(collection.concept[place])].en
        assert name in row.names[0]
        assert bool(collection.exact[place]) == (name == row.names[0])
        assert bool(collection.kept_back[place]) == is_kept_back(row)
        assert bool(collection.is_test[place]) == (row.artist == "openmoji")
    assert collection.sprites.shape == (len(collection), 4, 64, 64)
    assert (collection.sprites[:, :3] <= collection.sprites[:, 3:]).all()


def test_test_artists_are_for_what_is_never_shipped(collection):
    shipped = {collection.rows[place].artist for place in collection.training_places().tolist()}
    judge = {collection.rows[place].artist for place in collection.training_places(test_artists=True).tolist()}
    without = collection.training_places(test_artists=True, without=("noto",))
    assert shipped == {"noto", "game-icons"}
    assert judge == {"noto", "game-icons", "openmoji"}
    assert {collection.rows[place].artist for place in without.tolist()} == {"game-icons", "openmoji"}
    assert not collection.kept_back[collection.training_places()].any()


def test_an_artist_is_shown_in_true_colours(collection):
    places = collection.artist_places("noto").tolist()
    assert places
    assert not any(collection.rows[place].colour for place in places)
    assert all(collection.exact[place] for place in places)


def test_a_drawing_and_its_colour_variant_are_on_one_side_of_the_split(gallery):
    variants = [row for row in gallery.rows if row.colour]
    plain = {(row.artist, row.key): row for row in gallery.rows if not row.colour}
    assert variants
    assert all(is_kept_back(row) == is_kept_back(plain[row.artist, row.key]) for row in variants)


def test_small_sprites_are_cached_until_a_picture_changes(gallery, tmp_path):
    cache = tmp_path / "sprites.npz"
    one = collect(gallery, CONCEPTS, 32, cache)
    written = cache.stat().st_mtime_ns
    two = collect(gallery, CONCEPTS, 32, cache)
    assert cache.stat().st_mtime_ns == written
    assert torch.equal(one.sprites, two.sprites)
    fewer = Gallery(gallery.rows[:5], gallery.pixels[:5])
    assert len(collect(fewer, CONCEPTS, 32, cache)) == 5
    assert cache.stat().st_mtime_ns != written
