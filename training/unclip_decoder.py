"""Train the pocket decoder of unCLIP: `python -m training.unclip_decoder` (resumes by itself), on a CPU core or a GPU.

It begins as the pocket text-to-image model of `training.diffusion`, or goes on from an earlier decoder (`--begin
FOLDER`), and learns to paint from the pocket CLIP's embedding of a picture (Ramesh et al., arXiv 2204.06125, §2.1). The
U-Net is that model's; what it gets here is mapped by least squares to what it got there: the states of words to those
of its text encoder, the embedding of a picture to what its caption as a whole added to the timestep. The rest begins at
zero. The CLIP stays as it is; its picture tower costs little, so that embeddings are made on the way. The noise and the
loss are those of `training.flow`. First only the draft learns (`engines.diffusion.drafting`), of what an embedding adds
to the timestep: in it all directions in which embeddings differ have their place.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from engines.clip.encoder import ClipEncoder
from engines.diffusion import PocketDiffusion
from engines.diffusion.drafting import DraftingUNet
from engines.diffusion.pocket import tokens
from engines.diffusion.process import spaced_timesteps
from engines.images import as_sheet, resized
from engines.unclip.decoder import Decoder, Projections
from engines.unclip.text import TextCondition, encode_texts
from training.clip import ASSETS, MODEL
from training.diffusion import even
from training.flow import WORDS, Flow
from training.loop import Resumable, descend, make_parser, read_options, train
from training.optimizer import MatrixOptimizer
from training.schedule import average_decay, linear_learning_rate
from training.unclip_prior import load_encoder
from training.weights import update_average
from world.captioned import CaptionedWorld
from world.emoji import sprite_atlas
from world.subjects import load_subjects

SCHEDULER = {
    "_class_name": "UnCLIPScheduler",
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "sample",
    "clip_sample": True,
    "clip_sample_range": 1.0,
}
"""That of the text-to-image model, as Karlo's decoder says it."""
BATCH = 64
NO_TEXT, NO_PICTURE = 0.5, 0.1
"""Shares learned without caption and without embedding, each by itself, as in the paper."""
DRAFTING, DRAFTED_ALONE = 0.5, 0.7
"""Share of the batches, the first ones, in which but the draft learns; and of these the share, the first ones again,
that show subjects alone on white."""
DRAFT_LR, PEAK_LR, WARM_UP, LAST, EMA = 1e-3, 3e-4, 60, 0.02, 0.998
"""The rate rises for WARM_UP batches, and falls all the time to LAST of its peak, of drafts and then of the whole."""
ASTRAY = 0.5
"""Most noise that is added to an embedding, of its length: a prior's are never quite those of a picture."""
EVENLY = 0.3
"""Spread of what an embedding adds to the timestep in every direction, beside what a caption would have added."""
FITTED = 2048
"""Pictures and captions that the mappings are found with."""
SHOWN, SHOWN_STEPS, SHOWN_SCALE = 16, 12, 3.0


