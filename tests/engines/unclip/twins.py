"""A very small Karlo and Kandinsky with random weights, in the layouts of the published ones."""

import json

import torch

from engines.diffusion._diffusers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    PriorTransformer,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)

WIDTH = 16
EPSILON = {"prediction_type": "epsilon", "clip_sample": True, "clip_sample_range": 1.0}
SCHEDULERS = {
    "prior_scheduler": {"prediction_type": "sample", "clip_sample_range": 5.0, "variance_type": "fixed_small_log"},
    "decoder_scheduler": {**EPSILON, "variance_type": "learned_range"},
    "super_res_scheduler": {**EPSILON, "variance_type": "fixed_small_log"},
}


def save_karlo_twin(folder, *, with_prior: bool = True) -> None:
    """16 px, enlarged to 32; without its prior it has the eye instead, as the image variations do."""
    from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel

    torch.manual_seed(8)
    tokenizer = save_tokenizer(folder / "tokenizer")
    parts = {
        "text_encoder": text_encoder(tokenizer),
        "decoder": UNet2DConditionModel(
            sample_size=16, in_channels=3, out_channels=6, block_out_channels=(8, 16), layers_per_block=1,
            norm_num_groups=4, cross_attention_dim=20, attention_head_dim=8, class_embed_type="identity",
            down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn", resnet_time_scale_shift="scale_shift",
            up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        ),
        "text_proj": UnCLIPTextProjModel(clip_embeddings_dim=WIDTH, time_embed_dim=32, cross_attention_dim=20),
        "super_res_first": upsampler(),
        "super_res_last": upsampler(),
    }  # fmt: skip
    if with_prior:
        parts["prior"] = prior()
    else:
        save_eye_twin(folder)
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    for name, config in SCHEDULERS.items():
        if with_prior or name != "prior_scheduler":
            config = {"_class_name": "UnCLIPScheduler", "num_train_timesteps": 1000, **config}
            write_scheduler(folder / name, config)


def text_encoder(tokenizer) -> CLIPTextModelWithProjection:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        projection_dim=WIDTH, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=0, initializer_range=0.5,
    )  # fmt: skip
    return CLIPTextModelWithProjection(config)


def prior() -> PriorTransformer:
    network = PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, num_layers=1, embedding_dim=WIDTH, num_embeddings=77
    )
    torch.nn.init.normal_(network.clip_std)
    return network


def save_kandinsky_twin(folder_of_prior, folder_of_decoder) -> None:
    """16 px, 8 × 8 latents of 4 channels."""
    torch.manual_seed(9)
    tokenizer = save_tokenizer(folder_of_prior / "tokenizer")
    text_encoder(tokenizer).save_pretrained(folder_of_prior / "text_encoder")
    prior().save_pretrained(folder_of_prior / "prior")
    save_eye_twin(folder_of_prior, statistics="image_processor")
    config = {"_class_name": "UnCLIPScheduler", "num_train_timesteps": 1000, **SCHEDULERS["prior_scheduler"]}
    write_scheduler(folder_of_prior / "scheduler", config)
    UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=8, block_out_channels=(8, 16), layers_per_block=1,
        norm_num_groups=4, cross_attention_dim=20, attention_head_dim=8, encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="image_proj", addition_embed_type="image", resnet_time_scale_shift="scale_shift",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
    ).save_pretrained(folder_of_decoder / "unet")  # fmt: skip
    VQModel(
        latent_channels=4, block_out_channels=(32, 32), norm_num_groups=4, num_vq_embeddings=16, norm_type="spatial",
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, vq_embed_dim=4,
    ).save_pretrained(folder_of_decoder / "movq")  # fmt: skip
    write_scheduler(
        folder_of_decoder / "scheduler",
        {"_class_name": "DDPMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear",
         "clip_sample": True, "clip_sample_range": 2.0, "variance_type": "learned_range"},
    )  # fmt: skip


def write_scheduler(folder, config: dict) -> None:
    folder.mkdir()
    (folder / "scheduler_config.json").write_text(json.dumps(config))


def upsampler() -> UNet2DModel:
    return UNet2DModel(
        sample_size=32, in_channels=6, out_channels=3, block_out_channels=(8, 16), layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D",) * 2, up_block_types=("ResnetUpsampleBlock2D",) * 2,
        resnet_time_scale_shift="scale_shift", norm_num_groups=4, add_attention=False,
    )  # fmt: skip


def save_eye_twin(folder, statistics: str = "feature_extractor") -> None:
    from transformers import CLIPImageProcessor, CLIPVisionConfig

    vision = CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=28,
        patch_size=14, projection_dim=WIDTH,
    )  # fmt: skip
    CLIPVisionModelWithProjection(vision).save_pretrained(folder / "image_encoder")
    CLIPImageProcessor().save_pretrained(folder / statistics)


def save_tokenizer(folder):
    """OpenAI's has a vocabulary too large for here; "!" pads, as it does in Karlo's."""
    from training.diffusion import make_tokenizer

    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 77
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)
    tokenizer.save_pretrained(folder)
    return tokenizer
