"""Second stage of the pocket CLIP: `python -m training.clip_energy` teaches it to give no credit for its own scribbles.

CLIP-JEM (arXiv 2408.17046) trains a tower to score a real picture above a negative that was optimised, by the tower's
own gradient, to match the same caption. Here the negatives are what this studio draws: stroke scenes, improved by a few
steps of a small CLIPDraw each time they are used and begun anew when they are old. The tower so learns exactly where
strokes cheat; and as half of the real pictures beside them are stroke copies too, it cannot tell them by their medium.

Per batch, with t the texts (names or captions) and all similarities cosines:
- pictures → names over all names (English and Korean), and pictures ↔ t within the batch;
- t → pictures with further negatives: the tower's drawings of the same names, disguised twins (another hue, grey or
  lines: named rightly, but liked less than the true colours) and patch-shuffled twins (the right colours in no shape);
- softplus(20 (negative − picture) + 2) for each of these pairs;
- portraits → the phrases for each of their attributes ("a face with glasses", "a face without glasses");
- one adversarial pass, L∞ or L2 by lot. Not for portraits: perturbations as large as that hide a smile, and a picture
  that a generator makes cannot be perturbed at will.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engines.clip._open_clip import open_clip
from engines.clip.augment import apply_views, random_views
from engines.clip.guidance import SCALE, certainties
from engines.images import as_sheet
from engines.vector import composite, rasterize
from evaluation.retrieval import MEAN, STD, name_embeddings
from evaluation.weights import load_weights
from training.clip import ASSETS, MODEL, ascend, evaluate, shuffle_patches
from training.loop import Resumable, descend, make_parser, read_options, train
from training.portrait_pool import PortraitPool
from training.schedule import learning_rate
from training.weights import save_weights, update_average
from world.captions import caption, styled
from world.emoji import make_composer
from world.portrait_captions import ASKED, Saying, attribute_phrases, describe
from world.portraits import Portraits
from world.scenes import compose_scenes
from world.strokes import POINTS, StrokeCopies, scenes_of, stroke_template
from world.styles import STYLES, apply_styles
from world.subjects import load_subjects

BATCH, DRAWN = 96, 40
"""Pictures of one subject in a batch, and how many of them also have a drawing."""
STYLED, SCENES, PORTRAITS, WORDED = 12, 12, 96, 0.3
"""Further pictures, known by their captions alone: two styles each of some subjects, scenes of several things, and
portraits; and what each counts beside a picture of one subject. Drawings grow worse when they count in full."""
RESTYLED, PAINTINGS = 12, 8000
"""How many of the portraits are repainted in a style, and how many there are to choose from."""
ASKED_WEIGHT = 3.0
"""Weight of telling a portrait's attributes."""
HARD = {"expression": 4.0, "age": 4.0, "make-up": 2.0, "hair style": 2.0}
"""What shows in few pixels but is much asked for counts so many times."""
TWINS, SHUFFLED = 24, 16
"""How many of them also stand there disguised, and with their patches in disorder."""
RECOGNISED = 0.6
"""Weight of naming what is disguised or styled."""
COPIED = 0.5
"""Share of the drawn subjects whose real picture is a stroke copy."""
POOL = 160
"""Drawings under way; each is used in every fourth batch."""
DRAW_STEPS, VISITS = 4, 40
"""Steps of a drawing per visit, and visits until it is begun anew under another name."""
STROKES, CANVAS = 40, 80.0
RATES = {"points": 0.7, "widths": 0.1, "colors": 0.06}
PEAK_LR, TEXT_SHARE, WEIGHT_DECAY, EMA = 4e-4, 0.25, 0.02, 0.998
SCALE_UP = 40.0
"""Inverse temperature of the training's own softmaxes."""
REFRESH = 25
"""Batches after which the names are encoded anew; the text tower moves slowly."""


