"""Train the pocket feature network: `python -m training.style_features` (resumes by itself), on one CPU core or a GPU.

A quarter-width VGG-16 learns to name three things: what a picture shows (pocket emoji), what it is made of (procedural
materials) and how it is painted (painterly styles). The object is read from the last two tapped layers, material and
style from mean and deviation of all of them, so that each learns to describe texture. Batch norm, which only the
training needs, is folded into the convolutions afterwards: what is shipped is a plain VGG, without the heads.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.files import ASSETS
from engines.style.features import MEAN, STD, TAPS, StyleEncoder, vgg_features
from engines.style.losses import Samples, moment_loss
from training.loop import Resumable, descend, make_parser, read_options, train
from training.schedule import learning_rate
from training.weights import save_weights
from world.emoji import make_composer
from world.materials import MATERIALS, render_materials
from world.styles import HELD_OUT, STYLES, apply_styles, render
from world.subjects import load_subjects

WEIGHTS = ASSETS / "style" / "atelier-vgg.safetensors"
WIDTHS = [16, 32, 64, 128, 128]
SIZE = 64
EVERY = 8
"""Of the subjects only every eighth is learned: few enough to be told apart within half an hour."""
OBJECTS, STYLED, MADE = 64, 28, 32
"""Of a batch: pictures of objects, those of them painted in a style, pictures of materials."""
PEAK_LR, WEIGHT_DECAY = 1.5e-3, 0.05
UNSTYLED = len(STYLES)
"""The class of pictures left as they are."""


class Classifier(nn.Module):
    """(B, 3, H, W) in [0, 1] → logits of object, material and style, (B, classes) each."""

    def __init__(self, objects: int):
        super().__init__()
        self.features = vgg_features(WIDTHS)[: TAPS[-1] + 1]
        convolutions = {str(i): layer for i, layer in enumerate(self.features) if isinstance(layer, nn.Conv2d)}
        self.norms = nn.ModuleDict({i: nn.BatchNorm2d(layer.out_channels) for i, layer in convolutions.items()})
        tapped = 2 * sum(self.features[i - 1].out_channels for i in TAPS)
        self.object = nn.Linear(2 * sum(WIDTHS[-2:]), objects)
        self.material = nn.Linear(tapped, len(MATERIALS))
        self.style = nn.Linear(tapped, len(STYLES) + 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, std = (pictures.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
        x = ((pictures - mean) / std).contiguous(memory_format=torch.channels_last)
        texture, shape = [], []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if str(i) in self.norms:
                x = self.norms[str(i)](x)
            if i in TAPS:
                deviation, average = torch.std_mean(x.float(), dim=(2, 3))
                texture += [average, deviation]
            if i in TAPS[-2:]:
                shape += [average, x.float().amax((2, 3))]
        texture = torch.cat(texture, dim=1)
        return self.object(torch.cat(shape, dim=1)), self.material(texture), self.style(texture)

    @torch.no_grad()
    def plain(self) -> nn.Module:
        """The features alone, batch norm folded into the convolutions; named as torchvision names them."""
        features = vgg_features(WIDTHS)
        for i, norm in self.norms.items():
            own, plain = self.features[int(i)], features[int(i)]
            scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).cpu()
            plain.weight.copy_(own.weight.cpu() * scale.view(-1, 1, 1, 1))
            plain.bias.copy_((own.bias - norm.running_mean).cpu() * scale + norm.bias.cpu())
        return nn.ModuleDict({"features": features})


class Trainer(Resumable):
    kept = ("model", "optimizer")

    def __init__(self, batches: int, seed: int, device: str):
        super().__init__(batches, seed, device)
        self.composer = make_composer(load_subjects()[::EVERY])
        self.model = Classifier(len(self.composer.atlas)).to(device, memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=PEAK_LR, weight_decay=WEIGHT_DECAY, fused=True)

    def step(self) -> dict[str, float]:
        generator, _ = self.chances()
        subject = torch.randint(len(self.composer.atlas), (OBJECTS,), generator=generator)
        style = torch.randint(len(STYLES), (OBJECTS,), generator=generator)
        style[STYLED:] = UNSTYLED
        material = torch.randint(len(MATERIALS), (MADE,), generator=generator)
        pictures = torch.cat(
            [
                apply_styles(self.composer(subject, generator), torch.where(style < UNSTYLED, style, -1), generator),
                render_materials(material, SIZE, generator),
            ]
        )
        with torch.autocast(self.device, torch.bfloat16):
            logits = self.model(vary(pictures, generator).to(self.device))
        parts = {
            "object": (logits[0][:OBJECTS], subject),
            "material": (logits[1][OBJECTS:], material),
            "style": (logits[2][:OBJECTS], style),
        }
        losses = {
            name: F.cross_entropy(found.float(), wanted.to(self.device), label_smoothing=0.1)
            for name, (found, wanted) in parts.items()
        }
        rate = learning_rate(PEAK_LR, self.batch / self.batches, warm_up=0.04, first=0.01, last=0.005)
        descend(sum(losses.values()), self.optimizer, rate, self.model, max_norm=5.0)
        self.batch += 1
        accuracy = {
            f"{name} right": (found.argmax(1).cpu() == wanted).float().mean() for name, (found, wanted) in parts.items()
        }
        return {name: value.item() for name, value in (losses | accuracy).items()}


def vary(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """One in three mirrored, one in four noisy, one in eight of half the contrast (the `paper` mapping's pictures)."""
    lot = torch.rand(3, len(pictures), 1, 1, 1, generator=generator)
    pictures = torch.where(lot[0] < 1 / 3, pictures.flip(3), pictures)
    noise = torch.randn(pictures.shape, generator=generator) * lot[2] * 0.12
    pictures = torch.where(lot[1] < 1 / 4, pictures + noise, pictures).clamp(0, 1)
    return torch.where(lot[1] > 7 / 8, (pictures + 1) / 2, pictures)


# ---------------------------------------------------------------------------------------------- measuring


@torch.no_grad()
def evaluate(model: Classifier, composer, seed: int = 987_654_321) -> dict[str, float]:
    """Shares named rightly in pictures that no batch has used: five of each object, 20 of each material and style."""
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    objects = torch.arange(len(composer.atlas)).repeat_interleave(5)
    found = torch.cat([model(composer(chunk, generator, guises=False))[0] for chunk in objects.split(200)])
    ranks = (found > found.gather(1, objects[:, None])).sum(1)
    materials = torch.arange(len(MATERIALS)).repeat_interleave(20)
    pictures = render_materials(materials, SIZE, generator)
    material = torch.cat([model(chunk)[1] for chunk in pictures.split(200)]).argmax(1)
    styles = torch.arange(UNSTYLED + 1).repeat_interleave(20)
    subjects = torch.randint(len(composer.atlas), styles.shape, generator=generator)
    pictures = apply_styles(composer(subjects, generator), torch.where(styles < UNSTYLED, styles, -1), generator)
    style = torch.cat([model(chunk)[2] for chunk in pictures.split(200)]).argmax(1)
    model.train()
    return {
        "object_r1": (ranks < 1).float().mean().item(),
        "object_r5": (ranks < 5).float().mean().item(),
        "material": (material == materials).float().mean().item(),
        "style": (style == styles).float().mean().item(),
    }


@torch.no_grad()
def style_matching(encoder: StyleEncoder, composer, seed: int = 55, each: int = 5) -> dict[str, float]:
    """How often the picture with the smallest moment loss is one in the same style, of another subject.

    Over all styles, and over those nobody trained on (chance: 3 %). Pictures lose their colours first: by the palette
    alone many styles would be found.
    """
    generator = torch.Generator().manual_seed(seed)
    styles = [*STYLES, *HELD_OUT]
    subjects = torch.randint(len(composer.atlas), (len(styles) * each,), generator=generator).split(each)
    samples = []
    for style, chosen in zip(styles, subjects, strict=True):
        painted = render(composer(chosen, generator, guises=False), style, generator)
        grey = painted.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        grey = (grey - grey.mean((1, 2, 3), keepdim=True)) / grey.std((1, 2, 3), keepdim=True) * 0.2 + 0.5
        for maps in zip(*encoder.maps(grey.clamp(0, 1)), strict=True):
            samples.append([Samples(fmap.flatten(1).T.contiguous()) for fmap in maps[1:]])
    distances = torch.full((len(samples), len(samples)), float("inf"))
    for i, one in enumerate(samples):
        for j, other in enumerate(samples[:i]):
            losses = [moment_loss(x, y) for x, y in zip(one, other, strict=True)]
            distances[i, j] = distances[j, i] = sum(losses)
    same = distances.argmin(1) // each == torch.arange(len(samples)) // each
    return {
        "matched": same[: len(STYLES) * each].float().mean().item(),
        "matched_unseen": same[len(STYLES) * each :].float().mean().item(),
    }


def main() -> None:
    folder = Path("checkpoints/style")
    options = read_options(make_parser(__doc__, batches=2500, seed=1, folder=folder, export=WEIGHTS))
    trainer = Trainer(options.batches, options.seed, options.device)
    train(trainer, options.folder / "last.pt", every=20)
    save_weights(trainer.model.plain(), options.export)
    encoder = StyleEncoder.load(options.export, name="pocket-vgg", sha256="")
    measured = evaluate(trainer.model.cpu(), trainer.composer) | style_matching(encoder, trainer.composer)
    print(json.dumps({name: round(value, 4) for name, value in measured.items()}))


if __name__ == "__main__":
    main()
