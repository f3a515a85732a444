"""What the swatches are painted with: coordinates, noise, shapes and strokes on a float picture."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw

from engines.vector import Scene, rasterize

__all__ = ["Canvas", "Picture", "blur", "mix", "path", "ramp", "rgb", "smooth", "step"]

Picture = np.ndarray
"""(H, W, 3) or (H, W, 1) float in [0, 1]."""

FINE = 4
"""Shapes are drawn so many times larger and then reduced."""


class Canvas:
    """A sheet of width × height px. x, y: the coordinates of all pixels, (H, W, 1), in shares of the height."""

    def __init__(self, seed: int, width: int = 320, height: int = 320):
        self.rng = np.random.default_rng(seed)
        self.width, self.height = width, height
        rows, columns = np.mgrid[:height, :width] + 0.5
        self.x, self.y = columns[..., None] / height, rows[..., None] / height

    @property
    def aspect(self) -> float:
        return self.width / self.height

    def plain(self, color) -> Picture:
        return np.broadcast_to(rgb(color), (self.height, self.width, 3)).copy()

    def noise(self, length: float) -> Picture:
        """(H, W, 1) in [0, 1]: smooth, with blobs about `length` shares of the height wide."""
        rows = max(int(1 / length), 1) + 3
        columns = max(int(self.aspect / length), 1) + 3
        coarse = Image.fromarray(self.rng.random((rows, columns)).astype(np.float32))
        size = round(columns * length * self.height), round(rows * length * self.height)
        fine = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC))
        top, left = (fine.shape[0] - self.height) // 2, (fine.shape[1] - self.width) // 2
        return fine[top : top + self.height, left : left + self.width, None].clip(0, 1)

    def clouds(self, length: float, octaves: int = 4) -> Picture:
        """(H, W, 1) in [0, 1]: noise of ever finer blobs, each half as strong."""
        layers = [self.noise(length / 2**k) / 2**k for k in range(octaves)]
        return sum(layers) / sum(1 / 2**k for k in range(octaves))

    def grain(self) -> Picture:
        """(H, W, 1) normal noise, another value in every pixel."""
        return self.rng.standard_normal((self.height, self.width, 1))

    # ------------------------------------------------------------------------------------------ shapes

    def shape(self, *points) -> Picture:
        """(H, W, 1): 1 inside the polygon with these (x, y) corners."""
        return self._drawn(lambda draw, place: draw.polygon([place(p) for p in points], fill=255))

    def ellipse(self, x: float, y: float, a: float, b: float | None = None) -> Picture:
        b = a if b is None else b
        return self._drawn(lambda draw, place: draw.ellipse([place((x - a, y - b)), place((x + a, y + b))], fill=255))

    def line(self, points, width: float) -> Picture:
        """(H, W, 1): a polyline with round joints, `width` shares of the height wide."""
        radius = width * self.height * FINE / 2

        def drawn(draw: ImageDraw.ImageDraw, place) -> None:
            placed = [place(p) for p in points]
            draw.line(placed, fill=255, width=max(round(2 * radius), 1), joint="curve")
            for x, y in (placed[0], placed[-1]):
                draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)

        return self._drawn(drawn)

    def _drawn(self, drawn) -> Picture:
        sheet = Image.new("L", (self.width * FINE, self.height * FINE))
        scale = self.height * FINE
        drawn(ImageDraw.Draw(sheet), lambda point: (point[0] * scale, point[1] * scale))
        reduced = sheet.resize((self.width, self.height), Image.Resampling.BOX)
        return np.asarray(reduced, np.float32)[..., None] / 255

    def frame(self, width: float) -> Picture:
        """(H, W, 1): 1 on the rim, `width` shares of the height wide."""
        inset = np.minimum(np.minimum(self.x, self.aspect - self.x), np.minimum(self.y, 1 - self.y))
        return step(width - inset, -0.002, 0.002)

    def patch(self, ground: Picture, corners, color) -> Picture:
        """Lay one small convex polygon over `ground`, in place, with soft edges; corners in order, (x, y) each."""
        scaled = np.asarray(corners) * self.height
        low = np.floor(scaled.min(0) - 1).astype(int).clip(0)
        high = np.ceil(scaled.max(0) + 1).astype(int)
        window = ground[low[1] : high[1], low[0] : high[0]]
        rows, columns = np.mgrid[low[1] : low[1] + window.shape[0], low[0] : low[0] + window.shape[1]] + 0.5
        cover = np.ones(window.shape[:2])
        for (x0, y0), (x1, y1) in zip(scaled, np.roll(scaled, -1, 0), strict=True):
            inward = ((x1 - x0) * (rows - y0) - (y1 - y0) * (columns - x0)) / np.hypot(x1 - x0, y1 - y0)
            cover = np.minimum(cover, (inward + 0.5).clip(0, 1))
        window[:] = mix(window, color, cover[..., None])
        return ground

    def distance(self, marked: np.ndarray) -> Picture:
        """(H, W) bool → (H, W, 1): how far the nearest marked pixel is, in shares of the height."""
        places = torch.as_tensor(np.concatenate([self.x, self.y], 2).reshape(-1, 2), dtype=torch.float32)
        goals = places[torch.as_tensor(marked.reshape(-1))]
        nearest = torch.cat([torch.cdist(chunk, goals).amin(1) for chunk in places.split(4096)])
        return nearest.view(self.height, self.width, 1).numpy()

    # ------------------------------------------------------------------------------------------ strokes

    def strokes(self, ground: Picture, points: np.ndarray, widths, colors: np.ndarray) -> Picture:
        """Lay cubic Bézier strokes over `ground`: points (N, 4, 2) in shares of the height, widths (N,) likewise,
        colors (N, 4) straight RGBA. The first lies at the back."""
        count = len(points)
        scene = Scene.from_paths(
            torch.as_tensor(points.reshape(-1, 2) * self.height, dtype=torch.float32),
            [[2]] * count,
            torch.as_tensor(np.broadcast_to(widths, count) * self.height / 2, dtype=torch.float32),
            torch.as_tensor(colors.clip(0, 1), dtype=torch.float32),
            self.width,
            self.height,
        )
        drawn = rasterize(scene).permute(1, 2, 0).numpy()
        return drawn[..., :3] + (1 - drawn[..., 3:]) * ground

    def follow(self, starts: np.ndarray, angle: Picture, length) -> np.ndarray:
        """(N, 2) starts → (N, 4, 2): four points each, `length` long in all, along a field of angles, (H, W, 1)."""
        points = [starts]
        for _ in range(3):
            direction = self.at(angle, points[-1])[:, 0]
            step_ = np.stack([np.cos(direction), np.sin(direction)], 1)
            points.append(points[-1] + step_ * (np.broadcast_to(length, len(starts)) / 3)[:, None])
        return np.stack(points, 1)

    def at(self, picture: Picture, places: np.ndarray) -> np.ndarray:
        """(N, 2) places → (N, C): the picture's nearest pixels."""
        columns = (places[:, 0] * self.height).astype(int).clip(0, self.width - 1)
        rows = (places[:, 1] * self.height).astype(int).clip(0, self.height - 1)
        return picture[rows, columns]

    def scatter(self, spacing: float, jitter: float = 1.0) -> np.ndarray:
        """(N, 2) places all over the sheet and a little beyond, about `spacing` apart, in random order."""
        rows, columns = np.mgrid[-1 : 1 / spacing + 1, -1 : self.aspect / spacing + 1]
        places = np.stack([columns, rows], -1).reshape(-1, 2)
        places = (places + 0.5 + (self.rng.random(places.shape) - 0.5) * jitter) * spacing
        return self.rng.permutation(places)

    def smear(self, picture: Picture, angle: Picture, length: float) -> Picture:
        """The mean along the streamlines of a field of angles, `length` to both sides (line integral convolution)."""
        total, count = np.zeros_like(picture), 0
        steps = max(int(length * self.height), 1)
        for sign in (-1, 1):
            x, y = self.x[..., 0] * self.height, self.y[..., 0] * self.height
            for _ in range(steps):
                columns, rows = x.astype(int).clip(0, self.width - 1), y.astype(int).clip(0, self.height - 1)
                total, count = total + picture[rows, columns], count + 1
                direction = angle[rows, columns, 0]
                x, y = x + sign * np.cos(direction), y + sign * np.sin(direction)
        return total / count


