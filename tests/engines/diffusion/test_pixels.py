import pytest
import torch

from engines.base import EngineError
from engines.diffusion import PixelAutoencoder


def test_nothing_is_lost():
    pictures = torch.rand(2, 3, 64, 32) * 2 - 1
    vae = PixelAutoencoder()
    latents = vae.encode(pictures).latent_dist.mode()
    assert latents.shape == (2, 48, 16, 8)
    assert torch.equal(vae.decode(latents).sample, pictures)


def test_a_latent_pixel_is_a_patch():
    pictures = torch.zeros(1, 3, 8, 8)
    pictures[:, :, 4:, :4] = 1
    latents = PixelAutoencoder().encode(pictures).latent_dist.mode()
    assert torch.equal(latents[0, :, 1, 0], torch.ones(48))
    assert latents.sum() == 48


def test_a_draw_of_the_latent_is_its_mean():
    (distribution,) = PixelAutoencoder().encode(torch.rand(1, 3, 16, 16), return_dict=False)
    assert torch.equal(distribution.sample(), distribution.mode())


def test_its_folder_holds_its_configuration_alone(tmp_path):
    PixelAutoencoder(latent_channels=12, block_out_channels=(12, 12), sample_size=32).save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    loaded = PixelAutoencoder.from_pretrained(tmp_path)
    assert (loaded.factor, loaded.config.latent_channels, loaded.config.scaling_factor) == (2, 12, 1.0)


def test_it_says_which_sizes_fit():
    with pytest.raises(EngineError, match="62 × 64 px .* multiple of 4"):
        PixelAutoencoder().encode(torch.zeros(1, 3, 64, 62))
    with pytest.raises(EngineError, match="factor 4 needs 48 latent channels, not 12"):
        PixelAutoencoder(latent_channels=12)


def test_it_has_the_type_and_place_of_the_networks_beside_it():
    assert PixelAutoencoder().to(torch.float16).dtype == torch.float16
    assert PixelAutoencoder().device == torch.device("cpu")
