"""Every model Atelier can load by name. Nothing is ever fetched from an address a user gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.errors import EngineError

__all__ = ["CATALOGUE", "CatalogueEntry", "Family", "find"]

Family = Literal["pocket", "full"]


@dataclass(frozen=True)
class CatalogueEntry:
    """One model.

    name: how settings and files call it. size_bytes: of the download (of the file or folder in assets/, for pocket
    models). source: for pocket models the weights below assets/, for full CLIPs "architecture/weights" as open_clip
    names them, for the parts of full diffusion models the repository on the Hugging Face hub, for others the address of
    the release. sha256: of the latter. files: of a repository, those that are needed.
    """

    name: str
    family: Family
    task: str
    source: str
    size_bytes: int
    licence: str
    description: str
    sha256: str = ""
    files: tuple[str, ...] = ()


def _clip(name: str, source: str, megabytes: int, licence: str, description: str) -> CatalogueEntry:
    return CatalogueEntry(name, "full", "clip", source, megabytes * 1_000_000, licence, description)


CATALOGUE: list[CatalogueEntry] = [
    CatalogueEntry(
        "pocket-clip", "pocket", "clip", "clip/atelier-pocket.safetensors", 16_800_000, "Apache-2.0",
        "Our own CLIP for 64-pixel pictures, trained against adversarial changes; English and Korean.",
    ),
    _clip("ViT-B-32", "ViT-B-32/openai", 605, "MIT", "The CLIP of the CLIPDraw paper."),
    _clip("ViT-B-16", "ViT-B-16/openai", 599, "MIT", "Finer patches than ViT-B-32, four times the work."),
    _clip("ViT-L-14", "ViT-L-14/openai", 1710, "MIT", "OpenAI's large model; wants a GPU."),
    _clip("RN50", "RN50/openai", 408, "MIT", "A residual network; a good second opinion in an ensemble."),
    _clip("ViT-B-32-laion2b", "ViT-B-32/laion2b_s34b_b79k", 605, "MIT", "ViT-B/32 trained on LAION-2B by OpenCLIP."),
    _clip("ViT-H-14-laion2b", "ViT-H-14/laion2b_s32b_b79k", 3940, "MIT", "OpenCLIP's huge model; wants a large GPU."),
    CatalogueEntry(
        "pocket-vgg", "pocket", "vgg", "style/atelier-vgg.safetensors", 1_840_000, "Apache-2.0",
        "Our own narrow VGG, which tells materials and ways of painting apart.",
    ),
    CatalogueEntry(
        "VGG-16", "full", "vgg", "https://download.pytorch.org/models/vgg16-397923af.pth", 553_433_881, "BSD-3-Clause",
        "The feature network of the StyleCLIPDraw paper, trained on ImageNet by torchvision.",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
    CatalogueEntry(
        "pocket-portraits", "pocket", "stylegan2", "faces/portraits.safetensors", 5_770_000, "Apache-2.0",
        "Our own StyleGAN2 for cartoon portraits of 128 pixels.",
    ),
    CatalogueEntry(
        "FFHQ-1024", "full", "stylegan2",
        "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/ffhq.pkl", 381_000_000,
        "NVIDIA Source Code License (non-commercial)",
        "NVIDIA's StyleGAN2-ADA faces of 1024 pixels; wants a GPU.",
    ),
    CatalogueEntry(
        "pocket-identity", "pocket", "identity", "faces/identity.safetensors", 2_550_000, "Apache-2.0",
        "Our own ArcFace network, which tells the people of the portraits apart.",
    ),
    CatalogueEntry(
        "pocket-diffusion", "pocket", "diffusion", "diffusion/pocket", 24_330_000, "Apache-2.0",
        "Our own text-to-image model for 64-pixel pictures; English and Korean.",
    ),
    CatalogueEntry(
        "pocket-edges", "pocket", "structure", "diffusion/structure", 7_850_000, "Apache-2.0",
        "Our own ControlNet, which keeps the edges of a picture that is painted anew.",
    ),
    CatalogueEntry(
        "Stable-Diffusion-1.5", "full", "diffusion", "stable-diffusion-v1-5/stable-diffusion-v1-5", 4_265_000_000,
        "CreativeML Open RAIL-M",
        "The diffusion model of the DreamStyler paper, for pictures of 512 pixels; wants a GPU.",
        files=(
            "scheduler/*", "tokenizer/*", "*/config.json", "text_encoder/model.safetensors",
            "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors",
        ),
    ),
    CatalogueEntry(
        "ControlNet-depth", "full", "structure", "lllyasviel/control_v11f1p_sd15_depth", 1_445_000_000,
        "CreativeML Open RAIL-M",
        "Keeps the depth of a picture when Stable Diffusion 1.5 paints it anew.",
        files=("config.json", "diffusion_pytorch_model.safetensors"),
    ),
    CatalogueEntry(
        "Depth-Anything-V2-small", "full", "depth", "depth-anything/Depth-Anything-V2-Small-hf", 99_200_000,
        "Apache-2.0",
        "Sees how far away everything in a picture is, for the ControlNet.",
        files=("*.json", "model.safetensors"),
    ),
    CatalogueEntry(
        "IP-Adapter", "full", "instant-style", "h94/IP-Adapter", 2_570_000_000, "Apache-2.0",
        "Lends Stable Diffusion 1.5 the style of a picture at once, without learning it.",
        files=(
            "models/ip-adapter_sd15.safetensors", "models/image_encoder/config.json",
            "models/image_encoder/model.safetensors",
        ),
    ),
    CatalogueEntry(
        "BLIP", "full", "caption", "Salesforce/blip-image-captioning-base", 990_000_000, "BSD-3-Clause",
        "Tells in a sentence what a picture shows.",
        files=("*.json", "vocab.txt", "model.safetensors"),
    ),
    CatalogueEntry(
        "pocket-unclip", "pocket", "unclip", "unclip", 31_000_000, "Apache-2.0",
        "Our own unCLIP for pictures of 64 pixels, enlarged to 128; English and Korean.",
    ),
    CatalogueEntry(
        "Karlo-v1-alpha", "full", "unclip", "kakaobrain/karlo-v1-alpha", 13_700_000_000, "CreativeML Open RAIL-M",
        "Kakao Brain's unCLIP for pictures of 64 pixels, enlarged to 256; wants a GPU.",
        files=("*.json", "tokenizer/*", "*/model.safetensors", "*/diffusion_pytorch_model.safetensors"),
    ),
    CatalogueEntry(
        "Karlo-v1-alpha-variations", "full", "unclip", "kakaobrain/karlo-v1-alpha-image-variations", 10_900_000_000,
        "CreativeML Open RAIL-M",
        "The same decoder without the prior, for what begins with a picture; wants a GPU.",
        files=("*.json", "tokenizer/*", "*/model.safetensors", "*/diffusion_pytorch_model.safetensors"),
    ),
    CatalogueEntry(
        "Kandinsky-2.2", "full", "unclip", "kandinsky-community/kandinsky-2-2-prior", 14_300_000_000, "Apache-2.0",
        "The prior of Kandinsky 2.2 and its CLIP ViT-bigG/14; wants a large GPU.",
        files=("*.json", "tokenizer/*", "*/model.safetensors", "*/diffusion_pytorch_model.safetensors"),
    ),
    CatalogueEntry(
        "Kandinsky-2.2-decoder", "full", "unclip-decoder", "kandinsky-community/kandinsky-2-2-decoder", 5_280_000_000,
        "Apache-2.0",
        "The decoder of Kandinsky 2.2, for pictures of 512 pixels; wants a large GPU.",
        files=("*.json", "*/diffusion_pytorch_model.safetensors"),
    ),
    CatalogueEntry(
        "Stable-unCLIP-small", "full", "unclip", "sd2-community/stable-diffusion-2-1-unclip-small", 6_400_000_000,
        "CreativeML Open RAIL++-M",
        "Stable Diffusion 2.1 that paints embeddings of CLIP ViT-L/14, at 768 pixels; wants a large GPU.",
        files=(
            "feature_extractor/*", "*/config.json", "*/scheduler_config.json", "tokenizer/*", "*/model.safetensors",
            "*/diffusion_pytorch_model.safetensors",
        ),
    ),
    CatalogueEntry(
        "Stable-unCLIP-small-prior", "full", "unclip-prior", "kakaobrain/karlo-v1-alpha", 4_580_000_000,
        "CreativeML Open RAIL-M",
        "Karlo's prior and the half of CLIP ViT-L/14 that reads, which find embeddings for Stable unCLIP.",
        files=(
            "prior/config.json", "prior/diffusion_pytorch_model.safetensors", "prior_scheduler/*", "tokenizer/*",
            "text_encoder/config.json", "text_encoder/model.safetensors",
        ),
    ),
    CatalogueEntry(
        "Stable-unCLIP", "full", "unclip", "sd2-community/stable-diffusion-2-1-unclip", 5_180_000_000,
        "CreativeML Open RAIL++-M",
        "The same for the finer embeddings of CLIP ViT-H/14, which comes beside it, without a prior; wants a large "
        "GPU.",
        files=(
            "*/config.json", "*/scheduler_config.json", "tokenizer/*", "text_encoder/model.safetensors",
            "*/diffusion_pytorch_model.safetensors",
        ),
    ),
    CatalogueEntry(
        "Karlo-eye", "full", "unclip-eye", "kakaobrain/karlo-v1-alpha-image-variations", 1_220_000_000,
        "CreativeML Open RAIL-M",
        "The half of CLIP ViT-L/14 that looks at pictures, which Karlo's own folder lacks.",
        files=("image_encoder/*", "feature_extractor/*"),
    ),
]  # fmt: skip
"""The first entry of a family and task is its default."""


def find(task: str, name: str, family: Family) -> CatalogueEntry | None:
    """The entry of that name; for a task of "clip" also any other "architecture/weights" that open_clip publishes.

    An empty name means the family's default, None where it has none. Raises `EngineError` for a name that is not known.
    """
    entries = [entry for entry in CATALOGUE if entry.task == task]
    if not name:
        return next((entry for entry in entries if entry.family == family), None)
    known = next((entry for entry in entries if entry.name == name), None)
    if known is not None:
        return known
    if task == "clip" and _is_published_by_open_clip(name):
        return _clip(name, name, 0, "see its model card", "An open_clip model.")
    choices = ", ".join(entry.name for entry in entries)
    raise EngineError(
        "There is no {task} model '{name}'; choose one of {choices}, or an open_clip 'architecture/weights'.",
        task=task,
        name=name,
        choices=choices,
    )


def _is_published_by_open_clip(name: str) -> bool:
    from engines.clip._open_clip import open_clip

    return tuple(name.split("/", 1)) in set(open_clip.list_pretrained())
