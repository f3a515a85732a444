"""Random SVG documents over what the reader supports, and resvg's picture of a document as a second opinion."""

import io
import math
import random

import numpy as np
import resvg_py
from PIL import Image

from engines.vector import composite, rasterize

SIDE = 160  # px of compared pictures
NAMES = ["tomato", "teal", "navy", "gold", "orchid", "black", "silver"]


class Generator:
    """One document of 100 × 100 units per seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.count = 0

    def document(self):
        body = "".join(self.element(0) for _ in range(self.random.randint(2, 5)))
        classes = "".join(f".c{k} {{ {self.paint_css()} }}" for k in range(3))
        sheet = f"<style>{classes} g > .c0 {{ fill-rule: evenodd }} rect.c1, #none {{ opacity: 0.8 }}</style>"
        box = self.pick(["0 0 100 100", "-5 -5 110 110", "0 0 100 80"])
        size = self.pick(
            ["", 'width="100" height="100"', 'width="80" height="100" preserveAspectRatio="xMinYMax meet"']
        )
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" {size}>{sheet}{body}</svg>'

    def element(self, depth):
        kinds = ["shape"] * 5 + (["group", "use", "nested", "clip", "symbol"] if depth < 3 else [])
        return getattr(self, self.pick(kinds))(depth)

    def group(self, depth):
        inside = "".join(self.element(depth + 1) for _ in range(self.random.randint(1, 3)))
        opacity = self.pick(["", "", f'opacity="{self.random.uniform(0.3, 0.9):.2f}"'])
        return f"<g {self.transform()} {opacity} {self.paint_attributes()}>{inside}</g>"

    def use(self, depth):
        name = self.name()
        target = self.shape(depth, f'id="{name}"')
        return f'<defs>{target}</defs><use href="#{name}" x="{self.at(20)}" y="{self.at(20)}" {self.transform()}/>'

    def symbol(self, depth):
        name = self.name()
        inside = "".join(self.shape(depth) for _ in range(2)).replace('%"', '"')  # resvg takes 100% of <use> here
        ratio = self.pick(["", 'preserveAspectRatio="none"', 'preserveAspectRatio="xMinYMax slice"'])
        size = f'width="{self.at(60, 20)}" height="{self.at(60, 20)}"'
        return (
            f'<symbol id="{name}" viewBox="0 0 90 100" {ratio}>{inside}</symbol>'
            f'<use href="#{name}" x="{self.at(30)}" y="{self.at(30)}" {size}/>'
        )

    def nested(self, depth):
        inside = "".join(self.element(depth + 1) for _ in range(2))
        place = f'x="{self.at(40)}" y="{self.at(40)}" width="{self.at(60, 20)}" height="{self.at(60, 20)}"'
        return f"<svg {place} {self.pick(['', 'viewBox=' + chr(34) + '0 0 100 90' + chr(34)])}>{inside}</svg>"

    def clip(self, depth):
        name = self.name()
        shapes = "".join(self.shape(depth) for _ in range(self.random.randint(1, 2)))
        rule = self.pick(["", 'clip-rule="evenodd"'])
        inside = "".join(self.element(depth + 1) for _ in range(2))
        return f'<clipPath id="{name}" {rule}>{shapes}</clipPath><g clip-path="url(#{name})">{inside}</g>'

    def shape(self, depth, attributes=""):
        a, b, c, d = (self.at(60, 10) for _ in range(4))
        shapes = [
            f'<rect x="{a}" y="{b}" width="{c}" height="{d}"',
            f'<rect x="{a}" y="{b}" width="{c}%" height="{d}" rx="{self.at(10)}"',
            f'<circle cx="{a}" cy="{b}" r="{self.at(30, 5)}"',
            f'<ellipse cx="{a}" cy="{b}" rx="{self.at(30, 5)}" ry="{self.at(30, 5)}"',
            f'<line x1="{a}" y1="{b}" x2="{c}" y2="{d}"',
            f'<polyline points="{self.points()}"',
            f'<polygon points="{self.points()}"',
            f'<path d="{self.path()}"',
            f'<path d="{self.path()}"',
        ]
        return f"{self.pick(shapes)} {attributes} {self.paint_attributes()} {self.transform()}/>"

    def path(self):
        parts = [f"M{self.at(90)} {self.at(90)}"]
        for _ in range(self.random.randint(2, 6)):
            command = self.pick("LlHhVvCcSsQqTtAaMmz")
            low, high = (-30, 40) if command.islower() else (5, 95)
            if command in "Aa":
                radii = f"{self.at(30, 5)} {self.at(30, 5)} {self.random.randint(0, 90)}"
                flags = self.pick("01") + self.pick("01")
                values = f"{radii} {flags}{self.between(low, high)},{self.between(low, high)}"
            else:
                count = {"H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "Z": 0}.get(command.upper(), 2)
                values = " ".join(self.between(low, high) for _ in range(count))
            parts.append(command + values)
        return "".join(parts)

    def points(self):
        return " ".join(f"{self.at(90)},{self.at(90)}" for _ in range(self.random.randint(3, 6)))

    def transform(self):
        uniform = ["", "", f"translate({self.at(15)} {self.at(15)})", f"rotate({self.random.randint(-40, 40)} 50 50)"]
        uniform += [
            f"scale({self.random.uniform(0.6, 1.2):.2f})",
            "matrix(.8 .3 -.3 .8 10 0)",
            "translate(90) scale(-1 1)",
        ]
        uneven = ["scale(.6 1.3)", "skewX(20)", "matrix(1.2 .3 .1 .7 0 5)"]
        chosen = self.pick([*uniform, *uniform, *uneven])
        return f'transform="{chosen}"' if chosen else ""

    def paint_attributes(self):
        chosen = self.pick(
            ["", f'class="c{self.random.randint(0, 2)}"', f'style="{self.paint_css()}"', "plain", "plain"]
        )
        if chosen != "plain":
            return chosen
        return " ".join(f'{name}="{value}"' for name, value in self.paint())

    def paint_css(self):
        return ";".join(f"{name}: {value}" for name, value in self.paint())

    def paint(self):
        pairs = [
            ("fill", self.pick([self.color(), self.color(), "none"])),
            ("fill-rule", self.pick(["nonzero", "evenodd"])),
        ]
        if self.random.random() < 0.6:
            pairs += [("stroke", self.color()), ("stroke-width", f"{self.random.uniform(1, 8):.1f}")]
            pairs += [("stroke-linecap", "round"), ("stroke-linejoin", "round")]
        if self.random.random() < 0.3:
            pairs.append((self.pick(["fill-opacity", "stroke-opacity"]), f"{self.random.uniform(0.3, 1):.2f}"))
        return pairs

    def color(self):
        r, g, b = (self.random.randint(0, 255) for _ in range(3))
        written = [f"#{r:02x}{g:02x}{b:02x}", f"rgb({r},{g},{b})", f"hsl({r},60%,45%)", self.pick(NAMES)]
        return self.pick([*written, f"rgba({r},{g},{b},0.7)"])

    def at(self, most, least=0):
        return self.between(least, most)

    def between(self, low, high):
        return f"{self.random.uniform(low, high):.1f}"

    def name(self):
        self.count += 1
        return f"n{self.count}"

    def pick(self, choices):
        return self.random.choice(choices)


def picture(scene):
    """(H, W, 3) in [0, 1] on white, by the reference rasteriser."""
    factor = SIDE / max(scene.width, scene.height)
    size = (round(scene.height * factor), round(scene.width * factor))
    rgba = rasterize(scene, size, backend="torch")
    return composite(rgba, (1, 1, 1)).clamp(0, 1).permute(1, 2, 0).numpy()


def resvg_picture(text, shape):
    """resvg's picture of a document on white; `shape`: (H, W, 3)."""
    data = resvg_py.svg_to_bytes(
        svg_string=text,
        width=shape[1],
        height=shape[0],
        background="#ffffff",
        skip_system_fonts=True,
        languages=["en"],
    )
    image = Image.open(io.BytesIO(bytes(data))).convert("RGB").resize((shape[1], shape[0]))
    return np.asarray(image, dtype=float) / 255


def decibels(scene, text):
    """PSNR of our picture of a scene against resvg's of the document that it was read from."""
    ours = picture(scene)
    error = float(((ours - resvg_picture(text, ours.shape)) ** 2).mean())
    return 10 * math.log10(1 / max(error, 1e-9))
