"""Draws portraits, a batch at once: each shape a soft-edged signed distance, laid over the others from back to front.

Coordinates: one unit is about the height of a head, y points down. A head has coordinates of its own (rolled, scaled
and moved with it); eyes, nose and mouth slide over it when it turns. (B, 1, 1, 1) stands for one number per portrait.
"""

from __future__ import annotations

import torch
from torch import Tensor

from world.portraits import ATTRIBUTES, Portraits
from world.styles import mix

_SKIN = {"light": (0.99, 0.85, 0.75), "medium": (0.86, 0.65, 0.48), "dark": (0.52, 0.34, 0.25)}
_HAIR = {
    "black": (0.13, 0.11, 0.13), "brown": (0.40, 0.24, 0.13), "blonde": (0.96, 0.80, 0.38), "red": (0.80, 0.30, 0.10),
    "grey": (0.74, 0.74, 0.77), "blue": (0.25, 0.45, 0.90),
}  # fmt: skip
_EYES = {"brown": (0.36, 0.20, 0.10), "blue": (0.20, 0.50, 0.90), "green": (0.20, 0.60, 0.30)}
_PAINT = {
    "red": (0.86, 0.18, 0.20), "yellow": (0.98, 0.80, 0.20), "green": (0.22, 0.62, 0.34), "blue": (0.20, 0.42, 0.82),
    "purple": (0.52, 0.28, 0.70), "black": (0.15, 0.15, 0.18), "white": (0.96, 0.96, 0.95),
}  # fmt: skip
_BACKGROUND = {
    "white": (0.96, 0.96, 0.97), "grey": (0.68, 0.70, 0.74), "pink": (0.99, 0.76, 0.83), "blue": (0.60, 0.80, 0.97),
    "green": (0.68, 0.87, 0.68), "yellow": (1.00, 0.91, 0.60),
}  # fmt: skip
_DARK = (0.16, 0.11, 0.13)
HALF, MIDDLE = 0.84, -0.06
"""Half the height that a picture shows, and which height stands in its middle."""
CHUNK = 4
"""Portraits painted at a time: so few stay in a core's cache."""


def paint(people: Portraits, size: int = 128) -> Tensor:
    """→ (B, 3, size, size) in [0, 1]."""
    rows = torch.arange(len(people)).split(CHUNK)
    return torch.cat([_Painter(people[chunk], size).painted() for chunk in rows])


