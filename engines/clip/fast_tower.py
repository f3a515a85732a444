"""open_clip's image towers, rearranged for the features of a few views and the gradient in their pixels.

Same weights, same function, other arithmetic:

- `VisionTransformer`: the tokens of all views are the rows of one matrix in every linear layer, cutting into patches
  and embedding them is one matrix product, and where only the class token is pooled, nothing else goes through the last
  MLP. Matrix products are in bfloat16 on devices that multiply it natively; everything between them (residual stream,
  norms, pooling) is float32.
- `ModifiedResNet`: batch norms become part of the convolutions, memory is channels-last, and the attention pool answers
  its one query only. It stays in float32: in bfloat16, rounding flips rectifiers all over a nearly empty drawing, and
  the gradient's cosine to the original's falls to 0.94 for the pocket model.
- Every other tower computes as it was written.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engines.clip._open_clip import open_clip

__all__ = ["Tower", "fast_tower", "matmul_dtype"]

modified_resnet, transformer = open_clip.modified_resnet, open_clip.transformer

Tower = Callable[[Tensor], Tensor]
"""(B, 3, image_size, image_size) float32, as the model's pixel statistics want it → (B, embed_dim) float32."""


def fast_tower(model: nn.Module) -> Tower:
    """What `model.encode_image` computes, faster.

    model: an open_clip model, frozen and in eval mode. Constant factors are folded into its weights in place, so that
    no second float32 copy is needed; `model.encode_image` goes on to compute the same.
    """
    visual = model.visual
    if type(model) in (
        open_clip.CLIP,
        open_clip.CustomTextCLIP,
        open_clip.CoCa,
    ):  # their embedding of a picture is what `visual` makes of it
        if _is_standard_transformer(visual):
            return _Transformer(visual, matmul_dtype(visual.conv1.weight.device))
        if type(visual) is modified_resnet.ModifiedResNet:
            return _ResNet(visual)
    visual.to(memory_format=torch.channels_last)
    return model.encode_image


def matmul_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device has instructions for it; emulated, it is slower than float32."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = device.type == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.bfloat16 if native else torch.float32


# ---------------------------------------------------------------------- vision transformers


def _is_standard_transformer(visual: nn.Module) -> bool:
    """Whether `visual` has no part but those that `_Transformer` knows."""
    if type(visual) is not transformer.VisionTransformer or visual.proj is None:
        return False
    patch, convolution = visual.patch_size, visual.conv1
    return (
        (convolution.kernel_size, convolution.stride, convolution.padding) == (patch, patch, (0, 0))
        and convolution.bias is None
        and tuple(visual.image_size) == tuple(n * side for n, side in zip(visual.grid_size, patch, strict=True))
        and all(_is_standard_block(block) for block in visual.transformer.resblocks)
    )


def _is_standard_block(block: nn.Module) -> bool:
    return (
        type(block) is transformer.ResidualAttentionBlock
        and not hasattr(block, "ln_1_kv")
        and type(block.attn) is nn.MultiheadAttention
        and block.attn.in_proj_weight is not None
        and block.attn.in_proj_bias is not None
        and block.attn.bias_k is None
        and not block.attn.add_zero_attn
        and [name for name, _ in block.mlp.named_children()] == ["c_fc", "gelu", "c_proj"]
        and type(block.mlp.gelu) in (nn.GELU, nn.SiLU, transformer.QuickGELU)
        and all(type(scale) in (nn.Identity, transformer.LayerScale) for scale in (block.ls_1, block.ls_2))
    )


class _Transformer:
    """open_clip's `VisionTransformer`."""

    def __init__(self, visual: transformer.VisionTransformer, dtype: torch.dtype):
        self.visual = visual
        self.embed = _Linear(visual.conv1.weight.flatten(1), None, dtype)
        self.class_token = visual.class_embedding + visual.positional_embedding[0]
        self.positions = visual.positional_embedding[1:]
        self.blocks = [_Block(block, dtype) for block in visual.transformer.resblocks]
        self.pools_class_token = visual.attn_pool is None and visual.pool_type == "tok"

    def __call__(self, pixels: Tensor) -> Tensor:
        batch = len(pixels)
        (rows, columns), (height, width) = self.visual.grid_size, self.visual.patch_size
        patches = pixels.reshape(batch, 3, rows, height, columns, width).permute(0, 2, 4, 1, 3, 5)
        patches = self.embed(patches.reshape(batch * rows * columns, -1)).view(batch, rows * columns, -1)
        tokens = torch.cat([self.class_token.expand(batch, 1, -1), patches + self.positions], dim=1)
        x = self.visual.ln_pre(tokens.flatten(0, 1))  # (batch · tokens, width) from here on
        for block in self.blocks[:-1]:
            x = block(x, batch)
        x = self.blocks[-1](x, batch, class_token_only=self.pools_class_token)
        pooled, _ = self.visual._pool(x.view(batch, -1, x.shape[-1]))
        return pooled @ self.visual.proj


