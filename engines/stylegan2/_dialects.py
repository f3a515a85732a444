"""Three ways to store a StyleGAN2, brought to the names of StyleGAN2-ADA: NVIDIA's two, and rosinality's.

Values come from `open_checkpoint`, so nothing here was run, and nothing is believed: what is not as expected raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from engines.checkpoints import Budget, Record, number, to_tensor
from engines.errors import EngineError

__all__ = ["Checkpoint", "read_dialect"]

PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
NETWORK = "dnnlib.tflib.network.Network"
Transform = Callable[[Tensor], Tensor]
MAX_MODULES, MAX_TENSORS, MAX_PREFIX = 1000, 10_000, 200
"""In one generator, and letters of a module's name; the largest has about 80 of each, but for 200 tensors."""

ADA_ARGUMENTS = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs", "synthesis_kwargs")
SYNTHESIS_ARGUMENTS = {"channel_base", "channel_max", "num_fp16_res", "conv_clamp", "architecture", "resample_filter",
                       "use_noise", "activation", "fp16_channels_last", "fused_modconv_default"}  # fmt: skip
TENSORFLOW_VERSION = 4
"""Of the pickles of StyleGAN2; those of StyleGAN and ProGAN have lower ones."""


@dataclass
class Checkpoint:
    """tensors: by their names in StyleGAN2-ADA, float32. filters: of the upsampling, as stored, to sum to 1."""

    tensors: dict[str, Tensor]
    filters: list[Tensor] = field(default_factory=list)
    conv_clamp: Any = None
    num_fp16_res: Any = 0
    lr_multiplier: Any = 0.01


def read_dialect(root: Any) -> Checkpoint:
    """`root`: the value of a checkpoint's pickle. Raises `EngineError` or `ValueError` when it is none of the three."""
    if type(root) in (tuple, list) and len(root) == 3 and all(_is_record(network, NETWORK) for network in root):
        return _read_tensorflow(root[2])
    if _is_record(root, PERSISTENT):
        return _read_ada(root)
    if type(root) is not dict:
        raise ValueError("it holds neither networks nor tensors")
    if _is_record(root.get("G_ema"), PERSISTENT):
        return _read_ada(root["G_ema"])
    tensors = _rosinality_tensors(root)
    if tensors:
        return _read_rosinality(tensors, root.get("latent_avg"))
    held = ", ".join(f"'{key}'" for key in list(root)[:5] if type(key) is str) or "nothing"
    raise EngineError(
        "The file holds no averaged StyleGAN2 generator ('G_ema' or 'g_ema'), only {held}; choose one that does.",
        held=held,
    )


def _is_record(value: Any, name: str) -> bool:
    return type(value) is Record and value.name == name


def _dict(value: Any) -> dict:
    if type(value) is not dict:
        raise ValueError("it has something else in the place of a dict")
    return value


def _refuse(what: str) -> EngineError:
    return EngineError("The file holds {what}; choose a StyleGAN2 generator with the 'skip' architecture.", what=what)


def _unknown(name: str) -> EngineError:
    return _refuse(f"a network with '{name[:60]}', which StyleGAN2 does not have")


# ---------------------------------------------------------------------------------------------- StyleGAN2-ADA


def _read_ada(generator: Record) -> Checkpoint:
    """A pickled module of stylegan2-ada-pytorch, or of the stylegan3 repository, which keeps its arguments flat."""
    class_name, state = _module(generator)
    if class_name != "Generator":
        raise _refuse(f"a '{str(class_name)[:40]}' instead of a generator")
    values = _walk(state)
    if any(re.match(r"synthesis\.(input\.|L\d+_)", name) for name in values):
        raise _refuse("a StyleGAN3")
    positional = dict(zip(ADA_ARGUMENTS, state.get("_init_args", ()), strict=False))
    arguments = positional | _dict(state.get("_init_kwargs", {}))
    nested = _dict(arguments.get("synthesis_kwargs") or {})
    is_flat = "synthesis_kwargs" not in arguments and not SYNTHESIS_ARGUMENTS.isdisjoint(arguments)
    synthesis, mapping = nested | arguments, _dict(arguments.get("mapping_kwargs") or {})
    _check_architecture(synthesis.get("architecture", "skip"), synthesis.get("activation", "lrelu"))
    _check_architecture("skip", mapping.get("activation", "lrelu"))

    budget = Budget()
    tensors = {name: to_tensor(value, budget) for name, value in values.items()}
    filters = [name for name in tensors if name.endswith(".resample_filter")]
    return Checkpoint(
        filters=[tensors.pop(name) for name in filters],
        tensors=tensors,
        conv_clamp=synthesis.get("conv_clamp", 256 if is_flat else None),
        num_fp16_res=synthesis.get("num_fp16_res", 4 if is_flat else 0),
        lr_multiplier=mapping.get("lr_multiplier", 0.01),
    )