def rgb(color) -> np.ndarray:
    """ "#rrggbb", or three numbers as they are."""
    if isinstance(color, str):
        return np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.asarray(color, float)


def mix(one, other, share) -> Picture:
    """`one` where share is 0, `other` where it is 1; either may be a colour."""
    one, other = (rgb(value) for value in (one, other))
    return one + (other - one) * share


def step(values, low: float, high: float) -> Picture:
    """0 below `low`, 1 above `high`, smooth in between."""
    t = ((values - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)


def ramp(values, *stops) -> Picture:
    """Colours along [0, 1]: `stops` are evenly spaced colours."""
    table = np.stack([rgb(color) for color in stops])
    places = np.linspace(0, 1, len(table))
    return np.concatenate([np.interp(values, places, table[:, k]) for k in range(3)], axis=-1)


def blur(picture: Picture, sigma: float) -> Picture:
    """Gaussian, `sigma` in px."""
    radius = int(np.ceil(3 * sigma))
    kernel = np.exp(-np.square(np.arange(-radius, radius + 1) / sigma) / 2)
    for axis in (0, 1):
        margin = [(radius, radius) if k == axis else (0, 0) for k in range(3)]
        padded = np.pad(picture, margin, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis)
        picture = windows @ (kernel / kernel.sum())
    return picture


def path(points: str) -> list[tuple[float, float]]:
    """ "x,y x,y …" in hundredths of the height."""
    return [tuple(float(value) / 100 for value in point.split(",")) for point in points.split()]


def smooth(points: list[tuple[float, float]], each: int = 8) -> list[tuple[float, float]]:
    """A Catmull-Rom curve through the points."""
    p = np.array([points[0], *points, points[-1]])
    t = np.linspace(0, 1, each, endpoint=False)[:, None]
    curve = []
    for a, b, d, e in zip(p, p[1:], p[2:], p[3:], strict=False):
        curve.append(0.5 * (2 * b + (d - a) * t + (2 * a - 5 * b + 4 * d - e) * t**2 + (3 * b - a - 3 * d + e) * t**3))
    return [tuple(point) for point in np.concatenate([*curve, p[-1:]])]
