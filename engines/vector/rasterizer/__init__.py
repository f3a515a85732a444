"""Draw a scene, differentiably: one interface, several backends.

Every backend module has one function `render(points, widths, colors, layout, pictures, canvas, convention)`, see
`torch_backend.render`. Units are pixels of the picture that is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Literal, get_args

import torch
from torch import Tensor

from engines.errors import EngineError
from engines.vector.rasterizer import torch_backend
from engines.vector.rasterizer.choice import compile_in_background, resolve_backend, serving_backend, triton_works_on
from engines.vector.scene import Scene

__all__ = ["Backend", "Convention", "compile_in_background", "composite", "rasterize", "resolve_backend"]

Backend = Literal["auto", "torch", "native", "triton", "diffvg"]
Convention = Literal["opaque", "clipdraw"]

MAX_PIXELS = 1 << 28
BRIGHTEST = 1e6  # colours beyond are taken as this, so that what is mixed from them stays finite


def rasterize(
    scene: Scene | Sequence[Scene],
    size: tuple[int, int] | None = None,
    *,
    backend: Backend = "auto",
    convention: Convention = "opaque",
) -> Tensor:
    """Draw a scene → (4, height, width): premultiplied RGB and alpha, without background (see `composite`).

    Differentiable in `scene.points`, `scene.widths` and `scene.colors`. Colours are linear and not clamped; an opacity
    outside [0, 1] counts as the nearer bound.
    size: (height, width) in pixels, the canvas' own unless given; the drawing is stretched to it.
    convention: "opaque" covers edge pixels by area; "clipdraw" reproduces the darker edges of diffvg drawn over
    transparency and then composited, as CLIPDraw does (methods note renderer.md §3).
    backend: "auto" takes the fastest that is ready (see `choice.py`; a run that must repeat passes what
    `resolve_backend` said); "torch" draws on any device in any dtype; "native" on the CPU and "triton" on CUDA in
    float32; "diffvg" is the original, where it is installed (see `diffvg_backend.py`).
    A sequence of scenes is drawn at once, → (scenes, 4, height, width); all need the same canvas or a `size`.
    Raises `EngineError` for parameters that are not finite, an impossible size, an unknown backend.
    """
    if convention not in get_args(Convention):
        raise EngineError(
            "There is no compositing convention '{convention}'; choose 'opaque' or 'clipdraw'.", convention=convention
        )
    scenes = [scene] if isinstance(scene, Scene) else list(scene)
    for one in scenes:
        one.check_finite()
    size = _picture_size(scenes, size)
    scaled = [_stretched(one, size) for one in scenes]
    joined = scaled[0] if len(scaled) == 1 else Scene.concatenate(scaled)
    pictures = torch.cat([torch.full((len(one),), k, device=joined.device) for k, one in enumerate(scaled)])
    render = _render(backend, joined)
    canvas = (len(scaled), *size)
    colors = _bounded(joined.colors)
    images = render(joined.points, joined.widths, colors, joined.layout, pictures, canvas, convention)
    return images.squeeze(0) if isinstance(scene, Scene) else images  # unlike images[0] it costs no copy backward


def composite(rgba: Tensor, background: Sequence[float] | Tensor) -> Tensor:
    """Lay premultiplied (…, 4, H, W) over an RGB triple, or one each (…, 3) → (…, 3, H, W) = rgb + (1 - A) · triple."""
    background = torch.as_tensor(background, dtype=rgba.dtype, device=rgba.device)
    return rgba[..., :3, :, :] + (1 - rgba[..., 3:, :, :]) * background[..., None, None]


def _picture_size(scenes: list[Scene], size: tuple[int, int] | None) -> tuple[int, int]:
    if not scenes:
        raise EngineError("There is no scene to draw; give at least one.")
    if size is None:
        canvases = {(round(scene.height), round(scene.width)) for scene in scenes}
        if len(canvases) > 1:
            raise EngineError("The scenes have different canvases; say at which size they are to be drawn.")
        size = canvases.pop()
    height, width = size
    if not (height >= 1 and width >= 1 and height * width * len(scenes) <= MAX_PIXELS):
        raise EngineError(
            "A picture of {width} × {height} pixels cannot be drawn; choose a smaller, positive size.",
            width=width,
            height=height,
        )
    return int(height), int(width)


def _stretched(scene: Scene, size: tuple[int, int]) -> Scene:
    across, down = size[1] / scene.width, size[0] / scene.height
    if across == 1 and down == 1:
        return scene
    factor = scene.points.new_tensor([across, down])
    return scene.replace(points=scene.points * factor, widths=scene.widths * (across * down) ** 0.5)


def _bounded(colors: Tensor) -> Tensor:
    limit = BRIGHTEST
    return torch.clamp(
        colors, colors.new_tensor([-limit, -limit, -limit, 0]), colors.new_tensor([limit, limit, limit, 1])
    )


def _render(name: str, scene: Scene) -> Callable[..., Tensor]:
    if name == "auto":
        name = serving_backend(scene.device, scene.points.dtype)
    if name == "torch":
        return torch_backend.render
    if name == "native":
        if scene.device.type != "cpu" or scene.points.dtype != torch.float32:
            raise EngineError("The native rasteriser draws float32 on the CPU; choose the backend 'torch' or 'auto'.")
        from engines.vector.rasterizer import native_backend  # imports numba

        return native_backend.render
    if name == "triton":
        if not triton_works_on(scene.device) or scene.points.dtype != torch.float32:
            raise EngineError("The Triton rasteriser draws float32 on CUDA; choose the backend 'torch' or 'auto'.")
        from engines.vector.rasterizer import triton_backend  # imports triton

        return triton_backend.render
    if name == "diffvg":
        if find_spec("pydiffvg") is None or scene.points.dtype != torch.float32:
            raise EngineError("The backend 'diffvg' needs pydiffvg and float32; install it, or choose 'auto'.")
        from engines.vector.rasterizer import diffvg_backend

        return diffvg_backend.render
    raise EngineError(
        "There is no rasteriser backend '{name}'; choose one of {choices}.",
        name=name,
        choices=", ".join(get_args(Backend)),
    )