class _Block:
    """x + attention(norm(x)), then x + mlp(norm(x)), on the rows of x."""

    def __init__(self, block: transformer.ResidualAttentionBlock, dtype: torch.dtype):
        fold_constant_factors(block)
        self.norm_1, self.norm_2, self.activation = block.ln_1, block.ln_2, block.mlp.gelu
        self.heads = block.attn.num_heads
        self.qkv = _Linear(block.attn.in_proj_weight, block.attn.in_proj_bias, dtype)
        self.out = _Linear(block.attn.out_proj.weight, block.attn.out_proj.bias, dtype)
        self.widen = _Linear(block.mlp.c_fc.weight, block.mlp.c_fc.bias, dtype)
        self.narrow = _Linear(block.mlp.c_proj.weight, block.mlp.c_proj.bias, dtype)

    def __call__(self, x: Tensor, batch: int, *, class_token_only: bool = False) -> Tensor:
        """(batch · tokens, width) → the same, or (batch, width) of the class tokens."""
        tokens = len(x) // batch
        qkv = self.qkv(self.norm_1(x)).view(batch, tokens, 3, self.heads, -1)
        mixed = attend(*qkv.permute(2, 0, 3, 1, 4).unbind()).transpose(1, 2).reshape(len(x), -1)
        if class_token_only:
            x, mixed = x[::tokens], mixed[::tokens]
        x = x + self.out(mixed)
        return x + self.narrow(self.activation(self.widen(self.norm_2(x))))


class _Linear:
    """A frozen linear layer on rows, in `dtype`. In float32 it holds the model's own weights, not copies."""

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype):
        self.weight = weight.detach().to(dtype)
        self.bias = None if bias is None else bias.detach().to(dtype)

    def __call__(self, rows: Tensor) -> Tensor:
        return F.linear(rows.to(self.weight.dtype), self.weight, self.bias)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot-product attention on (batch, heads, tokens, head width)."""
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:  # PyTorch's own kernel is 2–6 times slower there
        return (q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)).softmax(-1) @ v
    return F.scaled_dot_product_attention(q, k, v)


@torch.no_grad()
def fold_constant_factors(block: transformer.ResidualAttentionBlock) -> None:
    """Layer scales and the factor of the quick GELU become part of the neighbouring weights, in place."""
    up, down = block.mlp.c_fc, block.mlp.c_proj
    if type(block.mlp.gelu) is transformer.QuickGELU:  # x σ(1.702 x) = SiLU(1.702 x) / 1.702
        up.weight *= 1.702
        up.bias *= 1.702
        down.weight /= 1.702
        block.mlp.gelu = nn.SiLU()
    for name, linear in (("ls_1", block.attn.out_proj), ("ls_2", down)):
        scale = getattr(block, name)
        if type(scale) is transformer.LayerScale:
            linear.weight *= scale.gamma[:, None]
            linear.bias *= scale.gamma
            setattr(block, name, nn.Identity())


# ---------------------------------------------------------------------- residual networks


class _ResNet:
    """open_clip's `ModifiedResNet`."""

    def __init__(self, visual: modified_resnet.ModifiedResNet):
        for module in [*visual.modules()]:
            fold_batch_norms(module)
        self.visual = visual.to(memory_format=torch.channels_last)

    def __call__(self, pixels: Tensor) -> Tensor:
        x = self.visual.stem(pixels)
        for layer in (self.visual.layer1, self.visual.layer2, self.visual.layer3, self.visual.layer4):
            x = layer(x)
        return attention_pool(self.visual.attnpool, x)


def fold_batch_norms(module: nn.Module) -> None:
    """The batch norms among the children become part of the convolutions before them, in place."""
    for convolution, norm in (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"), ("0", "1")):
        if type(getattr(module, norm, None)) is nn.BatchNorm2d:
            fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
            setattr(module, convolution, fused)
            setattr(module, norm, nn.Identity())


def attention_pool(pool: modified_resnet.AttentionPool2d, x: Tensor) -> Tensor:
    """(B, C, H, W) → (B, embed_dim): attention of the mean over all places.

    With one query per head it is cheaper to bring the query to the keys' input, qᵀ(W_k x) = (W_kᵀ q)ᵀ x, and to mix
    before projecting the values: no token is ever projected. The keys' bias adds the same to every score.
    """
    batch, width = x.shape[:2]
    tokens = x.flatten(2).transpose(1, 2)
    tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1) + pool.positional_embedding
    per_head = (pool.num_heads, width // pool.num_heads, width)
    query = pool.q_proj(tokens[:, 0]).view(batch, *per_head[:2]) * per_head[1] ** -0.5
    query = torch.einsum("bhd,hdc->bhc", query, pool.k_proj.weight.view(per_head))
    mixed = (query @ tokens.transpose(1, 2)).softmax(-1) @ tokens
    values = torch.einsum("bhc,hdc->bhd", mixed, pool.v_proj.weight.view(per_head)).flatten(1)
    return pool.c_proj(values + pool.v_proj.bias)