def _module(record: Any) -> tuple[Any, dict]:
    """Name of the class and __dict__ of a pickled module."""
    if not _is_record(record, PERSISTENT) or len(record.args) != 1:
        raise ValueError("it has something else in the place of a module")
    meta = _dict(record.args[0])
    return meta.get("class_name"), _dict(meta.get("state"))


def _walk(state: dict) -> dict[str, Any]:
    """Dotted name → value of all parameters and buffers of a module and those within."""
    values, waiting, seen = {}, [("", state)], 0
    while waiting:
        prefix, state = waiting.pop()
        seen += 1
        if seen > MAX_MODULES or len(values) > MAX_TENSORS or len(prefix) > MAX_PREFIX:
            raise ValueError("it has more modules within modules than a StyleGAN2")
        for kind in ("_parameters", "_buffers"):
            own = _dict(state.get(kind, {}))
            values |= {f"{prefix}{name}": value for name, value in own.items() if value is not None}
        for name, child in _dict(state.get("_modules", {})).items():
            if child is not None:
                waiting.append((f"{prefix}{name}.", _module(child)[1]))
    return values


def _check_architecture(architecture: Any, activation: Any) -> None:
    if architecture != "skip":
        raise _refuse(f"a generator with the architecture '{str(architecture)[:20]}'")
    if activation != "lrelu":
        raise _refuse(f"a generator with the activation '{str(activation)[:20]}'")


# ---------------------------------------------------------------------------------------------- TensorFlow


def _read_tensorflow(network: Record) -> Checkpoint:
    """The averaged generator of the TensorFlow repositories stylegan2 and stylegan2-ada."""
    state = _dict(network.state)
    version = number(state.get("version"))
    components = state.get("components")
    if type(version) is not int or version < TENSORFLOW_VERSION or type(components) is not dict:
        raise _refuse("a network older than StyleGAN2")
    arguments = _dict(state.get("static_kwargs"))
    if number(arguments.get("label_size", 0)):
        raise _refuse("a TensorFlow generator with classes, which is not supported")
    _check_architecture(arguments.get("architecture", "skip"), arguments.get("nonlinearity", "lrelu"))
    _check_architecture("skip", arguments.get("mapping_nonlinearity", "lrelu"))

    budget = Budget()
    tensors = {}
    for prefix in ("", "mapping", "synthesis"):
        part = _dict(components[prefix].state) if prefix else state
        for name, value in part["variables"]:
            ada_name, transform = _from_tensorflow(f"{prefix}/{name}" if prefix else name)
            tensors[ada_name] = transform(to_tensor(value, budget)).contiguous()
    kernel = torch.tensor([float(number(tap)) for tap in arguments.get("resample_kernel") or (1, 3, 3, 1)])
    return Checkpoint(
        filters=[kernel / kernel.sum()],
        tensors=tensors,
        conv_clamp=arguments.get("conv_clamp"),
        num_fp16_res=arguments.get("num_fp16_res", 0),
        lr_multiplier=arguments.get("mapping_lrmul", 0.01),
    )


TENSORFLOW_LAYERS = {"Conv0_up": "conv0", "Conv1": "conv1", "Conv": "conv1", "ToRGB": "torgb"}
TENSORFLOW_KINDS: dict[str, tuple[str, Transform]] = {
    "weight": ("weight", lambda x: x.permute(3, 2, 0, 1)),
    "bias": ("bias", lambda x: x),
    "noise_strength": ("noise_strength", lambda x: x),
    "mod_weight": ("affine.weight", lambda x: x.T),
    "mod_bias": ("affine.bias", lambda x: x + 1),
}