class _Painter:
    def __init__(self, people: Portraits, size: int):
        self.people, self.count = people, len(people)
        self.device = people.choices["gender"].device
        self.pixel = 2 * HALF / size
        sides = (torch.arange(size, device=self.device) + 0.5) * self.pixel - HALF
        self.x, self.y = sides.view(1, 1, 1, -1), sides.view(1, 1, -1, 1) + MIDDLE
        self._place_head()

    # ------------------------------------------------------------------------------------------- what people are like

    def shows(self, attribute: str, *choices: str) -> Tensor:
        return self.people.shows(attribute, *choices).view(-1, 1, 1, 1)

    def measure(self, name: str, mean: float, spread: float) -> Tensor:
        """mean at 0, mean ± spread at ± 1 standard deviation."""
        return mean + spread * self.people.measures[name].view(-1, 1, 1, 1)

    def colour(self, attribute: str, palette: dict[str, tuple[float, float, float]], tone: Tensor | float = 0.0):
        """(B, 3, 1, 1); lighter by `tone`."""
        table = torch.tensor([palette[choice] for choice in ATTRIBUTES[attribute]], device=self.device)
        return (table[self.people.choices[attribute]].view(-1, 3, 1, 1) + tone).clamp(0, 1)

    def _place_head(self) -> None:
        angle = self.measure("roll", 0, 0.012)
        scale = self.measure("scale", 1, 0.012)
        x = self.x - self.measure("x", 0, 0.008)
        y = self.y - self.measure("y", -0.04, 0.008)
        below = y - 0.55  # the neck, about which a head rolls
        self.hx = (x * angle.cos() + below * angle.sin()) / scale
        self.hy = (below * angle.cos() - x * angle.sin()) / scale + 0.55
        self.yaw = self.measure("yaw", 0, 0.03)
        man = self.shows("gender", "man")
        self.width = self.measure("face width", 0.40, 0.022) + 0.015 * man
        self.length = self.measure("face length", 0.51, 0.025)
        self.jaw = self.measure("jaw", 0.30, 0.09) - 0.10 * man  # how much the face narrows to the chin
        self.skin = self.colour("skin", _SKIN, self.measure("skin tone", 0, 0.025))
        self.hair = self.colour("hair colour", _HAIR, self.measure("hair tone", 0, 0.03))
        self.eye_y = self.measure("eye height", 0.0, 0.02)
        self.eye_x = self.measure("eye spacing", 0.175, 0.014)
        self.mouth_y = self.measure("mouth height", 0.315, 0.016)

    # -------------------------------------------------------------------------------------------------------- shapes

    def inside(self, distance: Tensor) -> Tensor:
        """Signed distance → how much of each pixel is covered."""
        return (0.5 - distance / self.pixel).clamp(0, 1)

    def ellipse(self, x: Tensor, y: Tensor, a, b) -> Tensor:
        """Signed distance to an ellipse about (0, 0) with half axes a and b, to first order."""
        level = ((x / a) ** 2 + (y / b) ** 2).add(1e-9).sqrt()
        slope = ((x / (a * a)) ** 2 + (y / (b * b)) ** 2).add(1e-9).sqrt() / level
        return (level - 1) / slope

    def box(self, x: Tensor, y: Tensor, a, b, corner) -> Tensor:
        """Signed distance to a rectangle about (0, 0) with half sides a and b and round corners."""
        dx, dy = x.abs() - a + corner, y.abs() - b + corner
        outside = (dx.clamp_min(0) ** 2 + dy.clamp_min(0) ** 2).add(1e-9).sqrt()
        return outside + torch.maximum(dx, dy).clamp_max(0) - corner

    def bow(self, x: Tensor, y: Tensor, half, bend, thickness) -> Tensor:
        """Signed distance to a stroke along y = bend (1 − (x / half)²) for |x| < half; its ends are round."""
        along = (x / half).clamp(-1, 1)
        rise = bend * (1 - along**2)
        slope = 2 * bend * along / half
        across = (y - rise) / (1 + slope**2).sqrt()
        beyond = (x.abs() - half).clamp_min(0)
        return (across**2 + beyond**2).add(1e-9).sqrt() - thickness

    def lay(self, colour, cover: Tensor) -> None:
        if isinstance(colour, tuple):
            colour = torch.tensor(colour, device=self.device).view(1, 3, 1, 1)
        self.picture = mix(self.picture, colour.expand_as(self.picture), cover)

    # -------------------------------------------------------------------------------------------------- back to front

    def painted(self) -> Tensor:
        self._background()
        self._hair_behind()
        self._body()
        self._ears()
        self._face()
        self._age()
        self._make_up()
        self._eyes()
        self._nose()
        self._beard()
        self._mouth()
        self._hair_in_front()
        self._brows()
        self._glasses()
        self._hat()
        return self.picture.clamp(0, 1)

    def _background(self) -> None:
        ground = self.colour("background", _BACKGROUND, self.measure("background tone", 0, 0.025))
        glow = (self.x**2 + (self.y + 0.2) ** 2).sqrt()
        self.picture = (ground + 0.05 - 0.09 * glow).clamp(0, 1)

    def _outline(self, grow: float | Tensor = 0.0) -> Tensor:
        """Signed distance to the face, `grow` wider."""
        down = ((self.hy - 0.02) / self.length).clamp(0, 1.3)
        squeeze = 1 - self.jaw * down**2
        return self.ellipse(self.hx / squeeze, self.hy, self.width + grow, self.length + grow)

    def _skull(self, grow: float | Tensor) -> Tensor:
        """Signed distance to the round of the head above the ears."""
        return self.ellipse(self.hx, self.hy + 0.09, self.width + 0.03 + grow, self.length - 0.02 + grow)

    def _hair_behind(self) -> None:
        shade = self.hair * 0.72
        width = self.width + 0.10
        long = self.box(self.hx, self.hy - 0.22, width + 0.05 * (self.hy + 0.4).clamp(0, 1), 0.72, 0.42)
        bob = self.box(self.hx, self.hy - 0.0, width + 0.06 * (self.hy + 0.3).clamp(0, 1), 0.50, 0.30)
        angle = torch.atan2(self.hy + 0.12, self.hx)
        curls = self.ellipse(self.hx, self.hy + 0.13, self.width + 0.20, self.length + 0.09)
        curls = curls - 0.028 * torch.cos(11 * angle)
        self.lay(shade, self.inside(long) * self.shows("hair style", "long"))
        self.lay(shade, self.inside(bob) * self.shows("hair style", "bob"))
        self.lay(self.hair * 0.8, self.inside(curls) * self.shows("hair style", "curly"))
        bun = self.ellipse(self.hx, self.hy + 0.70, 0.17, 0.155)
        visible = self.shows("hair style", "bun") * (1 - self.shows("hat", "cap", "top hat"))
        self.lay(self.hair * 0.85, self.inside(bun) * visible)
        self.lay(self.hair * 1.12, self.inside(self.ellipse(self.hx + 0.04, self.hy + 0.74, 0.07, 0.05)) * visible)

    def _body(self) -> None:
        x = self.x - self.measure("x", 0, 0.008)
        man = self.shows("gender", "man")
        shoulders = self.box(x, self.y - 1.15, 0.62 + 0.10 * man, 0.50, 0.34)
        neck = self.box(x, self.y - 0.55, 0.13 + 0.03 * man, 0.30, 0.05)
        cloth = self.colour("clothes", _PAINT)
        self.lay(cloth, self.inside(shoulders))
        self.lay(cloth * 0.82, self.inside(shoulders) * self.inside(0.47 + 0.1 * man - x.abs()) * 0.6)
        collar = self.ellipse(x, self.y - 0.66, 0.22 + 0.03 * man, 0.17)
        self.lay(cloth * 0.7, self.inside(collar - 0.035) * self.inside(0.60 - self.y))
        self.lay(self.skin * 0.94, self.inside(collar))
        self.lay(self.skin * 0.94, self.inside(neck) * self.inside(self.y - 0.75))
        self.lay(self.skin * 0.76, self.inside(neck) * self.inside(self._outline(0.075)))

    def _ears(self) -> None:
        hidden = self.shows("hair style", "bob", "long")
        size = self.measure("ears", 0.085, 0.010)
        for side in (-1, 1):
            x = self.hx - side * (self.width + 0.012) * (1 - 0.35 * side * self.yaw)
            y = self.hy - self.eye_y - 0.05
            visible = 1 - hidden
            self.lay(self.skin * 0.92, self.inside(self.ellipse(x, y, size * 0.72, size * 1.15)) * visible)
            self.lay(self.skin * 0.78, self.inside(self.ellipse(x, y, size * 0.36, size * 0.65)) * visible)

    def _face(self) -> None:
        face = self._outline()
        self.lay(self.skin, self.inside(face))
        light = ((self.hx + 0.12) * 0.55 + self.hy * 0.35).clamp(-0.4, 0.5)
        self.lay(self.skin * 0.80, self.inside(face) * (light * 1.1).clamp(0, 0.5))
        for side in (-1, 1):
            cheek = ((self.hx - side * 0.25 - self.yaw) / 0.11) ** 2 + ((self.hy - 0.19) / 0.085) ** 2
            warm = self.skin * self.skin.new_tensor((1.02, 0.80, 0.78)).view(1, 3, 1, 1)
            self.lay(warm, self.inside(face) * (0.55 * torch.exp(-cheek)))

    def _age(self) -> None:
        old = self.shows("age", "old") * 0.62
        line = self.skin * 0.62
        for row in (0, 1, 2):
            x, y = self.hx - self.yaw * 0.8, self.hy + 0.34 - 0.062 * row
            self.lay(line, self.inside(self.bow(x, y, 0.17 - 0.02 * row, -0.02, 0.009)) * old)
        for side in (-1, 1):
            x, y = side * (self.hx - self.yaw), self.hy
            bag = self.bow(x - self.eye_x, y - self.eye_y - 0.085, 0.075, 0.028, 0.009)
            fold = self.bow((x - 0.185) + 0.35 * (y - 0.235), y - 0.235, 0.055, -0.05, 0.010)
            self.lay(line, self.inside(bag) * old)
            self.lay(line, self.inside(fold) * old)

    def _make_up(self) -> None:
        worn = self.shows("make-up", "make-up")
        for side in (-1, 1):
            x = side * (self.hx - self.yaw) - self.eye_x
            lid = self.ellipse(x - 0.012, self.hy - self.eye_y + 0.045, 0.105, 0.068)
            self.lay((0.50, 0.30, 0.74), self.inside(lid) * worn * 0.75)
            blush = ((x - 0.08) / 0.10) ** 2 + ((self.hy - 0.19) / 0.075) ** 2
            self.lay((0.96, 0.36, 0.46), self.inside(self._outline()) * worn * 0.55 * torch.exp(-blush))

    def _eyes(self) -> None:
        iris_colour = self.colour("eyes", _EYES)
        surprised, smiling = self.shows("expression", "surprised"), self.shows("expression", "smiling")
        angry = self.shows("expression", "angry")
        size = self.measure("eye size", 1, 0.09)
        tilt = self.measure("eye tilt", 0, 0.08)
        woman = self.shows("gender", "woman")
        for side in (-1, 1):
            x = side * (self.hx - self.yaw) - self.eye_x
            y = self.hy - self.eye_y + tilt * x
            height = size * (0.056 + 0.022 * surprised - 0.010 * smiling - 0.012 * angry)
            white = self.ellipse(x, y, 0.082 * size, height)
            self.lay((0.99, 0.99, 0.98), self.inside(white))
            gaze = x - side * self.yaw * 0.35
            iris = self.ellipse(gaze, y, 0.043 * size, 0.043 * size)
            within = self.inside(white)
            self.lay(iris_colour, self.inside(iris) * within)
            self.lay((0.05, 0.04, 0.05), self.inside(self.ellipse(gaze, y, 0.021 * size, 0.021 * size)) * within)
            spark = self.ellipse(side * gaze + 0.015, y + 0.016, 0.012, 0.012)
            self.lay((1.0, 1.0, 1.0), self.inside(spark) * within)
            lid = self.bow(x, y, 0.082 * size, -height, 0.010 + 0.006 * woman)
            self.lay(_DARK, self.inside(lid))
            lash = self.bow((x - 0.092 * size), y + 0.035, 0.026, -0.01 - 0.02 * woman, 0.009)
            self.lay(_DARK, self.inside(lash) * woman)

    def _nose(self) -> None:
        x, base = self.hx - self.yaw * 1.25, self.measure("nose length", 0.165, 0.018)
        width = self.measure("nose width", 0.062, 0.011)
        bridge = self.ellipse(x - 0.008, self.hy - base + 0.075, width * 0.55, 0.10)
        self.lay(self.skin * 1.08, self.inside(bridge) * 0.45)
        tip = self.ellipse(x, self.hy - base, width, 0.043)
        self.lay(self.skin * 0.90, self.inside(tip) * 0.8)
        self.lay(self.skin * 0.62, self.inside(self.bow(x, self.hy - base - 0.022, width, 0.022, 0.010)))

    def _beard(self) -> None:
        hair = self.hair * 0.92
        x = self.hx - self.yaw
        face = self.inside(self._outline(0.02))
        opening = self.ellipse(x, self.hy - 0.03, self.width * 0.86, 0.30)
        lips = self.ellipse(x, self.hy - self.mouth_y, 0.135, 0.055)
        full = face * (1 - self.inside(opening)) * self.inside(0.02 - self.hy) * (1 - self.inside(lips))
        chin = self.ellipse(x * 0.9, self.hy - self.length + 0.05, self.width * 0.66, 0.14) - 0.01
        self.lay(hair, torch.maximum(full, self.inside(chin) * (1 - self.inside(lips))) * self.shows("beard", "beard"))
        y = self.hy - self.mouth_y + 0.075
        half = self.bow(x.abs() - 0.068, y - 0.01, 0.085, -0.028, 0.030 - 0.15 * (x.abs() - 0.07).clamp(0, 0.1))
        self.lay(hair, self.inside(half) * self.shows("beard", "moustache", "beard"))

    def _mouth(self) -> None:
        x, y = self.hx - self.yaw * 1.05, self.hy - self.mouth_y
        half = self.measure("mouth width", 0.125, 0.011)
        lips = self.measure("lips", 0.018, 0.004)
        made_up = self.shows("make-up", "make-up")
        natural = self.skin * self.skin.new_tensor((0.80, 0.52, 0.50)).view(1, 3, 1, 1)
        colour = mix(natural, natural.new_tensor((0.82, 0.06, 0.16)).view(1, 3, 1, 1), made_up)
        thick = lips + 0.010 * made_up
        for expression, bend in (("neutral", 0.004), ("sad", -0.062), ("angry", -0.028)):
            offset = bend * 0.5
            self.lay(
                colour, self.inside(self.bow(x, y + offset, half, bend, thick)) * self.shows("expression", expression)
            )
        grin = torch.maximum(self.ellipse(x, y + 0.035, half + 0.03, 0.112), -(y + 0.030))
        smiling = self.shows("expression", "smiling")
        self.lay(colour, self.inside(grin - thick * 0.55) * smiling)
        self.lay((0.52, 0.10, 0.13), self.inside(grin) * smiling)
        self.lay((0.99, 0.99, 0.98), self.inside(grin) * self.inside(y + 0.030 - 0.042) * smiling)
        surprised = self.shows("expression", "surprised")
        ring = self.ellipse(x, y - 0.012, 0.055, 0.070)
        self.lay(colour, self.inside(ring - thick * 0.9) * surprised)
        self.lay((0.36, 0.07, 0.10), self.inside(ring) * surprised)

    def _under_hat(self) -> Tensor:
        """1 where hair of the crown may show: everywhere, or below the rim of a hat."""
        worn = self.shows("hat", "cap", "top hat")
        return 1 - worn * self.inside(self.hy + 0.30)

    def _hair_in_front(self) -> None:
        crown = self._under_hat()
        gloss = torch.exp(-(((self.hy + 0.42 + 0.25 * self.hx**2) / 0.035) ** 2)) * 0.16

        def lay(style: str, distance: Tensor) -> None:
            self.lay((self.hair + gloss).clamp(0, 1), self.inside(distance) * crown * self.shows("hair style", style))

        face_line = self.hy + 0.30
        parted = face_line - 0.16 * (self.hx + 0.16).clamp(0, 1) - 0.42 * (-(self.hx + 0.16)).clamp(0, 1)
        lay("short", torch.maximum(self._skull(0.012), torch.minimum(parted + 0.03, self._temples(0.0))))
        angle = torch.atan2(self.hy + 0.1, self.hx)
        wave = (angle * 10 / torch.pi) % 1.0
        spikes = self._skull(0.02) - 0.15 * (1 - (2 * wave - 1).abs()) * (-self.hy - 0.15).clamp(0, 0.35) / 0.35
        zigzag = face_line - 0.05 * ((self.hx * 9) % 1.0 - 0.5).abs() * 2 + 0.03
        lay("spiky", torch.maximum(spikes, torch.minimum(zigzag, self._temples(0.06))))
        curls = self._skull(0.055) - 0.022 * torch.cos(12 * angle)
        lay("curly", torch.maximum(curls, face_line + 0.02 - 0.028 * torch.cos(26 * self.hx)))
        lay("bun", torch.maximum(self._skull(0.012), face_line + 0.06 - 0.75 * self.hx**2))
        fringe = torch.minimum(face_line - 0.075 + 0.25 * self.hx**2, self._temples(-0.34))
        lay("bob", torch.maximum(self._skull(0.05), fringe))
        curtain = face_line + 0.10 - 1.5 * (self.hx - 0.05) ** 2
        lay("long", torch.maximum(self._skull(0.04), torch.minimum(curtain, self._temples(-0.42))))

    def _temples(self, end: float) -> Tensor:
        """Signed distance to the strips before the ears, down to y = −end."""
        return torch.maximum(self.width - 0.045 - self.hx.abs() - 0.08 * self.hy.clamp(-0.5, 0.3), self.hy + end)

    def _brows(self) -> None:
        thick = self.measure("brow thickness", 0.017, 0.0035) + 0.005 * self.shows("gender", "man")
        angry, sad = self.shows("expression", "angry"), self.shows("expression", "sad")
        surprised = self.shows("expression", "surprised")
        height = self.measure("brow height", 0.125, 0.010) + 0.055 * surprised - 0.030 * angry
        colour = mix(self.hair * 0.75, torch.full_like(self.hair, 0.25), self.shows("hair colour", "blue") * 0.7)
        for side in (-1, 1):
            x = side * (self.hx - self.yaw) - self.eye_x - 0.005
            slope = 0.42 * angry - 0.36 * sad
            y = self.hy - self.eye_y + height + slope * x
            self.lay(colour, self.inside(self.bow(x, y, 0.085, -0.022 - 0.02 * surprised, thick)) * 0.95)

    def _glasses(self) -> None:
        clear, shaded = self.shows("glasses", "glasses"), self.shows("glasses", "sunglasses")
        for side in (-1, 1):
            x = side * (self.hx - self.yaw) - self.eye_x - 0.005
            y = self.hy - self.eye_y - 0.012
            lens = self.box(x, y, 0.135, 0.112, 0.085)
            self.lay((0.93, 0.97, 1.0), self.inside(lens) * clear * 0.22)
            self.lay((0.06, 0.06, 0.09), self.inside(lens) * shaded * 0.96)
            shine = self.box(side * x + y * 0.8 + 0.03, y, 0.018, 0.075, 0.01)
            self.lay((1.0, 1.0, 1.0), self.inside(lens) * self.inside(shine) * shaded * 0.45)
            rim = self.inside(lens.abs() - 0.015)
            self.lay((0.12, 0.10, 0.12), rim * torch.maximum(clear, shaded))
            arm = self.box(x - 0.19, y + 0.02, 0.06, 0.012, 0.01)
            self.lay((0.12, 0.10, 0.12), self.inside(arm) * torch.maximum(clear, shaded))
        bridge = self.bow(self.hx - self.yaw, self.hy - self.eye_y + 0.015, self.eye_x - 0.125, -0.02, 0.013)
        self.lay((0.12, 0.10, 0.12), self.inside(bridge) * torch.maximum(clear, shaded))

    def _hat(self) -> None:
        colour = self.colour("hat colour", _PAINT)
        cap, tall = self.shows("hat", "cap"), self.shows("hat", "top hat")
        dome = torch.maximum(self._skull(0.055), self.hy + 0.26)
        self.lay(colour, self.inside(dome) * cap)
        self.lay(colour * 0.82, self.inside(dome) * self.inside(self.hx.abs() - 0.012) * cap)
        peak = self.bow(self.hx - self.yaw * 2.2, self.hy + 0.255, 0.40, -0.055, 0.042)
        self.lay(colour * 0.74, self.inside(peak) * cap)
        crown = self.box(self.hx, self.hy + 0.55, 0.34 - 0.10 * (self.hy + 0.55), 0.29, 0.05)
        self.lay(colour, self.inside(crown) * tall)
        band = self.inside(crown) * self.inside((self.hy + 0.375).abs() - 0.045)
        self.lay(mix(colour * 0.45, torch.full_like(colour, 0.85), self.shows("hat colour", "black")), band * tall)
        brim = self.bow(self.hx, self.hy + 0.305, 0.56, 0.018, 0.036)
        self.lay(colour * 0.86, self.inside(brim) * tall)
        self._earrings()

    def _earrings(self) -> None:
        worn = self.shows("earrings", "earrings")
        for side in (-1, 1):
            x = self.hx - side * (self.width + 0.035) * (1 - 0.35 * side * self.yaw)
            y = self.hy - self.eye_y - 0.195
            hoop = self.ellipse(x, y, 0.042, 0.052).abs() - 0.014
            self.lay((1.0, 0.80, 0.15), self.inside(hoop) * worn)
            self.lay((0.99, 0.97, 0.75), self.inside(self.ellipse(x + 0.02, y + 0.03, 0.012, 0.012)) * worn)