class DecoderTrainer(Resumable):
    """base: of the text-to-image model it begins as. begin: of an earlier decoder, to go on from there instead."""

    kept = ("networks", "averages", "optimizer")

    def __init__(
        self,
        encoder: ClipEncoder,
        base: Path,
        batches: int,
        seed: int,
        device: str,
        begin: Path | None = None,
        drafting: float = DRAFTING,
    ):
        super().__init__(batches, seed, device)
        self.encoder = encoder
        subjects = load_subjects()
        self.world = CaptionedWorld(subjects, sprite_atlas(subjects))
        if begin:
            decoder = Decoder.load(begin).to(device)
            unet, projections = decoder.network, decoder.projections
        else:
            unet, projections = self._begin(PocketDiffusion.load(base, device), seed)
        self.networks = nn.ModuleDict({"unet": unet, "projections": projections}).to(device).requires_grad_()
        self.averages = deepcopy(self.networks).requires_grad_(False)
        self.decoder, self.average = (
            Decoder(n["unet"], n["projections"], SCHEDULER) for n in (self.networks, self.averages)
        )
        self.null = encode_texts(encoder, [""])
        self.flow = Flow(self.decoder.diffusion.alphas_cumprod, **WORDS)
        self.optimizer = MatrixOptimizer((unet, 1.0), (projections, 1.0))
        self.drafting = round(drafting * batches)

    def _begin(self, painter: PocketDiffusion, seed: int) -> tuple[DraftingUNet, Projections]:
        unet = make_unet(painter.unet)
        projections = make_projections(self.encoder, unet)
        pictures, captions = self.world(FITTED, torch.Generator().manual_seed(seed), random.Random(seed))
        fit_words(projections, self.encoder, painter, captions)
        fit_pictures(projections, self.encoder, painter, pictures.to(self.encoder.device), captions)
        return unet, projections

    def step(self) -> dict[str, float]:
        report = self._draft() if self.batch < self.drafting else self._paint()
        update_average(self.averages, self.networks, average_decay(EMA, self.batch))
        self.batch += 1
        return report

    def _draft(self) -> dict[str, float]:
        """Only the draft learns."""
        generator, rng = self.chances()
        is_first = self.batch < DRAFTED_ALONE * self.drafting
        clean, z_image, text = self._seen(self.world.plain if is_first else self.world, generator, rng)
        with torch.no_grad():
            *_, added = self.decoder.projections(z_image, text)
        with torch.autocast(self.device, torch.bfloat16):
            draft = self.networks["unet"].draft(added)
        loss = F.mse_loss(draft.float(), clean)
        self._descend(loss, DRAFT_LR, 0, self.drafting)
        return {"loss": loss.item()}

    def _paint(self) -> dict[str, float]:
        generator, rng = self.chances()
        clean, z_image, text = self._seen(self.world, generator, rng)
        timesteps = self.flow.timesteps(BATCH, generator)
        noisy = self.flow.noised(clean, timesteps, generator)
        with torch.autocast(self.device, torch.bfloat16):
            states, mask, added = self.decoder.projections(z_image, text)
            draft = self.networks["unet"].draft(added)
            predicted = self.networks["unet"](
                noisy, timesteps.to(self.device), states, added, draft=draft, encoder_attention_mask=mask
            ).sample
        loss, drafted = self.flow.loss(predicted, clean, timesteps), F.mse_loss(draft.float(), clean)
        self._descend(loss + drafted, PEAK_LR, self.drafting, self.batches)
        return {"loss": loss.item(), "draft": drafted.item()}

    def _seen(
        self, world: Callable, generator: torch.Generator, rng: random.Random
    ) -> tuple[Tensor, Tensor, TextCondition]:
        """Samples, and embeddings and captions of theirs, some of which are left out."""
        pictures, captions = world(BATCH, generator, rng)
        pictures = pictures.to(self.device)
        text = encode_texts(self.encoder, captions)
        text = text.replaced((torch.rand(BATCH, generator=generator) < NO_TEXT).to(self.device), self.null)
        with torch.no_grad():
            z_image = self.encoder.encode_image(pictures)
        is_unseen = (torch.rand(BATCH, generator=generator) < NO_PICTURE).to(self.device)[:, None]
        astray = ASTRAY * torch.rand(BATCH, 1, generator=generator) * torch.randn(z_image.shape, generator=generator)
        z_image = F.normalize(z_image + astray.to(z_image) / z_image.shape[1] ** 0.5, dim=1)
        z_image = torch.where(is_unseen, self.decoder.projections.no_picture(BATCH), z_image)
        return self.decoder.samples(pictures * 2 - 1), z_image, text

    def _descend(self, loss: Tensor, peak: float, first: int, end: int) -> None:
        """The rate's whole way goes from batch `first` to `end`."""
        rate = linear_learning_rate(peak, self.batch - first, end - first, warm_up=WARM_UP, last=LAST)
        descend(loss, self.optimizer, rate, self.networks)

    def export(self, folder: Path) -> None:
        """The averaged decoder as fp16."""
        self.average.save(folder, half=True)

    def sheet(self) -> Image.Image:
        """Four rows: pictures; painted from their embeddings, from embeddings and captions, and from captions alone."""
        pictures, captions = self.world(SHOWN, torch.Generator().manual_seed(0), random.Random(0))
        pictures = pictures.to(self.device) * 2 - 1
        decoder, text = self.average, encode_texts(self.encoder, captions)
        z_image, nobody = self.encoder.encode_image(pictures / 2 + 0.5), decoder.projections.no_picture(SHOWN)
        noise = torch.randn(SHOWN, *decoder.shape, generator=torch.Generator().manual_seed(0)).to(self.device)
        rows = [resized(pictures, decoder.size, low=-1)]
        for z, told in ((z_image, self.null), (z_image, text), (nobody, text)):
            predict = decoder.conditioned(z, told, self.null, image_scale=SHOWN_SCALE, text_scale=SHOWN_SCALE)
            timesteps, chance = spaced_timesteps(SHOWN_STEPS), torch.Generator()
            *_, last = decoder.diffusion.ddim(predict, noise, timesteps, generator=chance)
            rows.append(decoder.pictures(last.sample))
        return Image.fromarray(as_sheet(torch.cat(rows) / 2 + 0.5, SHOWN))


