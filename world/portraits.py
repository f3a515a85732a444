"""Cartoon portraits whose every attribute is known: what can be asked of a face, and how often it is so.

A portrait is a `Portraits` row: one choice for each of ATTRIBUTES, one number for each of MEASURES. Both come from
normal numbers, `portraits_of(z)`, so that a generator can be told the truth about every latent. `painter.paint` draws
them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "gender": ("woman", "man"),
    "age": ("young", "old"),
    "skin": ("light", "medium", "dark"),
    "hair style": ("bald", "short", "spiky", "curly", "bun", "bob", "long"),
    "hair colour": ("black", "brown", "blonde", "red", "grey", "blue"),
    "eyes": ("brown", "blue", "green"),
    "expression": ("neutral", "smiling", "sad", "surprised", "angry"),
    "glasses": ("none", "glasses", "sunglasses"),
    "beard": ("none", "moustache", "beard"),
    "hat": ("none", "cap", "top hat"),
    "earrings": ("none", "earrings"),
    "make-up": ("none", "make-up"),
    "hat colour": ("red", "yellow", "green", "blue", "purple", "black"),
    "clothes": ("red", "yellow", "green", "blue", "purple", "black", "white"),
    "background": ("white", "grey", "pink", "blue", "green", "yellow"),
}
MEASURES = (
    "skin tone", "face width", "face length", "jaw", "ears", "eye size", "eye spacing", "eye height", "eye tilt",
    "brow thickness", "brow height", "nose width", "nose length", "mouth width", "mouth height", "lips",
    "hair tone", "background tone", "yaw", "roll", "x", "y", "scale",
)  # fmt: skip
"""All standard normal; the first 16 make a person."""
IDENTITY_MEASURES = MEASURES[:16]
IDENTITY_ATTRIBUTES = ("gender", "skin", "eyes")
"""What stays when a person changes their hair, hat, glasses, mood or age."""

NUMBERS = len(ATTRIBUTES) + len(MEASURES)
"""Normal numbers that make a portrait."""

_SHARES: dict[str, dict[str, tuple[float, ...]]] = {
    "gender": {"": (0.5, 0.5)},
    "age": {"": (0.75, 0.25)},
    "skin": {"": (0.45, 0.3, 0.25)},
    "hair style": {"woman": (0.02, 0.1, 0.05, 0.18, 0.15, 0.2, 0.3), "man": (0.17, 0.36, 0.2, 0.15, 0.02, 0.03, 0.07)},
    "hair colour": {"young": (0.25, 0.25, 0.2, 0.15, 0.05, 0.1), "old": (0.1, 0.1, 0.1, 0.05, 0.6, 0.05)},
    "eyes": {"": (0.4, 0.35, 0.25)},
    "expression": {"": (0.28, 0.3, 0.14, 0.14, 0.14)},
    "glasses": {"": (0.64, 0.23, 0.13)},
    "beard": {"woman": (1.0, 0.0, 0.0), "man": (0.5, 0.2, 0.3)},
    "hat": {"": (0.74, 0.15, 0.11)},
    "earrings": {"woman": (0.55, 0.45), "man": (0.92, 0.08)},
    "make-up": {"woman": (0.55, 0.45), "man": (0.99, 0.01)},
    "hat colour": {"": (1 / 6,) * 6},
    "clothes": {"": (1 / 7,) * 7},
    "background": {"": (1 / 6,) * 6},
}
"""Share of each choice; where two rows stand, by the gender or the age."""
_GIVEN = {"woman": ("gender", 0), "man": ("gender", 1), "young": ("age", 0), "old": ("age", 1)}


@dataclass(frozen=True)
class Portraits:
    """choices: attribute → (B,) int64, places in ATTRIBUTES. measures: name → (B,) float."""

    choices: dict[str, Tensor]
    measures: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.choices["gender"])

    def __getitem__(self, rows) -> Portraits:
        return Portraits({k: v[rows] for k, v in self.choices.items()}, {k: v[rows] for k, v in self.measures.items()})

    def to(self, device: torch.device | str) -> Portraits:
        return Portraits(*({k: v.to(device) for k, v in part.items()} for part in (self.choices, self.measures)))

    def shows(self, attribute: str, *choices: str) -> Tensor:
        """(B,) float, 1 where the attribute is one of these choices."""
        places = torch.tensor([ATTRIBUTES[attribute].index(choice) for choice in choices])
        return torch.isin(self.choices[attribute], places.to(self.choices[attribute].device)).float()

    def visible(self, attribute: str) -> Tensor:
        """(B,) bool: whether the attribute can be seen: dark lenses hide eyes, hats the hair on top; who is bald has no
        colour of hair, and no hat has no colour."""
        if attribute == "eyes":
            return self.shows("glasses", "none", "glasses").bool()
        if attribute == "hair style":
            return self.shows("hat", "none").bool()
        if attribute == "hair colour":
            return ~self.shows("hair style", "bald").bool()
        if attribute == "hat colour":
            return ~self.shows("hat", "none").bool()
        return torch.ones(len(self), dtype=torch.bool, device=self.choices[attribute].device)

    def changed(self, **choices: str) -> Portraits:
        """The same people with other choices; names with underscores for spaces: `changed(hair_style="bun")`."""
        fresh = dict(self.choices)
        for name, choice in choices.items():
            name = next(known for known in ATTRIBUTES if known.replace(" ", "_").replace("-", "_") == name)
            fresh[name] = torch.full_like(fresh[name], ATTRIBUTES[name].index(choice))
        return Portraits(fresh, self.measures)

    def vector(self) -> Tensor:
        """(B, VECTOR): all choices one-hot and all measures, each column with mean 0 and variance 1 in the world."""
        columns = [
            torch.nn.functional.one_hot(self.choices[name], len(ATTRIBUTES[name])).float() for name in ATTRIBUTES
        ]
        shares = torch.cat([_marginal(name) for name in ATTRIBUTES]).to(columns[0].device)
        hot = (torch.cat(columns, 1) - shares) / (shares * (1 - shares)).sqrt()
        return torch.cat([hot, torch.stack([self.measures[name] for name in MEASURES], 1)], 1)


VECTOR = sum(map(len, ATTRIBUTES.values())) + len(MEASURES)


def sample_portraits(count: int, generator: torch.Generator) -> Portraits:
    return portraits_of(torch.randn(count, NUMBERS, generator=generator))


def portraits_of(z: Tensor) -> Portraits:
    """(B, ≥ NUMBERS) normal numbers → the portraits they stand for: the first columns choose, the next measure."""
    level = torch.special.ndtr(z[:, : len(ATTRIBUTES)].double())
    choices: dict[str, Tensor] = {}
    for column, (name, rows) in enumerate(_SHARES.items()):
        bounds = torch.zeros(len(z), len(ATTRIBUTES[name]), dtype=torch.float64, device=z.device)
        for given, shares in rows.items():
            row = torch.tensor(shares, dtype=torch.float64, device=z.device).cumsum(0)
            if given:
                attribute, choice = _GIVEN[given]
                bounds += torch.where((choices[attribute] == choice)[:, None], row, 0)
            else:
                bounds += row
        choices[name] = (level[:, column : column + 1] >= bounds[:, :-1]).sum(1)
    measures = z[:, len(ATTRIBUTES) : NUMBERS].float().clamp(-2.2, 2.2)
    return Portraits(choices, dict(zip(MEASURES, measures.unbind(1), strict=True)))


def _marginal(name: str) -> Tensor:
    """Share of each choice of an attribute in the whole world."""
    rows = _SHARES[name]
    if "" in rows:
        return torch.tensor(rows[""])
    weights = {given: _SHARES[_GIVEN[given][0]][""][_GIVEN[given][1]] for given in rows}
    return sum(weights[given] * torch.tensor(shares) for given, shares in rows.items())
