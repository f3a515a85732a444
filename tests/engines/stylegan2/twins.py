"""Checkpoints in the formats others publish, made from tensors in the names of StyleGAN2-ADA.

They are written with the standard tools (pickle, torch.save) through stand-ins for the modules that wrote the published
ones, so that a file has the globals, nesting and opcodes of its format.
"""

from __future__ import annotations

import pickle
import re
import sys
import types
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engines.stylegan2 import GeneratorConfig

BUFFERS = {"w_avg", "noise_const", "resample_filter"}
CLASSES = {"": "Generator", "mapping": "MappingNetwork", "synthesis": "SynthesisNetwork"}
FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


def ada_shapes(config: GeneratorConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes as in the table of the method's note."""
    features = (config.z_dim + config.embed_features, *config.mapping_features)
    w_dim = features[-1]
    shapes: dict[str, tuple[int, ...]] = {"mapping.w_avg": (w_dim,)}
    for k in range(len(features) - 1):
        shapes |= {f"mapping.fc{k}.weight": (features[k + 1], features[k]), f"mapping.fc{k}.bias": (features[k + 1],)}
    if config.c_dim:
        shapes |= {"mapping.embed.weight": (config.embed_features, config.c_dim)}
        shapes |= {"mapping.embed.bias": (config.embed_features,)}
    before = 0
    for k, channels in enumerate(config.channels):
        block = f"synthesis.b{4 << k}"
        if not before:
            shapes[f"{block}.const"] = (channels, 4, 4)
        layers = {"conv0": before, "conv1": channels} if before else {"conv1": channels}
        for layer, in_channels in layers.items():
            shapes |= {
                f"{block}.{layer}.weight": (channels, in_channels, 3, 3),
                f"{block}.{layer}.bias": (channels,),
                f"{block}.{layer}.noise_strength": (),
                f"{block}.{layer}.noise_const": (4 << k, 4 << k),
                f"{block}.{layer}.affine.weight": (in_channels, w_dim),
                f"{block}.{layer}.affine.bias": (in_channels,),
            }
        shapes |= {
            f"{block}.torgb.weight": (config.img_channels, channels, 1, 1),
            f"{block}.torgb.bias": (config.img_channels,),
            f"{block}.torgb.affine.weight": (channels, w_dim),
            f"{block}.torgb.affine.bias": (channels,),
        }
        before = channels
    return shapes


def random_tensors(config: GeneratorConfig, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in ada_shapes(config).items()}
    for name in tensors:
        if name.startswith("mapping.fc") and name.endswith("weight"):
            tensors[name] *= 100
    return tensors


def with_filters(tensors: dict[str, Tensor], resample_filter: Tensor = FILTER) -> dict[str, Tensor]:
    """With the filter that every block and every convolution of the ADA format has."""
    holders = {name.rsplit(".", 1)[0] for name in tensors if name.endswith((".noise_strength", ".const"))}
    holders |= {".".join(name.split(".")[:2]) for name in tensors if name.startswith("synthesis.b")}
    return tensors | {f"{holder}.resample_filter": resample_filter for holder in sorted(holders)}


# ---------------------------------------------------------------------------------------------- StyleGAN2-ADA


class Persistent:
    """A module as torch_utils.persistence pickles it."""

    def __init__(self, class_name: str, state: dict[str, Any]):
        source = "raise RuntimeError('the source in the file was run')"
        self.meta = {"type": "class", "version": 6, "module_src": source, "class_name": class_name, "state": state}

    def __reduce__(self):
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,)


def ada_module(tensors: dict[str, Tensor], init_kwargs: dict[str, Any], class_name: str = "Generator") -> Persistent:
    root = _state(init_kwargs)
    for name, tensor in tensors.items():
        state = root
        *modules, leaf = name.split(".")
        for depth, module in enumerate(modules):
            title = CLASSES.get(".".join(modules[: depth + 1]), "SynthesisLayer")
            state = state["_modules"].setdefault(module, Persistent(title, _state({}))).meta["state"]
        if leaf in BUFFERS:
            state["_buffers"][leaf] = tensor
        else:
            state["_parameters"][leaf] = torch.nn.Parameter(tensor)
    return Persistent(class_name, root)


def _state(init_kwargs: dict[str, Any]) -> dict[str, Any]:
    return {
        "training": False,
        "_parameters": {},
        "_buffers": {},
        "_non_persistent_buffers_set": set(),
        "_modules": {},
        "weight_gain": np.float64(0.125),
        "_init_args": (),
        "_init_kwargs": init_kwargs,
    }


def write_ada(path: Path, content: Any, protocol: int = 4) -> Path:
    with stand_ins():
        path.write_bytes(pickle.dumps(content, protocol))
    return path


