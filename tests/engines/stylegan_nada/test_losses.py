"""Against arrays of the released code, formulas written out in double precision, and what must hold for any of them."""

import pytest
import torch
import torch.nn.functional as F

from engines.clip.templates import TEMPLATES, fill_templates
from engines.stylegan_nada.losses import (
    PART_TEMPLATES,
    cut_patches,
    directional_loss,
    global_loss,
    image_direction,
    manifold_loss,
    pairwise_distance,
    patch_directional_loss,
    patch_text_directions,
    text_direction,
    weighted_sum,
)


def close(found, wanted, atol=1e-6):
    torch.testing.assert_close(found, wanted, rtol=0, atol=atol)


# ---------------------------------------------------------------------------------------------- the released code


def test_reference_sentences(texts):
    assert tuple(texts("templates")) == TEMPLATES
    assert tuple(texts("part_templates")) == PART_TEMPLATES
    assert fill_templates(texts("target_class"))[0] == "a bad photo of a sketch."


def test_reference_text_direction(array):
    close(text_direction(array("text_tgt_raw"), array("text_src_raw")), array("text_direction")[0])


def test_reference_displacement(array):
    source, target, displacement = array("img_src_raw"), array("img_tgt_raw"), array("edit_direction")
    losses = [directional_loss(source[[k]], target[[k]], displacement[k]) for k in range(4)]
    close(torch.stack(losses), torch.zeros(4))


def test_reference_directional_loss(array):
    target = array("img_tgt_raw").requires_grad_()
    loss = directional_loss(array("img_src_raw"), target, array("text_direction")[0])
    loss.backward()
    close(loss.detach(), array("directional_loss"))
    close(target.grad, array("directional_loss_grad_tgt"))


@pytest.mark.parametrize(("text", "name"), [("text_tgt_plain_raw", "plain"), ("text_a_tgt_raw", "a")])
def test_reference_global_loss(array, text, name):
    close(global_loss(array("img_tgt_raw"), array(text)[None]), array(f"global_loss_{name}"))


def test_reference_manifold_loss(array):
    found = manifold_loss(*(array(f"{name}_raw") for name in ("img_src", "img_tgt", "text_tgt", "text_src")))
    close(found, array("manifold_loss"))


def test_reference_patch_loss(array):
    directions = patch_text_directions(array("text_tgt_part_raw"), array("text_src_part_raw"))
    close(directions, array("patch_text_directions"))
    close(
        patch_directional_loss(array("img_src_raw"), array("img_tgt_raw"), directions), array("patch_directional_loss")
    )


def test_reference_patches(array):
    found = cut_patches(array("patch_img"), array("patch_centers"), 16)
    close(found, array("patches_16"), 0)


def test_reference_image_direction(array):
    direction = image_direction(array("style_img_raw"), array("img_src_raw"))
    close(direction, array("img2img_direction")[0])
    found = directional_loss(array("img_src_raw"), array("img_tgt_raw"), direction)
    close(found, array("img2img_directional_loss"))


def test_reference_combined_loss(array):
    """The weight of the texture term, which is left out, is zero."""
    source, target = array("img_src_raw"), array("img_tgt_raw")
    texts = array("text_tgt_raw"), array("text_src_raw")
    parts = patch_text_directions(array("text_tgt_part_raw"), array("text_src_part_raw"))
    terms = {
        "directional": directional_loss(source, target, text_direction(*texts)),
        "global": global_loss(target, array("text_a_tgt_raw")[None]),
        "patch": patch_directional_loss(source, target, parts),
        "manifold": manifold_loss(source, target, *texts),
    }
    *weights, texture = array("combined_weights").tolist()
    assert texture == 0
    close(weighted_sum(terms, dict(zip(terms, weights, strict=True))), array("combined_loss"))


def test_reference_ensemble(array):
    terms = {
        name: directional_loss(array(f"img_src_raw{name}"), array(f"img_tgt_raw{name}"), array("text_direction")[0])
        for name in ("", "_b")
    }
    close(terms["_b"], array("directional_loss_b"))
    close(
        weighted_sum(terms, dict(zip(terms, array("ensemble_weights").tolist(), strict=True))), array("ensemble_loss")
    )


# ---------------------------------------------------------------------------------------------- formulas


def test_means_are_not_brought_to_unit_length():
    target, source = torch.randn(5, 6).double() + 1, torch.randn(7, 6).double() - 2
    difference = F.normalize(target, dim=1).mean(0) - F.normalize(source, dim=1).mean(0)
    for direction in (text_direction, image_direction):
        close(direction(target, source), difference / difference.norm(), 1e-12)


def test_texts_that_mean_the_same_have_no_direction():
    text = torch.randn(4, 6)
    assert not text_direction(text, 3 * text).any()


def test_lengths_do_not_count():
    source, target, direction = torch.randn(3, 4, 6).double()
    scaled = directional_loss(3 * source, 0.2 * target, 5 * direction[0])
    close(scaled, directional_loss(source, target, direction[0]), 1e-12)


def test_pictures_that_do_not_differ_are_pushed_along_the_direction():
    source = torch.randn(3, 6)
    target, direction = source.clone().requires_grad_(), F.normalize(torch.randn(6), dim=0)
    loss = directional_loss(source, target, direction)
    loss.backward()
    assert loss == 1
    moved = F.normalize(target.detach() - 0.1 * target.grad, dim=1) - F.normalize(source, dim=1)
    assert (moved @ direction > 1e-4).all()
    assert target.grad.norm(dim=1).max() < 1
    patches = source.clone().requires_grad_()
    patch_directional_loss(source, patches, torch.stack([direction, -direction])).backward()
    assert patches.grad.isfinite().all()


def test_half_precision_is_not_rounded_further():
    source, target, direction = torch.randn(4, 64).half(), torch.randn(4, 64).half(), torch.randn(64).half()
    precise = directional_loss(source.double(), target.double(), direction.double())
    found = directional_loss(source, target, direction.float())
    assert abs(found - precise) < 1e-5


def test_pairwise_distance():
    embeddings = torch.randn(5, 6)
    pairs = [1 - F.cosine_similarity(embeddings[i], embeddings[j], dim=0) for i in range(5) for j in range(5) if i != j]
    close(pairwise_distance(embeddings), torch.stack(pairs).mean())
    assert pairwise_distance(embeddings[:1].repeat(4, 1)).abs() < 1e-6
