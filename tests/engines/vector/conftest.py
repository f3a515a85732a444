"""The reference scenes of diffvg, and random scenes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from engines.vector import Paint, Scene

SCENES = (
    "clipdraw256_224",
    "clipdraw16_224",
    "mixed64_128",
    "mixed8_64",
    "single_cubic_64",
    "thin32_256",
    "late128_224",
    "polyline16_128",
)


@dataclass
class Reference:
    """One scene as converged diffvg saw it. `mode` is "opaque" or "clipdraw"."""

    scene: Scene
    arrays: dict[str, np.ndarray]

    def picture(self, mode: str) -> Tensor:
        """(3, H, W) over white."""
        if mode == "opaque":
            return self._image("rgb_white_conv")
        rgba = self._image("rgba_conv")
        return rgba[3] * rgba[:3] + 1 - rgba[3]

    def cotangent(self) -> Tensor:
        """(3, H, W); the reference gradients are of Σ cotangent · picture."""
        width, height = self.arrays["canvas"]
        y, x = np.mgrid[:height, :width] + 0.5
        waves = [
            sum(a * np.cos(2 * np.pi * (fx * x / width + fy * y / height) + phase) for a, fx, fy, phase in channel)
            for channel in self.arrays["cot_params"]
        ]
        return torch.tensor(np.stack(waves), dtype=torch.float32)

    def gradient(self, mode: str, name: str, kind: str = "fd") -> Tensor | None:
        """Gradient with respect to `name`: kind "fd" (true, small scenes only) or "grad" (diffvg's own)."""
        found = self.arrays.get(f"{kind}_{'rgb' if mode == 'opaque' else mode}_{name}")
        return None if found is None else torch.tensor(found)

    def _image(self, name: str) -> Tensor:
        return torch.tensor(self.arrays[name] / 65535, dtype=torch.float32).permute(2, 0, 1)


def reference_scene(stored: dict[str, np.ndarray], name: str) -> Reference:
    arrays = {key.removeprefix(name + "/"): stored[key] for key in stored if key.startswith(name + "/")}
    point_ptr, segment_ptr = arrays["point_ptr"], arrays["seg_ptr"]
    paths = range(len(arrays["widths"]))
    scene = Scene.from_paths(
        [arrays["points"][point_ptr[i] : point_ptr[i + 1]] for i in paths],
        [arrays["num_control_points"][segment_ptr[i] : segment_ptr[i + 1]].tolist() for i in paths],
        arrays["widths"],
        arrays["colors"],
        *(int(side) for side in arrays["canvas"]),
    )
    return Reference(scene, arrays)


@pytest.fixture(scope="session")
def load_reference(references):
    """`load_reference(name)`: that reference scene."""
    return cache(lambda name: reference_scene(references.arrays("diffvg_scenes"), name))


@pytest.fixture(params=SCENES)
def reference(request, load_reference) -> Reference:
    return load_reference(request.param)


@pytest.fixture
def leaf():
    """A function: a copy of a scene whose three parameters are leaves that require gradients."""

    def make(scene: Scene) -> Scene:
        scene = scene.detach().clone()
        for tensor in (scene.points, scene.widths, scene.colors):
            tensor.requires_grad_()
        return scene

    return make


@pytest.fixture
def random_scene():
    """A function: strokes of mixed degrees on a small canvas, partly outside of it."""

    def make(seed: int, count: int = 6, size: int = 24, dtype: torch.dtype = torch.float32) -> Scene:
        rng = np.random.default_rng(seed)
        segments = [[int(k) for k in rng.integers(0, 3, rng.integers(1, 4))] for _ in range(count)]
        points = [rng.uniform(-0.1 * size, 1.1 * size, (1 + sum(k + 1 for k in own), 2)) for own in segments]
        widths, colors = rng.uniform(0.4, size / 8, count), rng.uniform(0.05, 0.95, (count, 4))
        return Scene.from_paths(points, segments, widths, colors, size, size).to(dtype=dtype)

    return make


@pytest.fixture
def filled_scene():
    """A function: strokes and fills of mixed degrees with several subpaths, partly outside of the canvas."""

    def make(seed: int, count: int = 12, size: int = 70) -> Scene:
        rng = np.random.default_rng(seed)
        segments = [[int(k) for k in rng.integers(-1, 3, rng.integers(1, 6))] + [2] for _ in range(count)]
        points = [rng.uniform(-0.2 * size, 1.2 * size, (1 + sum(max(k, 0) + 1 for k in own), 2)) for own in segments]
        widths, colors = rng.uniform(0.4, size / 10, count), rng.uniform(0.05, 0.95, (count, 4))
        paints = [Paint(int(k)) for k in rng.integers(0, 3, count)]
        return Scene.from_paths(points, segments, widths, colors, size, size, paints=paints)

    return make
