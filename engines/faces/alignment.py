"""Cutting faces out of pictures as FFHQ does: eyes level, and mouth and eyes where every network of faces wants them.

    quad = quad_from_landmarks(landmarks)       # 68 points of a detector, or
    quad = quad_from_clicks(clicks)             # five points of a person
    face = align_face(picture, quad)            # (256, 256, 3)

The recipe is that of the FFHQ data set (Karras et al., arXiv 1812.04948, appendix A) as e4e uses it (arXiv 2102.02766).
Points are (x, y) in pixels, y downwards; left and right are those of the picture, not those of the person.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from engines.errors import EngineError

__all__ = ["align_face", "quad_from_clicks", "quad_from_landmarks", "quad_side"]

LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)
MOUTH_CORNERS = [48, 54]
"""Of the 68 landmarks of iBUG 300-W, as dlib and others give them."""
MIN_SIDE = 8
"""Of a quad in px: less is no face, and nothing to blur."""
EDGE = 4
"""A quad that comes this close to the edge of the picture, in px, is treated as one that leaves it."""


# ---------------------------------------------------------------------------------------------- where the face is


def quad_from_landmarks(landmarks: np.ndarray) -> np.ndarray:
    """The square around a face with 68 landmarks (68, 2) → (4, 2) float64.

    Its corners are the top left, bottom left, bottom right and top right of the face. It may leave the picture.
    Raises `EngineError` for another number of points, points that are not finite, and points that are no face.
    """
    points = _points(landmarks, 68, "landmarks")
    return _quad(points[LEFT_EYE].mean(0), points[RIGHT_EYE].mean(0), points[MOUTH_CORNERS].mean(0))


def quad_from_clicks(clicks: np.ndarray) -> np.ndarray:
    """The same from five points (5, 2): the centres of two eyes, the tip of the nose, the two corners of the mouth.

    Left and right may be swapped. The nose does not move the square, it only helps to notice clicks in another order.
    Raises `EngineError` as `quad_from_landmarks`, and when the nose is not between the eyes and the mouth.
    """
    left_eye, right_eye, nose, *corners = _points(clicks, 5, "clicked points")
    mouth = np.mean(corners, axis=0)
    eyes = (left_eye + right_eye) / 2
    down = mouth - eyes
    if not 0 < np.dot(nose - eyes, down) < np.dot(down, down):
        raise EngineError(
            "The nose is not between the eyes and the mouth; click both eyes, the nose, then both corners of the mouth."
        )
    across = right_eye - left_eye
    if across[0] * down[1] < across[1] * down[0]:  # the mouth would be above the eyes
        left_eye, right_eye = right_eye, left_eye
    return _quad(left_eye, right_eye, mouth)


def quad_side(quad: np.ndarray) -> float:
    """The length of the sides of a quad in px."""
    return float(np.hypot(*(quad[1] - quad[0])))


def _points(values: np.ndarray, count: int, what: str) -> np.ndarray:
    try:
        points = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise EngineError(
            "The {what} are no numbers; give {count} pairs of x and y in pixels.", what=what, count=count
        ) from None
    if points.shape != (count, 2):
        raise EngineError(
            "The {what} are of shape {shape}; give {count} pairs of x and y in pixels.",
            what=what,
            shape=points.shape,
            count=count,
        )
    if not np.isfinite(points).all():
        raise EngineError(
            "The {what} are not all finite; give {count} pairs of x and y in pixels.", what=what, count=count
        )
    return points


def _quad(left_eye: np.ndarray, right_eye: np.ndarray, mouth: np.ndarray) -> np.ndarray:
    """`x` and `y` go from the centre to the right and to the bottom of the square."""
    eyes = (left_eye + right_eye) / 2
    across, down = right_eye - left_eye, mouth - eyes
    x = across + (down[1], -down[0])  # down, turned by a quarter, is a second measure of across
    length = np.hypot(*x)
    if not length > 0:
        raise EngineError("The eyes and the mouth are no face; mark the eyes above the mouth, and apart.")
    x *= max(2.0 * np.hypot(*across), 1.8 * np.hypot(*down)) / length
    y = np.array([-x[1], x[0]])
    centre = eyes + 0.1 * down
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


# ---------------------------------------------------------------------------------------------- cutting it out


def align_face(picture: np.ndarray, quad: np.ndarray, size: int = 256) -> np.ndarray:
    """The face within `quad` (4, 2), upright: picture (H, W, 3) uint8 RGB → (size, size, 3) uint8.

    What lies beyond the edges of the picture is its mirror image, which fades into a blur and into its median colour.
    Memory goes with the size of the picture and of the result, wherever the quad is.
    Raises `EngineError` for other pictures, and for a quad under 8 px or with its centre outside the picture.
    """
    _check(picture, quad)
    image, quad = _shrink(Image.fromarray(picture), quad, size)
    image, quad = _crop(image, quad)
    image, quad = _pad(image, quad)
    corners = tuple((quad + 0.5).flatten())
    return np.asarray(image.transform((size, size), Image.Transform.QUAD, corners, Image.Resampling.BILINEAR))


def _check(picture: np.ndarray, quad: np.ndarray) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise EngineError(
            "The picture is of shape {shape} and type {dtype}; give (height, width, 3) in uint8.",
            shape=picture.shape,
            dtype=picture.dtype,
        )
    if quad.shape != (4, 2) or not np.isfinite(quad).all():
        raise EngineError("The square around the face is not four finite points; mark the face again.")
    if quad_side(quad) < MIN_SIDE:
        raise EngineError(
            "The face is smaller than {MIN_SIDE} pixels; choose a larger picture of it.", MIN_SIDE=MIN_SIDE
        )
    centre = quad.mean(0)
    if (centre < 0).any() or (centre >= picture.shape[1::-1]).any():
        raise EngineError("The face is outside the picture; mark one that is inside.")


def _shrink(image: Image.Image, quad: np.ndarray, size: int) -> tuple[Image.Image, np.ndarray]:
    """By a whole number, to no less than twice the wanted size: bilinear sampling would skip pixels."""
    factor = math.floor(quad_side(quad) / size * 0.5)
    if factor <= 1:
        return image, quad
    smaller = tuple(max(round(side / factor), 1) for side in image.size)
    return image.resize(smaller, Image.Resampling.LANCZOS), quad / factor


def _crop(image: Image.Image, quad: np.ndarray) -> tuple[Image.Image, np.ndarray]:
    """To the face and a border around it, so that only these are padded and blurred."""
    border = _border(quad)
    first, last = _bounds(quad)
    left, top = np.maximum(first - border, 0)
    right, bottom = np.minimum(last + border, image.size)
    return image.crop((left, top, right, bottom)), quad - (left, top)


def _pad(image: Image.Image, quad: np.ndarray) -> tuple[Image.Image, np.ndarray]:
    """Mirrored where the quad leaves the picture; the farther out, the more blurred and the more of the median."""
    border = _border(quad)
    first, last = _bounds(quad)
    before, after = np.maximum(border - first, 0), np.maximum(last - image.size + border, 0)
    if max(*before, *after) <= border - EDGE:
        return image, quad
    side = quad_side(quad)
    (left, top), (right, bottom) = np.maximum([before, after], round(0.3 * side))
    pixels = np.pad(np.asarray(image, np.float32), ((top, bottom), (left, right), (0, 0)), "reflect")

    height, width, _ = pixels.shape
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    inwards = [x / left, (width - 1 - x) / right, y / top, (height - 1 - y) / bottom]  # 1 at the edge of the picture
    outside = 1 - np.minimum(np.minimum(inwards[0], inwards[1]), np.minimum(inwards[2], inwards[3]))[..., None]
    pixels += (_gaussian_blur(pixels, 0.02 * side) - pixels) * np.clip(3 * outside + 1, 0, 1)
    pixels += (np.median(pixels, axis=(0, 1)) - pixels) * np.clip(outside, 0, 1)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)), quad + (left, top)


def _border(quad: np.ndarray) -> int:
    return max(round(0.1 * quad_side(quad)), 3)


def _bounds(quad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.floor(quad.min(0)).astype(int), np.ceil(quad.max(0)).astype(int)


def _gaussian_blur(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """(H, W, C) float32, mirrored at its edges (the outermost pixels twice), the bell cut at four sigma."""
    radius = int(4 * sigma + 0.5)
    bell = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    bell = (bell / bell.sum()).view(1, 1, -1)
    for _ in range(2):  # along one axis, then, with both exchanged, along the other
        padded = torch.from_numpy(np.pad(pixels, ((radius, radius), (0, 0), (0, 0)), "symmetric"))
        pixels = F.conv1d(padded.permute(1, 2, 0).flatten(0, 1)[:, None], bell)[:, 0].numpy()
        pixels = pixels.reshape(padded.shape[1], padded.shape[2], -1).transpose(0, 2, 1)
    return pixels