# ------------------------------------------------------------------------------------------------------------ parts


def make_unet(painter: DraftingUNet) -> DraftingUNet:
    """The same network, to whose embedding of the timestep is added what it is given, not what it makes of the text."""
    unet = type(painter).from_config({**painter.config, "class_embed_type": "identity", "addition_embed_type": None})
    unet.load_state_dict({name: value for name, value in painter.state_dict().items() if name in unet.state_dict()})
    return unet


def make_projections(encoder: ClipEncoder, unet: DraftingUNet) -> Projections:
    """New; what the U-Net did not get so far is zero, and nothing but four empty tokens tells of it."""
    embed_dim = encoder.model.text_projection.shape[1]
    time_dim = unet.time_embedding.linear_2.out_features
    projections = Projections(embed_dim, time_dim, unet.config.cross_attention_dim)
    for layer in (
        projections.embedding_proj,
        projections.clip_image_embeddings_project_to_time_embeddings,
        projections.clip_extra_context_tokens_proj,
    ):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    return projections.to(encoder.device)


@torch.no_grad()
def fit_words(projections: Projections, encoder: ClipEncoder, painter: PocketDiffusion, captions: list[str]) -> None:
    """Map the CLIP's states of words to those of the painter's text encoder, by least squares.

    Either ends in a normalisation, which is taken over: before it, the map has to find what is not yet scaled.
    """
    text = encode_texts(encoder, captions)
    theirs = painter.text_encoder(tokens(painter.tokenizer, captions).to(encoder.device)).last_hidden_state
    last = painter.text_encoder.final_layer_norm
    wanted = ((theirs - last.bias) / last.weight)[text.mask]
    known = torch.cat([text.tokens[text.mask], torch.ones(len(wanted), 1, device=wanted.device)], 1)
    found = _least_squares(known, wanted)
    projections.encoder_hidden_states_proj.weight.copy_(found[:-1].T)
    projections.encoder_hidden_states_proj.bias.copy_(found[-1])
    projections.text_encoder_hidden_states_norm.load_state_dict(last.state_dict())


@torch.no_grad()
def fit_pictures(
    projections: Projections, encoder: ClipEncoder, painter: PocketDiffusion, pictures: Tensor, captions: list[str]
) -> None:
    """Map embeddings of (N, 3, h, w) pictures to what their captions added to the timestep of the painter, by least
    squares; what "" added is always added, and to no picture's embedding, which is zero, nothing else.

    By least squares alone an embedding says what captions say: of its 256 directions not fifty have a share of a
    ten-thousandth. So to every direction in which embeddings differ a part of its own is added.
    """
    told, untold = (painter.unet.add_embedding(painter.encode(texts)) for texts in (captions, [""]))
    z_image = encoder.encode_image(pictures)
    layer = projections.clip_image_embeddings_project_to_time_embeddings
    apart = nn.Linear(layer.in_features, layer.out_features, device=z_image.device)
    even(apart, z_image, EVENLY)
    layer.weight.copy_(_least_squares(z_image, told - untold).T + apart.weight)
    projections.embedding_proj.bias.copy_(untold[0])


def _least_squares(known: Tensor, wanted: Tensor) -> Tensor:
    """(N, a), (N, b) → (a, b). Directions in which there is but rounding to be fitted are left out."""
    found = torch.linalg.lstsq(known.double().cpu(), wanted.double().cpu(), rcond=1e-4, driver="gelsd").solution
    return found.to(wanted)


def main() -> None:
    folder = Path("checkpoints/unclip")
    parser = make_parser(__doc__, batches=1500, seed=5, folder=folder, export=folder / "pocket")
    parser.add_argument("--clip", type=Path, default=ASSETS / f"{MODEL}.safetensors", help="weights of the pocket CLIP")
    parser.add_argument(
        "--base", type=Path, default=ASSETS.parent / "diffusion" / "pocket", help="the text-to-image model"
    )
    parser.add_argument("--begin", type=Path, help="a folder of a decoder, to go on from there")
    parser.add_argument("--drafting", type=float, default=DRAFTING, help="share of the batches that are but drafted")
    options = read_options(parser)
    encoder = load_encoder(options.clip, options.device)
    trainer = DecoderTrainer(
        encoder, options.base, options.batches, options.seed, options.device, options.begin, options.drafting
    )
    trainer.networks["unet"].compile()
    checkpoint = options.folder / f"decoder-{encoder.sha256[:12]}.pt"
    train(trainer, checkpoint, export=options.export, sheet=options.folder / "decoder.png")


if __name__ == "__main__":
    main()