def _from_tensorflow(name: str) -> tuple[str, Transform]:
    """Name in StyleGAN2-ADA, and what makes its tensor of this one."""
    if name == "dlatent_avg":
        return "mapping.w_avg", lambda x: x
    if name == "synthesis/4x4/Const/const":
        return "synthesis.b4.const", lambda x: x.squeeze(0)
    if match := re.fullmatch(r"mapping/Dense(\d+)/(weight|bias)", name):
        return f"mapping.fc{match[1]}.{match[2]}", lambda x: x.T if x.dim() == 2 else x
    if match := re.fullmatch(r"synthesis/noise(\d{1,2})", name):
        return f"{_convolution(int(match[1]))}.noise_const", lambda x: x.squeeze((0, 1))
    match = re.fullmatch(r"synthesis/(\d+)x\1/(\w+)/(\w+)", name)
    if match and match[2] in TENSORFLOW_LAYERS and match[3] in TENSORFLOW_KINDS:
        kind, transform = TENSORFLOW_KINDS[match[3]]
        if match[2] == "Conv0_up" and kind == "weight":  # convolved with, where all others are correlated with

            def transform(x: Tensor) -> Tensor:
                return x.flip(0, 1).permute(3, 2, 0, 1)

        return f"synthesis.b{match[1]}.{TENSORFLOW_LAYERS[match[2]]}.{kind}", transform
    if "ToRGB_lod" in name:
        raise _refuse("a generator with the architecture 'orig'")
    raise _unknown(name)


# ---------------------------------------------------------------------------------------------- rosinality


def _rosinality_tensors(root: dict) -> dict[str, Any] | None:
    """The averaged generator among the containers in use: trainers and converters, pSp and e4e files, a bare one."""
    if type(root.get("g_ema")) is dict:
        return root["g_ema"]
    if type(root.get("state_dict")) is dict:
        prefix = "decoder."
        named = {name: value for name, value in root["state_dict"].items() if type(name) is str}
        return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}
    return root if "conv1.conv.weight" in root else None


def _read_rosinality(values: dict[str, Any], latent_avg: Any) -> Checkpoint:
    budget = Budget()
    checkpoint = Checkpoint(tensors={})
    for name, value in values.items():
        if type(name) is not str:
            raise ValueError("it has a tensor without a name")
        tensor = to_tensor(value, budget)
        if name.endswith((".blur.kernel", ".upsample.kernel")):
            checkpoint.filters.append(tensor / 4)  # stored with the gain that makes up for the inserted zeros
        else:
            ada_name, transform = _from_rosinality(name)
            checkpoint.tensors[ada_name] = transform(tensor)
    if latent_avg is not None:  # one vector; pSp and e4e repeat it for each row of W+
        average = to_tensor(latent_avg, budget)
        checkpoint.tensors["mapping.w_avg"] = average.reshape(-1, average.shape[-1]).double().mean(0).float()
    return checkpoint


ROSINALITY_KINDS: dict[str, tuple[str, Transform]] = {
    "conv.weight": ("weight", lambda x: x.squeeze(0)),
    "conv.modulation.weight": ("affine.weight", lambda x: x),
    "conv.modulation.bias": ("affine.bias", lambda x: x),
    "noise.weight": ("noise_strength", lambda x: x.squeeze(0)),
    "activate.bias": ("bias", lambda x: x),
    "bias": ("bias", lambda x: x.flatten()),
}


def _from_rosinality(name: str) -> tuple[str, Transform]:
    """Name in StyleGAN2-ADA, and what makes its tensor of this one."""
    if name == "input.input":
        return "synthesis.b4.const", lambda x: x.squeeze(0)
    if match := re.fullmatch(r"style\.(\d+)\.(weight|bias)", name):  # style.0 normalises and has no parameters
        return f"mapping.fc{int(match[1]) - 1}.{match[2]}", lambda x: x
    if match := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
        return f"{_convolution(int(match[1]))}.noise_const", lambda x: x.squeeze((0, 1))
    match = re.fullmatch(r"(conv1|convs\.(\d{1,2})|to_rgb1|to_rgbs\.(\d{1,2}))\.(.+)", name)
    if match and match[4] in ROSINALITY_KINDS:
        index = int(match[2] or match[3] or -1) + 1
        layer = _convolution(index) if match[1].startswith("conv") else f"synthesis.b{4 << index}.torgb"
        kind, transform = ROSINALITY_KINDS[match[4]]
        return f"{layer}.{kind}", transform
    raise _unknown(name)


def _convolution(index: int) -> str:
    """Of the 3 × 3 convolutions in the order of execution: one for 4 px, then two for each size."""
    return f"synthesis.b{4 << (index + 1) // 2}.conv{1 - index % 2}"