class Drawings:
    """A pool of small CLIPDraw runs. Parameters and Adam moments are dense: (POOL, STROKES, …)."""

    def __init__(self, subjects: int, generator: torch.Generator, device: str = "cpu"):
        self.subjects, self.generator, self.device = subjects, generator, device
        shapes = {"points": (STROKES, POINTS, 2), "widths": (STROKES,), "colors": (STROKES, 4)}
        self.values = {name: torch.zeros(POOL, *shape, device=device) for name, shape in shapes.items()}
        self.first = {name: torch.zeros_like(value) for name, value in self.values.items()}
        self.second = {name: torch.zeros_like(value) for name, value in self.values.items()}
        self.age = torch.zeros(POOL, device=device)
        self.names = torch.zeros(POOL, dtype=torch.long)
        self.template = stroke_template(STROKES, CANVAS).to(device)
        for slot in range(POOL):
            self._begin(slot)

    def _begin(self, slot: int) -> None:
        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=self.generator)

        steps = (uniform(STROKES, POINTS - 1, 2) - 0.5) * 0.14 * CANVAS
        start = uniform(STROKES, 1, 2) * CANVAS
        self.values["points"][slot] = torch.cat([start, start + steps.cumsum(1)], dim=1).to(self.device)
        self.values["widths"][slot] = (0.8 + 1.6 * uniform(STROKES)).to(self.device)
        self.values["colors"][slot] = uniform(STROKES, 4).to(self.device)
        for moments in (self.first, self.second):
            for tensor in moments.values():
                tensor[slot] = 0
        self.age[slot] = 0
        self.names[slot] = torch.randint(self.subjects, (1,), generator=self.generator)

    def draw(self, slots: Tensor, values: dict[str, Tensor]) -> Tensor:
        """(slots, 3, 64, 64): one random view of each, half on white, the rest on any colour."""
        views = random_views(len(slots), self.generator, distortion=0.5, scale=(0.7, 1.5))
        rgba = apply_views(rasterize(scenes_of(self.template, values)), views, 64)
        ground = torch.rand(len(slots), 3, generator=self.generator)
        ground[torch.rand(len(slots), generator=self.generator) < 0.5] = 1
        return rgba[:, :3] + (1 - rgba[:, 3:]) * ground[:, :, None, None].to(self.device)

    def improve(self, slots: Tensor, encode, wanted: Tensor, names: Tensor) -> None:
        """A few Adam steps towards the names, by the objective of the engine."""
        for _ in range(DRAW_STEPS):
            values = {name: value[slots].requires_grad_(True) for name, value in self.values.items()}
            features = encode(self.draw(slots, values))
            cosine = (features * wanted).sum(1)
            certainty = certainties(features, wanted, names).diagonal()
            (-(cosine + certainty).sum()).backward()
            self.age[slots] += 1
            for name, value in values.items():
                self._adam(name, slots, value.grad)

    @torch.no_grad()
    def _adam(self, name: str, slots: Tensor, gradient: Tensor) -> None:
        age = self.age[slots].view(-1, *[1] * (gradient.ndim - 1))
        first = self.first[name][slots] * 0.9 + gradient * 0.1
        second = self.second[name][slots] * 0.99 + gradient.square() * 0.01
        self.first[name][slots], self.second[name][slots] = first, second
        move = (first / (1 - 0.9**age)) / ((second / (1 - 0.99**age)).sqrt() + 1e-8)
        value = self.values[name][slots] - RATES[name] * move
        limits = {"points": (-20, CANVAS + 20), "widths": (0.3, 6.0), "colors": (0, 1)}[name]
        self.values[name][slots] = value.clamp(*limits)

    def renew(self, slots: Tensor) -> None:
        for slot in slots.tolist():
            if self.age[slot] >= DRAW_STEPS * VISITS or torch.rand((), generator=self.generator) < 0.02:
                self._begin(slot)

    @torch.no_grad()
    def sheet(self, rows: int = 5, columns: int = 8) -> Image.Image:
        """The first of them on white, to see how the tower draws."""
        values = {name: value[: rows * columns] for name, value in self.values.items()}
        pictures = composite(rasterize(scenes_of(self.template, values)), (1, 1, 1)).clamp(0, 1)
        return Image.fromarray(as_sheet(pictures, columns))

    def state_dict(self) -> dict:
        return {"values": self.values, "first": self.first, "second": self.second, "age": self.age, "names": self.names}

    def load_state_dict(self, state: dict) -> None:
        self.values, self.first, self.second = state["values"], state["first"], state["second"]
        self.age, self.names = state["age"], state["names"].cpu()


