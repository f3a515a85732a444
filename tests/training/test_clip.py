import torch

from training.clip import L2, LINF, ascend, shuffle_patches


def test_perturbations_stay_within_their_ball():
    torch.manual_seed(0)
    radius = torch.full((6, 1, 1, 1), 0.5)
    uses_linf = torch.tensor([True, False] * 3).view(-1, 1, 1, 1)
    delta = torch.zeros(6, 3, 8, 8)
    for _ in range(3):
        delta = ascend(delta, torch.randn_like(delta), radius, uses_linf)
    assert delta[0::2].abs().max() <= LINF * 0.5 + 1e-6
    assert delta[1::2].flatten(1).norm(dim=1).max() <= L2 * 0.5 + 1e-5
    assert delta.flatten(1).norm(dim=1).min() > 0


def test_shuffled_pictures_keep_their_palette_and_lose_their_shape():
    pictures = torch.rand(2, 3, 16, 16)
    shuffled = shuffle_patches(pictures, torch.Generator().manual_seed(0))
    assert torch.equal(pictures.flatten(2).sort(dim=2).values, shuffled.flatten(2).sort(dim=2).values)
    assert not torch.equal(pictures, shuffled)