@contextmanager
def stand_ins():
    """The modules that published pickles name, with nothing in them, while one is written."""
    network = types.ModuleType("dnnlib.tflib.network")
    network.Network = type("Network", (Network,), {"__module__": network.__name__, "__qualname__": "Network"})
    persistence = types.ModuleType("torch_utils.persistence")
    exec("def _reconstruct_persistent_obj(meta): raise AssertionError", persistence.__dict__)
    parents = [types.ModuleType(name) for name in ("dnnlib", "dnnlib.tflib", "torch_utils")]
    modules = {module.__name__: module for module in (*parents, network, persistence)}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


# ---------------------------------------------------------------------------------------------- TensorFlow


class Network:
    pass


def write_tensorflow(path: Path, tensors: dict[str, Tensor], static_kwargs: dict[str, Any], version: int = 4) -> Path:
    parts: dict[str, list] = {"": [], "mapping": [], "synthesis": []}
    for name, tensor in tensors.items():
        part, own, array = _to_tensorflow(name, tensor.numpy())
        parts[part].append((own, array))
    with stand_ins():
        networks = []
        for _ in range(3):
            components = {part: _network(parts[part], {}, static_kwargs, version) for part in ("mapping", "synthesis")}
            networks.append(_network(parts[""], components, static_kwargs, version))
            parts = {part: [(own, array.copy()) for own, array in values] for part, values in parts.items()}
        path.write_bytes(pickle.dumps(tuple(networks), 3))
    return path


def _network(variables: list, components: dict, static_kwargs: dict, version: int) -> Network:
    network = sys.modules["dnnlib.tflib.network"].Network()
    network.__dict__ |= {"version": version, "name": "Gs", "static_kwargs": static_kwargs, "components": components,
                         "build_module_src": "raise RuntimeError", "build_func_name": "build",
                         "variables": variables}  # fmt: skip
    return network


def _to_tensorflow(name: str, array: np.ndarray) -> tuple[str, str, np.ndarray]:
    """Part, name and array in the TensorFlow format."""
    if name == "mapping.w_avg":
        return "", "dlatent_avg", array
    if match := re.fullmatch(r"mapping\.fc(\d+)\.(\w+)", name):
        return "mapping", f"Dense{match[1]}/{match[2]}", array.T
    if name == "synthesis.b4.const":
        return "synthesis", "4x4/Const/const", array[None]
    block, layer, kind = re.fullmatch(r"synthesis\.b(\d+)\.(\w+)\.(.+)", name).groups()
    if kind == "noise_const":
        index = 2 * int(block).bit_length() - 2 - (5 if layer == "conv0" else 4)
        return "synthesis", f"noise{index}", array[None, None]
    own = {"conv0": "Conv0_up", "conv1": "Conv" if block == "4" else "Conv1", "torgb": "ToRGB"}[layer]
    if kind == "weight":
        array = array.transpose(2, 3, 1, 0)
        array = array[::-1, ::-1] if layer == "conv0" else array
    elif kind == "affine.bias":
        array = array - 1
    elif kind == "affine.weight":
        array = array.T
    return "synthesis", f"{block}x{block}/{own}/{kind.replace('affine.', 'mod_')}", array


# ---------------------------------------------------------------------------------------------- rosinality


def to_rosinality(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
    """State dict of rosinality's module, and its latent_avg."""
    converted = {}
    for name, tensor in tensors.items():
        if name != "mapping.w_avg":
            converted |= _to_rosinality(name, tensor)
    for name in [name for name in converted if re.fullmatch(r"convs\.\d*[02468]\.conv\.weight", name)]:
        converted[name.replace("weight", "blur.kernel")] = FILTER * 4
    for name in [name for name in converted if re.fullmatch(r"to_rgbs\.\d+\.bias", name)]:
        converted[name.replace("bias", "upsample.kernel")] = FILTER * 4
    return converted, tensors["mapping.w_avg"]


def _to_rosinality(name: str, tensor: Tensor) -> dict[str, Tensor]:
    if match := re.fullmatch(r"mapping\.fc(\d+)\.(\w+)", name):
        return {f"style.{int(match[1]) + 1}.{match[2]}": tensor}
    if name == "synthesis.b4.const":
        return {"input.input": tensor[None]}
    block, layer, kind = re.fullmatch(r"synthesis\.b(\d+)\.(\w+)\.(.+)", name).groups()
    k = int(block).bit_length() - 3  # 0 for 4 px
    if kind == "noise_const":
        return {f"noises.noise_{2 * k - (layer == 'conv0')}": tensor[None, None]}
    if layer == "torgb":
        holder = f"to_rgbs.{k - 1}" if k else "to_rgb1"
    else:
        holder = f"convs.{2 * k - 2 + (layer == 'conv1')}" if k else "conv1"
    kinds = {
        "weight": ("conv.weight", tensor[None]),
        "affine.weight": ("conv.modulation.weight", tensor),
        "affine.bias": ("conv.modulation.bias", tensor),
        "noise_strength": ("noise.weight", tensor[None]),
        "bias": ("bias", tensor.view(1, -1, 1, 1)) if layer == "torgb" else ("activate.bias", tensor),
    }
    own, converted = kinds[kind]
    return {f"{holder}.{own}": converted}