class EnergyTrainer(Resumable):
    kept = ("model", "average", "optimizer", "drawings")

    def __init__(self, batches: int, seed: int, start: Path, copies: Path, device: str, peak_rate: float = PEAK_LR):
        super().__init__(batches, seed, device)
        self.peak_rate = peak_rate
        self.subjects = load_subjects()
        self.composer = make_composer(self.subjects)
        self.copies = StrokeCopies.cached(self.composer.atlas, copies)
        open_clip.add_model_config(ASSETS / f"{MODEL}.json")
        self.model = open_clip.create_model(MODEL)
        self.model.load_state_dict(load_weights(start))
        self.model.to(device).visual.to(memory_format=torch.channels_last)
        self.tokenizer = open_clip.get_tokenizer(MODEL, bpe_path=str(ASSETS / "bpe.txt.gz"))
        self.average = deepcopy(self.model).eval()
        visual = list(self.model.visual.parameters())
        text = [parameter for name, parameter in self.model.named_parameters() if not name.startswith("visual.")]
        self.optimizer = torch.optim.AdamW(
            [{"params": visual, "share": 1.0}, {"params": text, "share": TEXT_SHARE}],
            lr=peak_rate, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98), fused=True,
        )  # fmt: skip
        self.generator = torch.Generator().manual_seed(seed)
        self.drawings = Drawings(len(self.subjects), self.generator, device)
        self.gallery = PortraitPool(PAINTINGS, self.composer.size, torch.Generator().manual_seed(seed))

    def step(self) -> dict[str, float]:
        _, self.rng = self.chances()
        if self.batch % REFRESH == 0:
            self.names = name_embeddings(self.model.eval(), self.tokenizer, self.subjects, self.device)
        slots = torch.arange(DRAWN) + DRAWN * (self.batch % (POOL // DRAWN))
        own = self.drawings.names[slots]
        others = torch.randperm(len(self.subjects), generator=self.generator)
        index = torch.cat([own, others[~torch.isin(others, own)][: BATCH - DRAWN]])

        self.model.eval().requires_grad_(False)
        self.drawings.improve(slots, self._encode, self.names[0, own.to(self.device)], self.names[0])
        with torch.no_grad():
            values = {name: value[slots] for name, value in self.drawings.values.items()}
            cheats = self.drawings.draw(slots, values)
        self.model.train().requires_grad_(True)

        pictures, twins = self._pictures(index)
        shuffled = shuffle_patches(pictures[-SHUFFLED:], self.generator)
        worded, captions, styled_index = self._worded()
        people, portraits, sayings = self._portraits()
        pictures = pictures.to(self.device).requires_grad_(True)
        others = [x.to(self.device) for x in (portraits, worded, twins, shuffled)]
        features = self._encode(torch.cat([pictures, *others, cheats]))
        names = [caption(self.subjects[i], self.rng) for i in index.tolist()]
        text = self._texts(names + [saying.text for saying in sayings] + captions)
        # of which picture each column is a false likeness: the middle's twins, the last ones shuffled, the first drawn
        rows = torch.arange(BATCH + PORTRAITS + STYLED + SCENES)
        twinned = slice(DRAWN, DRAWN + TWINS)
        source = torch.cat([rows, rows[twinned], rows[BATCH - SHUFFLED : BATCH], rows[:DRAWN]]).to(self.device)
        matching, energy = self._matching(features, text, source, self._also_true(people, sayings, len(source)))
        groups = [BATCH, PORTRAITS, STYLED, SCENES, TWINS, SHUFFLED, DRAWN]
        real, faces, restyled, _, disguised, _, _ = features.split(groups)
        asked, told = self._asking(faces, people)
        # whose name says a colour is not recognised in another
        free = self.composer.recolourable[index[twinned]]
        index = index.to(self.device)
        naming, accuracy = self._naming(real, index)
        disguises = torch.cat([disguised[free.to(self.device)], restyled])
        recognised, _ = self._naming(disguises, torch.cat([index[twinned][free], styled_index.to(self.device)]))
        self._descend(naming + RECOGNISED * recognised + matching + energy + ASKED_WEIGHT * asked)

        perturbed = (pictures.detach() + self._perturbation(pictures)).clamp(0, 1)
        attacked, robust_accuracy = self._naming(self._encode(perturbed), index)
        self._descend(attacked)
        self.drawings.renew(slots)
        self.batch += 1
        by_own = (features * text[source]).sum(1).detach().split(groups)
        named = zip(("real", "portrait", "styled", "scene", "twin", "shuffled", "drawn"), by_own, strict=True)
        return {
            "asked": asked.item(), "told": told,
            "naming": naming.item(), "attacked": attacked.item(), "matching": matching.item(), "energy": energy.item(),
            "accuracy": accuracy, "robust": robust_accuracy, **{name: values.mean().item() for name, values in named},
        }  # fmt: skip

    def _pictures(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The batch, partly stroke copies in its first DRAWN places, and disguised twins of the TWINS after them."""
        sprites = self.composer.atlas[index[:DRAWN]]
        copied = torch.randperm(DRAWN, generator=self.generator)[: round(COPIED * DRAWN)]
        sprites[copied] = self.copies(index[copied], self.generator)
        drawn = self.composer(index[:DRAWN], self.generator, guises=False, sprites=sprites)
        plain, twins = self.composer.twins(index[DRAWN : DRAWN + TWINS], self.generator)
        mixed = self.composer(index[DRAWN + TWINS :], self.generator)
        return torch.cat([drawn, plain, mixed]), twins

    def _worded(self) -> tuple[Tensor, list[str], Tensor]:
        """Styled pictures, then scenes; their captions; and the subjects of the styled ones."""
        index = torch.randperm(len(self.subjects), generator=self.generator)[: STYLED // 2].repeat(2)
        styles = torch.randperm(len(STYLES), generator=self.generator)[:STYLED]
        painted = apply_styles(self.composer(index, self.generator, guises=False), styles, self.generator)
        pairs = zip(index.tolist(), styles.tolist(), strict=True)
        captions = [caption(self.subjects[i], self.rng, STYLES[style]) for i, style in pairs]
        scenes, sayings, _ = compose_scenes(SCENES, self.composer.atlas, self.subjects, self.generator, self.rng)
        return torch.cat([painted, scenes]), captions + sayings, index

    def _portraits(self) -> tuple[Portraits, Tensor, list[Saying]]:
        """Portraits, the first of them repainted in a style, and what is said of them."""
        people, pictures = self.gallery.draw(PORTRAITS, 0, self.generator)
        styles = torch.full((PORTRAITS,), -1)
        styles[:RESTYLED] = torch.randperm(len(STYLES), generator=self.generator)[:RESTYLED]
        pictures = apply_styles(pictures, styles, self.generator)
        sayings = [describe(people[i : i + 1], self.rng) for i in range(PORTRAITS)]
        for i in range(RESTYLED):
            sayings[i] = replace(sayings[i], text=styled(sayings[i].text, STYLES[int(styles[i])], self.rng))
        return people, pictures, sayings

    def _also_true(self, people: Portraits, sayings: list[Saying], columns: int) -> Tensor:
        """(texts, columns) bool: which captions of one portrait are also true of another."""
        also = torch.zeros(BATCH + PORTRAITS + STYLED + SCENES, columns, dtype=torch.bool)
        faces = slice(BATCH, BATCH + PORTRAITS)
        also[faces, faces] = torch.stack([saying.fits(people) for saying in sayings])
        return also.fill_diagonal_(False).to(self.device)

    def _asking(self, faces: Tensor, people: Portraits) -> tuple[Tensor, float]:
        """Mean loss over ASKED, weighed, and the share of right answers; what is hidden is not asked."""
        phrases = [attribute_phrases(name, self.rng) for name in ASKED]
        text = self._texts([text for texts in phrases for text in texts]).split([len(texts) for texts in phrases])
        losses, right = [], []
        for name, embeddings in zip(ASKED, text, strict=True):
            shown = people.visible(name)
            target = people.choices[name][shown].to(self.device)
            scores = SCALE_UP * faces[shown.to(self.device)] @ embeddings.T
            losses.append(HARD.get(name, 1.0) * F.cross_entropy(scores, target))
            right.append((scores.argmax(1) == target).float().mean())
        return torch.stack(losses).mean(), torch.stack(right).mean().item()

    def _texts(self, captions: list[str]) -> Tensor:
        with torch.autocast(self.device, torch.bfloat16):
            text = self.model.encode_text(self.tokenizer(captions).to(self.device))
        return F.normalize(text.float(), dim=-1)

    def _matching(self, features: Tensor, text: Tensor, source: Tensor, also: Tensor) -> tuple[Tensor, Tensor]:
        """Contrast within the batch both ways, and the energy term. Columns of `features` are the pictures, then the
        further negatives; `source` says of which picture each is a false likeness, `also` what is no contrast."""
        similarity = (text @ features.T).masked_fill(also, -1.0)
        rows = torch.arange(len(text), device=self.device)
        counts = torch.where(rows < BATCH, 1.0, WORDED) / BATCH
        to_text = F.cross_entropy(SCALE_UP * similarity[:, : len(text)].T, rows, reduction="none")
        to_picture = F.cross_entropy(SCALE_UP * similarity, rows, reduction="none")
        own = similarity[source, torch.arange(len(source), device=self.device)]
        gap = own[len(text) :] - own[source[len(text) :]]
        return (counts * (to_text + to_picture)).sum(), F.softplus(SCALE * gap + 2).mean()

    def _encode(self, pictures: Tensor) -> Tensor:
        mean, std = (x.to(self.device).view(1, 3, 1, 1) for x in (MEAN, STD))
        normalized = (pictures - mean) / std
        with torch.autocast(self.device, torch.bfloat16):
            features = self.model.visual(normalized.contiguous(memory_format=torch.channels_last))
        return F.normalize(features.float(), dim=-1)

    def _naming(self, features: Tensor, index: Tensor) -> tuple[Tensor, float]:
        scores = SCALE_UP * torch.einsum("bd,lnd->lbn", features, self.names)
        loss = (F.cross_entropy(scores[0], index) + F.cross_entropy(scores[1], index)) / 2
        return loss, (scores[0].argmax(1) == index).float().mean().item()

    def _perturbation(self, pictures: Tensor) -> Tensor:
        share = torch.rand(len(pictures), 1, 1, 1, generator=self.generator) * 0.7 + 0.3
        uses_linf = torch.rand(len(pictures), 1, 1, 1, generator=self.generator) < 0.5
        return ascend(torch.zeros_like(pictures), pictures.grad, share.to(self.device), uses_linf.to(self.device))

    def _descend(self, loss: Tensor) -> None:
        rate = learning_rate(self.peak_rate, self.batch / self.batches, warm_up=0.03, first=0.01, last=0.01)
        descend(loss, self.optimizer, rate, self.model)
        update_average(self.average, self.model, EMA)

    def export(self, path: Path) -> None:
        """The averaged model as fp16."""
        save_weights(self.average, path)

    def sheet(self) -> Image.Image:
        """How the tower draws."""
        return self.drawings.sheet()

    def state_dict(self) -> dict:
        return super().state_dict() | {"names": self.names, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.generator.set_state(state["generator"].cpu())
        self.names = state["names"]


def main() -> None:
    folder = Path("checkpoints/clip")
    parser = make_parser(__doc__, batches=4000, seed=2, folder=folder, export=folder / "energy.safetensors")
    parser.add_argument("--peak-rate", type=float, default=PEAK_LR, help="learning rate after the warm-up")
    parser.add_argument("--start", type=Path, default=ASSETS / f"{MODEL}.safetensors", help="weights to begin from")
    options = read_options(parser)
    copies = options.folder / "stroke_copies.pt"
    trainer = EnergyTrainer(options.batches, options.seed, options.start, copies, options.device, options.peak_rate)
    train(trainer, options.folder / "energy.pt", export=options.export, sheet=options.folder / "drawings.png")
    print(json.dumps({"batch": trainer.batch, **evaluate(trainer)}), flush=True)


if __name__ == "__main__":
    main()
