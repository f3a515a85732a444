"""Very small diffusion models with random weights, in the formats of the real ones."""

import json
from dataclasses import replace

import torch
from safetensors.torch import save_file

from engines.diffusion import DiffusionModel, PixelAutoencoder, PocketDiffusion
from engines.diffusion._diffusers import (
    AutoencoderKL,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionModelWithProjection,
    ControlNetModel,
    DDIMScheduler,
    UNet2DConditionModel,
)
from engines.diffusion.drafting import DraftingUNet
from engines.diffusion.model import PARTS
from training.diffusion import make_scheduler, make_tokenizer

# isort: split
from transformers import CLIPVisionConfig

WIDTH = 16
SEEN = 12
"""Numbers in which the image encoder of an adapter tells a picture."""
BLOCKS = {
    "block_out_channels": (16, 16), "layers_per_block": 1, "cross_attention_dim": WIDTH, "attention_head_dim": 1,
    "norm_num_groups": 8, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
}  # fmt: skip
UP = {"up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D")}
TOLD = {"addition_embed_type": "text", "addition_embed_type_num_heads": 2, "time_embedding_dim": 24}
"""What the pocket model has and Stable Diffusion has not."""


def pocket_twin() -> PocketDiffusion:
    """16 × 16 px, 4 × 4 latents of 48 channels, which predicts the clean picture."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    unet = DraftingUNet(sample_size=4, in_channels=48, out_channels=48, mid_block_type=None, **BLOCKS, **UP, **TOLD)
    return PocketDiffusion(
        tokenizer, text_twin(tokenizer), still(unet), make_scheduler(), PixelAutoencoder(sample_size=16), "pocket twin"
    )


def stable_diffusion_twin() -> DiffusionModel:
    """16 × 16 px, 8 × 8 latents of 4 channels from a VAE that is not certain of them; predicts the noise."""
    torch.manual_seed(1)
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 77
    vae = AutoencoderKL(
        latent_channels=4, block_out_channels=(8, 8), norm_num_groups=4, sample_size=16, scaling_factor=0.18215,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1,
    )  # fmt: skip
    unet = UNet2DConditionModel(sample_size=8, in_channels=4, out_channels=4, **BLOCKS, **UP)
    return DiffusionModel(tokenizer, text_twin(tokenizer), still(unet), scheduler, still(vae), "large twin")


def text_twin(tokenizer) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1,
        max_position_embeddings=tokenizer.model_max_length, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, initializer_range=0.5,
    )  # fmt: skip
    return still(CLIPTextModel(config))


def controlnet_twin(model: DiffusionModel) -> ControlNetModel:
    """For one of the above; its zero convolutions are not zero, so that it does something."""
    torch.manual_seed(2)
    channels = (8, 8, 8) if model.factor == 4 else (8, 8)
    network = ControlNetModel(
        in_channels=model.unet.config.in_channels, conditioning_embedding_out_channels=channels, **BLOCKS
    )
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return still(network)


def save_depth_twin(folder, kind: str = "depth anything") -> None:
    """In the published layout; kind: or "dpt"."""
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
        DPTConfig,
        DPTForDepthEstimation,
        DPTImageProcessor,
    )

    torch.manual_seed(3)
    small = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
    necks = {"neck_hidden_sizes": [8, 8, 8, 8], "fusion_hidden_size": 8}
    if kind == "dpt":
        patch = 16
        config = DPTConfig(
            **small, **necks, intermediate_size=16, image_size=32, patch_size=patch, backbone_out_indices=[0, 1, 2, 3],
            is_hybrid=False,
        )  # fmt: skip
        network = DPTForDepthEstimation(config)
    else:
        patch = 14
        backbone = Dinov2Config(
            **small, image_size=28, patch_size=patch, out_features=["stage1", "stage2", "stage3", "stage4"],
            reshape_hidden_states=False, apply_layernorm=True,
        )  # fmt: skip
        config = DepthAnythingConfig(
            **necks, backbone_config=backbone, reassemble_hidden_size=16, head_hidden_size=8, patch_size=patch
        )
        network = DepthAnythingForDepthEstimation(config)
    network.save_pretrained(folder)
    size = {"height": 2 * patch, "width": 2 * patch}
    DPTImageProcessor(size=size, ensure_multiple_of=patch).save_pretrained(folder)


def save_blip_twin(folder) -> None:
    """In the published layout, with a vocabulary of four words."""
    from transformers import BertTokenizer, BlipConfig, BlipImageProcessor

    from engines.diffusion._transformers import BlipForConditionalGeneration, BlipProcessor

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]", "[ENC]", "a", "cat", "dog", "house"]
    (folder / "vocab.txt").write_text("\n".join(words))
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {
        **small, "encoder_hidden_size": 16, "vocab_size": len(words), "bos_token_id": 4, "eos_token_id": 3,
        "sep_token_id": 3, "pad_token_id": 0, "max_position_embeddings": 64,
    }  # fmt: skip
    vision = {**small, "image_size": 32, "patch_size": 16}
    torch.manual_seed(4)
    network = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision, projection_dim=8))
    network.save_pretrained(folder)
    processor = BlipImageProcessor(size={"height": 32, "width": 32})
    BlipProcessor(processor, BertTokenizer(str(folder / "vocab.txt"))).save_pretrained(folder)


def style_block_twin() -> DiffusionModel:
    """The twin of Stable Diffusion with the attention where its style block is, on the second block of the way up."""
    torch.manual_seed(5)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, **BLOCKS, up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")
    )
    return replace(stable_diffusion_twin(), unet=still(unet))


def save_instant_style_twin(folder, model: DiffusionModel) -> None:
    """In the published layout: a projection to four tokens, and keys and values for each attention to the text."""
    torch.manual_seed(6)
    weights = {
        "image_proj.proj.weight": torch.randn(4 * WIDTH, SEEN), "image_proj.proj.bias": torch.randn(4 * WIDTH),
        "image_proj.norm.weight": torch.ones(WIDTH), "image_proj.norm.bias": torch.zeros(WIDTH),
    }  # fmt: skip
    for number, name in enumerate(model.unet.attn_processors):
        if "attn2" in name:
            for kind in ("k", "v"):
                weights[f"ip_adapter.{number}.to_{kind}_ip.weight"] = torch.randn(16, WIDTH)
    path = folder / "models" / "ip-adapter_sd15.safetensors"
    path.parent.mkdir(parents=True)
    save_file(weights, path)
    config = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16,
        projection_dim=SEEN,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(path.parent / "image_encoder")


def save_stable_diffusion_twin(folder) -> None:
    """In the published layout, with the scheduler of the release, which is another one than ours."""
    model = stable_diffusion_twin()
    for part in PARTS:
        getattr(model, part).save_pretrained(folder / part)
    path = folder / "scheduler" / "scheduler_config.json"
    config = {**json.loads(path.read_text()), "_class_name": "PNDMScheduler", "skip_prk_steps": True}
    path.write_text(json.dumps(config))


def still(network):
    return network.eval().requires_grad_(False)
