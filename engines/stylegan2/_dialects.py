"""Reads a StyleGAN2 as others store it, and renames its tensors to those of StyleGAN2-ADA.

Known are the pickled modules of NVIDIA's PyTorch repositories and of their forks, the TensorFlow networks of NVIDIA,
and the tensors of rosinality's stylegan2-pytorch. Values come from `open_checkpoint`, so nothing here was run, and
nothing is trusted: types are checked before a value is used, and whatever is not as expected raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from engines.checkpoints import Budget, Record, items_of, number, to_tensor, without_data_parallel
from engines.errors import EngineError
from engines.shown import shown

__all__ = ["Checkpoint", "read_dialect"]

PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
NETWORK = "dnnlib.tflib.network.Network"
Transform = Callable[[Tensor], Tensor]
MAX_MODULES = 1000
"""In one generator; the largest has about 80."""
MAX_TENSORS = 10_000
"""In one generator; the largest has about 200."""
MAX_PREFIX = 200
"""Characters of a module's name."""

ADA_ARGUMENTS = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs", "synthesis_kwargs")
SYNTHESIS_ARGUMENTS = {"channel_base", "channel_max", "num_fp16_res", "conv_clamp", "architecture", "resample_filter",
                       "use_noise", "activation", "fp16_channels_last", "fused_modconv_default"}  # fmt: skip
TENSORFLOW_VERSION = 4
"""Of the pickles of StyleGAN2; those of StyleGAN and ProGAN have lower ones."""

AVERAGED = ("G_ema", "g_ema", "generator_ema", "ema")
"""Names under which training loops keep the averaged generator."""
PREFIXES = ("decoder.", "generator.", "G_ema.", "g_ema.")
"""Of the generator's tensors within the 'state_dict' of a larger model; "decoder." in pSp and e4e."""
ADA_MARK = "synthesis.b4.const"
ROSINALITY_MARK = "conv1.conv.weight"


@dataclass
class Checkpoint:
    """tensors: by their names in StyleGAN2-ADA, float32. filters: of the upsampling, as stored, to sum to 1.

    notes: what the file does not tell, a sentence each.
    """

    tensors: dict[str, Tensor]
    filters: list[Tensor] = field(default_factory=list)
    conv_clamp: Any = None
    num_fp16_res: Any = 0
    lr_multiplier: Any = 0.01
    notes: tuple[str, ...] = ()


def read_dialect(root: Any) -> Checkpoint:
    """The generator in the value of a checkpoint's pickle. Raises `EngineError` or `ValueError` when there is none."""
    if type(root) in (tuple, list) and len(root) == 3 and all(_is_record(network, NETWORK) for network in root):
        return _read_tensorflow(root[2])
    if _is_module(root):
        return _read_module(root)
    if items_of(root) is None:
        raise ValueError("it holds neither networks nor tensors")
    root = _dict(root)
    for candidate in [root.get(name) for name in AVERAGED]:
        if _is_module(candidate):
            return _read_module(candidate)
        if items_of(candidate) is not None:
            return _read_tensors(_dict(candidate), root.get("latent_avg"))
    for tensors in _bare_tensors(root):
        if ADA_MARK in tensors or ROSINALITY_MARK in tensors:
            return _read_tensors(tensors, root.get("latent_avg"))
    held = ", ".join(shown(key, 30) for key in list(root)[:5] if type(key) is str) or "nothing"
    raise EngineError(
        "The file holds no averaged StyleGAN2 generator ('G_ema' or 'g_ema'), only {held}; choose one that does.",
        held=held,
    )


def _bare_tensors(root: dict) -> list[dict[str, Any]]:
    """Tensors by name that are not under a name of their own: of the whole file, or of its 'state_dict'."""
    found = []
    for values in (root, items_of(root.get("state_dict"))):
        if values is not None:
            named = without_data_parallel({name: value for name, value in values.items() if type(name) is str})
            found += [named, *(_under(named, prefix) for prefix in PREFIXES)]
    return found


