"""Where a scene takes place: phrases for it, its sky and ground, and what else is drawn there."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["SETTINGS", "Setting", "paint_ground", "paint_weather"]

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Setting:
    """english, korean: phrases, the Korean ones before a noun. top, bottom: colours of the sky from above to below.

    ground: colour of the lower part, None for none; horizon: where it begins, from 0 (top) to 1. scenery: English names
    of concepts of which some stand in the background. weather: "", "rain", "snow", "stars", "fog", "bubbles".
    grounds: names of concepts whose pictures fill a whole square; one may take the place of all the above.
    """

    english: tuple[str, ...]
    korean: tuple[str, ...]
    top: Rgb
    bottom: Rgb
    ground: Rgb | None = None
    horizon: float = 0.7
    scenery: tuple[str, ...] = ()
    weather: str = ""
    grounds: tuple[str, ...] = ()


NIGHT, DUSK = (0.05, 0.07, 0.2), (0.12, 0.13, 0.33)
SETTINGS = {
    "night": Setting(
        ("at night", "in the night", "on a dark night", "under the stars", "by moonlight"),
        ("밤하늘 아래의", "밤의", "별빛 아래", "한밤중의"),
        NIGHT, DUSK, (0.08, 0.12, 0.16), 0.82, ("crescent moon", "full moon", "star"), "stars",
    ),
    "sunset": Setting(
        ("at sunset", "in the evening sun", "against a sunset", "at dusk", "as the sun goes down"),
        ("노을 속의", "해 질 녘의", "노을 진 하늘 아래", "저녁노을 아래의"),
        (0.42, 0.2, 0.5), (0.99, 0.6, 0.25), (0.3, 0.16, 0.2), 0.78, ("sun",),
    ),
    "storm": Setting(
        ("in a storm", "in a thunderstorm", "during a storm", "in stormy weather"),
        ("폭풍 속의", "폭풍우 치는 날의", "천둥 번개가 치는 날의"),
        (0.2, 0.22, 0.28), (0.38, 0.4, 0.46), (0.16, 0.2, 0.22), 0.85,
        ("cloud with lightning", "cloud with lightning and rain", "high voltage"), "rain",
    ),
    "rain": Setting(
        ("in the rain", "on a rainy day", "in heavy rain", "while it rains"),
        ("비 오는 날의", "빗속의", "비를 맞는"),
        (0.5, 0.55, 0.62), (0.7, 0.74, 0.78), (0.42, 0.46, 0.48), 0.84, ("cloud with rain", "cloud"), "rain",
    ),
    "snow": Setting(
        ("in the snow", "on a snowy day", "in winter", "while snow is falling"),
        ("눈 속의", "눈 오는 날의", "겨울의", "눈 내리는 날의"),
        (0.66, 0.75, 0.86), (0.88, 0.92, 0.97), (0.97, 0.98, 1.0), 0.7, ("evergreen tree", "snowflake"), "snow",
    ),
    "fog": Setting(
        ("in the fog", "in thick fog", "on a misty morning"),
        ("안개 속의", "안개 낀 아침의"),
        (0.74, 0.76, 0.78), (0.86, 0.87, 0.88), (0.68, 0.7, 0.7), 0.8, ("deciduous tree",), "fog",
    ),
    "sea": Setting(
        ("at sea", "on the sea", "on the ocean", "by the sea", "on the waves"),
        ("바다 위의", "바닷가의", "파도 위의"),
        (0.55, 0.8, 0.97), (0.82, 0.93, 0.99), (0.1, 0.42, 0.7), 0.6, ("water wave", "cloud", "sun"),
    ),
    "underwater": Setting(
        ("under water", "in the deep sea", "at the bottom of the sea", "underwater"),
        ("바닷속의", "물속의", "깊은 바다의"),
        (0.12, 0.55, 0.78), (0.02, 0.2, 0.42), (0.72, 0.64, 0.42), 0.88, ("coral", "tropical fish", "spiral shell"),
        "bubbles",
    ),
    "forest": Setting(
        ("in the forest", "in the woods", "among the trees", "in a dark forest"),
        ("숲속의", "숲에 있는", "나무들 사이의"),
        (0.6, 0.8, 0.62), (0.36, 0.58, 0.36), (0.2, 0.38, 0.18), 0.72,
        ("evergreen tree", "deciduous tree", "mushroom", "tree"),
    ),
    "city": Setting(
        ("in the city", "in town", "on a city street", "downtown"),
        ("도시의", "시내의", "도시 거리의"),
        (0.62, 0.76, 0.9), (0.86, 0.88, 0.9), (0.4, 0.41, 0.44), 0.78,
        ("office building", "house", "department store", "hotel", "bank"),
    ),
    "mountains": Setting(
        ("in the mountains", "among the hills", "on a mountain", "with mountains behind"),
        ("산속의", "산 위의", "언덕 위의"),
        (0.58, 0.78, 0.95), (0.86, 0.93, 0.97), (0.4, 0.6, 0.34), 0.75, ("mountain", "snow-capped mountain"),
        grounds=("landscape",),
    ),
    "desert": Setting(
        ("in the desert", "on the sand", "among the dunes"),
        ("사막의", "모래 위의"),
        (0.55, 0.8, 0.95), (0.98, 0.9, 0.72), (0.92, 0.76, 0.46), 0.62, ("cactus", "sun", "camel"),
    ),
    "beach": Setting(
        ("on the beach", "at the beach", "on a tropical beach"),
        ("해변의", "바닷가의", "모래사장의"),
        (0.5, 0.8, 0.98), (0.42, 0.8, 0.86), (0.96, 0.88, 0.66), 0.66, ("palm tree", "umbrella on ground", "sun"),
    ),
    "space": Setting(
        ("in space", "in outer space", "among the stars", "far out in space"),
        ("우주의", "우주 공간의", "별들 사이의"),
        (0.02, 0.02, 0.08), (0.06, 0.04, 0.16), None, 1.0, ("ringed planet", "full moon", "comet"), "stars",
        grounds=("planet", "constellation"),
    ),
    "room": Setting(
        ("in a room", "at home", "in the living room", "indoors", "in a cosy room"),
        ("방 안의", "집 안의", "거실의"),
        (0.93, 0.87, 0.76), (0.9, 0.82, 0.7), (0.62, 0.44, 0.28), 0.74, ("couch and lamp", "window", "potted plant"),
    ),
    "meadow": Setting(
        ("on the grass", "in a meadow", "in the park", "in a green field", "in the garden"),
        ("풀밭 위의", "들판의", "공원의", "정원의"),
        (0.55, 0.8, 0.98), (0.84, 0.94, 0.99), (0.42, 0.74, 0.3), 0.66, ("blossom", "cloud", "sun", "tulip"),
        grounds=("landscape",),
    ),
}  # fmt: skip


def paint_ground(setting: Setting, size: int, rng: random.Random) -> Tensor:
    """(3, size, size) in [0, 1]: sky and ground, each a little different every time."""
    shift = torch.tensor([rng.gauss(0, 0.03) for _ in range(3)])
    ramp = torch.linspace(0, 1, size)[None, :, None]
    top, bottom = (torch.tensor(colour)[:, None, None] for colour in (setting.top, setting.bottom))
    horizon = min(1.0, setting.horizon + rng.gauss(0, 0.04))
    picture = torch.lerp(top, bottom, (ramp / max(horizon, 0.1)).clamp(0, 1)).expand(3, size, size).clone()
    if setting.ground:
        wave = rng.uniform(0, 0.03) * torch.sin(torch.linspace(0, rng.uniform(3, 9), size) + rng.uniform(0, 6))
        is_ground = ((ramp - horizon + wave[None, None, :]) * size).clamp(0, 1)
        ground = torch.tensor(setting.ground)[:, None, None] * (1.06 - 0.12 * ramp)
        picture = torch.lerp(picture, ground.expand_as(picture), is_ground.expand_as(picture))
    return (picture + shift[:, None, None]).clamp(0, 1)


def paint_weather(picture: Tensor, weather: str, generator: torch.Generator) -> Tensor:
    """Rain, snow, stars, fog or bubbles over a (3, S, S) picture."""
    size = picture.shape[-1]
    if weather == "fog":
        return torch.lerp(picture, torch.full_like(picture, 0.85), 0.45)
    if not weather:
        return picture
    counts, colours = {"rain": 40, "snow": 45, "stars": 30, "bubbles": 12}, {"rain": 0.8, "stars": 1.0}
    places = torch.rand(counts[weather], 2, generator=generator)
    marks = torch.zeros(size, size)
    long = {"rain": max(2, size // 16)}.get(weather, max(1, size // 50))
    for across, down in (places * size).long().tolist():
        for step in range(long):
            row, column = down + step, across - step // 3 if weather == "rain" else across
            wide = slice(max(0, column), column + (1 if weather in ("rain", "stars") else long))
            if 0 <= row < size:
                marks[row, wide] = {"rain": 0.5, "bubbles": 0.5}.get(weather, 0.9)
    return torch.lerp(picture, torch.full_like(picture, colours.get(weather, 1.0)), marks)