def _under(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    inner = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
    return without_data_parallel(inner)


def _read_tensors(values: dict[str, Any], latent_avg: Any) -> Checkpoint:
    """A state dict in the names of either repository."""
    if not all(type(name) is str for name in values):
        raise ValueError("it has a tensor without a name")
    if len(values) > MAX_TENSORS:
        raise ValueError("it has more tensors than a StyleGAN2")
    values = without_data_parallel(values)
    if ADA_MARK not in values:
        return _read_rosinality(values, latent_avg)
    checkpoint = _ada_tensors(values)
    checkpoint.notes = ("The file does not tell the generator's options; those of a training without clamps are used.",)
    return checkpoint


def _is_record(value: Any, name: str) -> bool:
    return type(value) is Record and value.name == name


def _dict(value: Any) -> dict:
    items = items_of(value)
    if items is None:
        raise ValueError("it has something else in the place of a dict")
    return items


def _refuse(what: str) -> EngineError:
    return EngineError("The file holds {what}; choose a StyleGAN2 generator with the 'skip' architecture.", what=what)


def _unknown(name: str) -> EngineError:
    return _refuse(f"a network with {shown(name)}, which StyleGAN2 does not have")


# ---------------------------------------------------------------------------------------------- pickled modules


def _is_module(value: Any) -> bool:
    """Whether this is a module: of NVIDIA's repositories, which keep the source beside it, or pickled by its class."""
    if _is_record(value, PERSISTENT):
        return True
    return type(value) is Record and type(value.state) is dict and "_modules" in value.state


def _module(record: Any) -> tuple[Any, dict]:
    """Name of the class and __dict__ of a pickled module."""
    if not _is_module(record):
        raise ValueError("it has something else in the place of a module")
    if record.name != PERSISTENT:
        return record.name.rpartition(".")[2], record.state
    if len(record.args) != 1:
        raise ValueError("it has something else in the place of a module")
    meta = _dict(record.args[0])
    return meta.get("class_name"), _dict(meta.get("state"))


def _read_module(record: Record) -> Checkpoint:
    """A pickled generator. Its tensors decide what it is, as forks give the class other names."""
    class_name, state = _unwrapped(record)
    values = _walk(state)
    if ROSINALITY_MARK in values:
        return _read_rosinality(values, None)
    if any(re.match(r"synthesis\.(input\.|L\d+_)", name) for name in values):
        raise _refuse("a StyleGAN3")
    if ADA_MARK in values or (type(class_name) is str and class_name == "Generator"):
        return _read_ada(state, values)
    raise _refuse(f"a {shown(class_name, 40)} instead of a generator")


def _unwrapped(record: Record) -> tuple[Any, dict]:
    """Class and state of a module, of the one within for DataParallel and its kin."""
    class_name, state = _module(record)
    for _ in range(5):
        children = _dict(state.get("_modules", {}))
        if list(children)[:2] != ["module"]:
            break
        class_name, state = _module(children["module"])
    return class_name, state


def _walk(state: dict) -> dict[str, Any]:
    """Dotted name → value of all parameters and buffers of a module and those within."""
    values, waiting, seen = {}, [("", state)], 0
    while waiting:
        prefix, state = waiting.pop()
        own = [(name, value) for kind in ("_parameters", "_buffers") for name, value in _named(state, kind)]
        children = _named(state, "_modules")
        seen += 1
        if seen + len(waiting) + len(children) > MAX_MODULES or len(values) + len(own) > MAX_TENSORS:
            raise ValueError("it has more modules within modules than a StyleGAN2")
        if len(prefix) > MAX_PREFIX:
            raise ValueError("it has more modules within modules than a StyleGAN2")
        values |= {f"{prefix}{name}": value for name, value in own}
        waiting += [(f"{prefix}{name}.", _module(child)[1]) for name, child in children]
    return values


def _named(state: dict, kind: str) -> list[tuple[str, Any]]:
    """Parameters, buffers or modules of a module, without those that are None."""
    items = _dict(state.get(kind, {}))
    if len(items) > MAX_TENSORS:
        raise ValueError("it has more modules within modules than a StyleGAN2")
    if not all(type(name) is str for name in items):
        raise ValueError("it has a tensor without a name")
    return [(name, value) for name, value in items.items() if value is not None]


# ---------------------------------------------------------------------------------------------- StyleGAN2-ADA


def _read_ada(state: dict, values: dict[str, Any]) -> Checkpoint:
    """A module of stylegan2-ada-pytorch, or of the stylegan3 repository, which keeps its arguments flat."""
    positional = state.get("_init_args", ())
    if type(positional) is not tuple:
        raise ValueError("it has something else in the place of its arguments")
    arguments = dict(zip(ADA_ARGUMENTS, positional, strict=False)) | _dict(state.get("_init_kwargs", {}))
    nested, mapping = _options(arguments, "synthesis_kwargs"), _options(arguments, "mapping_kwargs")
    is_flat = "synthesis_kwargs" not in arguments and not SYNTHESIS_ARGUMENTS.isdisjoint(arguments)
    synthesis = nested | arguments
    _check_architecture(synthesis.get("architecture", "skip"), synthesis.get("activation", "lrelu"))
    _check_architecture("skip", mapping.get("activation", "lrelu"))
    checkpoint = _ada_tensors(values)
    checkpoint.conv_clamp = synthesis.get("conv_clamp", 256 if is_flat else None)
    checkpoint.num_fp16_res = synthesis.get("num_fp16_res", 4 if is_flat else 0)
    checkpoint.lr_multiplier = mapping.get("lr_multiplier", 0.01)
    return checkpoint


def _options(arguments: dict, name: str) -> dict:
    value = arguments.get(name)
    return {} if value is None else _dict(value)


def _ada_tensors(values: dict[str, Any]) -> Checkpoint:
    budget = Budget()
    tensors = {name: to_tensor(value, budget) for name, value in values.items()}
    filters = [name for name in tensors if name.endswith(".resample_filter")]
    return Checkpoint(filters=[tensors.pop(name) for name in filters], tensors=tensors)


def _check_architecture(architecture: Any, activation: Any) -> None:
    if type(architecture) is not str or architecture != "skip":
        raise _refuse(f"a generator with the architecture {shown(architecture, 20)}")
    if type(activation) is not str or activation != "lrelu":
        raise _refuse(f"a generator with the activation {shown(activation, 20)}")


# ---------------------------------------------------------------------------------------------- TensorFlow


def _read_tensorflow(network: Record) -> Checkpoint:
    """The averaged generator of the TensorFlow repositories stylegan2 and stylegan2-ada."""
    state = _dict(network.state)
    version = number(state.get("version"))
    components = state.get("components")
    if type(version) is not int or version < TENSORFLOW_VERSION or type(components) is not dict:
        raise _refuse("a network older than StyleGAN2")
    arguments = _dict(state.get("static_kwargs"))
    classes = number(arguments.get("label_size", 0))
    if type(classes) is not int or classes:
        raise _refuse("a TensorFlow generator with classes, which is not supported")
    _check_architecture(arguments.get("architecture", "skip"), arguments.get("nonlinearity", "lrelu"))
    _check_architecture("skip", arguments.get("mapping_nonlinearity", "lrelu"))

    budget = Budget()
    tensors = {}
    for prefix in ("", "mapping", "synthesis"):
        for name, value in _tensorflow_variables(components, prefix) if prefix else _variables(state):
            ada_name, transform = _from_tensorflow(f"{prefix}/{name}" if prefix else name)
            tensors[ada_name] = transform(to_tensor(value, budget)).contiguous()
    kernel = _tensorflow_filter(arguments.get("resample_kernel"))
    return Checkpoint(
        filters=[kernel / kernel.sum()],
        tensors=tensors,
        conv_clamp=arguments.get("conv_clamp"),
        num_fp16_res=arguments.get("num_fp16_res", 0),
        lr_multiplier=arguments.get("mapping_lrmul", 0.01),
    )


def _tensorflow_variables(components: dict, name: str) -> list[tuple[str, Any]]:
    component = components.get(name)
    if not _is_record(component, NETWORK):
        raise ValueError(f"it lacks the part '{name}'")
    return _variables(_dict(component.state))


def _variables(state: dict) -> list[tuple[str, Any]]:
    """[(name, array), …]"""
    variables = state.get("variables")
    if type(variables) is not list or len(variables) > MAX_TENSORS:
        raise ValueError("it has something else in the place of its variables")
    for pair in variables:
        if type(pair) not in (tuple, list) or len(pair) != 2 or type(pair[0]) is not str:
            raise ValueError("it has something else in the place of a variable")
    return [(name, value) for name, value in variables]


def _tensorflow_filter(taps: Any) -> Tensor:
    if taps is None:
        taps = [1, 3, 3, 1]
    if type(taps) not in (list, tuple) or len(taps) > 100:
        raise ValueError("it has something else in the place of a filter")
    values = [number(tap) for tap in taps]
    if not all(type(value) in (int, float) for value in values):
        raise ValueError("it has something else in the place of a filter")
    return torch.tensor([float(value) for value in values])


TENSORFLOW_LAYERS = {"Conv0_up": "conv0", "Conv1": "conv1", "Conv": "conv1", "ToRGB": "torgb"}
TENSORFLOW_KINDS: dict[str, tuple[str, Transform]] = {
    "weight": ("weight", lambda x: x.permute(3, 2, 0, 1)),
    "bias": ("bias", lambda x: x),
    "noise_strength": ("noise_strength", lambda x: x),
    "mod_weight": ("affine.weight", lambda x: x.T),
    "mod_bias": ("affine.bias", lambda x: x + 1),
}


def _from_tensorflow(name: str) -> tuple[str, Transform]:
    """The name in StyleGAN2-ADA, and the function that converts the tensor."""
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


AVERAGES = ("latent_avg", "mean_latent", "w_avg")


def _read_rosinality(values: dict[str, Any], latent_avg: Any) -> Checkpoint:
    budget = Budget()
    checkpoint = Checkpoint(tensors={})
    for name, value in values.items():
        if name in AVERAGES:
            latent_avg = value
            continue
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
    "noise.weight": ("noise_strength", lambda x: x.reshape(())),
    "activate.bias": ("bias", lambda x: x.flatten()),
    "bias": ("bias", lambda x: x.flatten()),
}


def _from_rosinality(name: str) -> tuple[str, Transform]:
    """The name in StyleGAN2-ADA, and the function that converts the tensor."""
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
    """The name of the index-th 3 × 3 convolution in the order of execution: one for 4 px, then two for each size."""
    return f"synthesis.b{4 << (index + 1) // 2}.conv{1 - index % 2}"
