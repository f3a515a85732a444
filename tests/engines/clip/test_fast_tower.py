"""The rearranged towers against open_clip's own, on small random models of every shape that is published."""

import copy

import pytest
import torch
import torch.nn.functional as F

from engines.clip import fast_tower
from engines.clip._open_clip import open_clip
from engines.clip.encoder import ClipEncoder

TEXT = {"context_length": 8, "vocab_size": 50, "width": 32, "heads": 2, "layers": 1}
SMALL = {"image_size": 32, "patch_size": 8, "width": 128, "head_width": 64, "layers": 3}
PUBLISHED = {
    "OpenAI": ({}, True),
    "OpenCLIP": ({}, False),
    "CLIPA": ({"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True}, False),
    "layer scale": ({"ls_init_value": 0.5}, False),
    "layer scale, quick": ({"ls_init_value": 0.5}, True),
    "CoCa": ({"attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True}, False),
    "oblong": ({"image_size": (32, 48)}, True),
}
RESNET = {"image_size": 64, "layers": [1, 2, 1, 1], "width": 16, "head_width": 64}


def random_model(vision: dict, quick_gelu: bool = False) -> torch.nn.Module:
    """Norms and biases too differ from where training starts, and weights are as large as a trained model's."""
    generator = torch.Generator().manual_seed(0)
    model = open_clip.CLIP(64, {**vision}, TEXT, quick_gelu=quick_gelu).eval().requires_grad_(False)
    for name, tensor in model.visual.state_dict().items():
        if tensor.dim() < 2 and tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.mul_(1 + 0.3 * noise.clamp(-2, 2)) if "var" in name else tensor.add_(0.3 * noise)
        elif tensor.dim() == 2:
            tensor.mul_(1.5)
    return model


@pytest.fixture
def float32(monkeypatch):
    monkeypatch.setattr(fast_tower, "matmul_dtype", lambda device: torch.float32)


@pytest.fixture
def bfloat16(monkeypatch):
    monkeypatch.setattr(fast_tower, "matmul_dtype", lambda device: torch.bfloat16)


def look(tower, size, count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """(unit features, gradient in the pixels of their likeness to something) for smooth random pictures."""
    generator = torch.Generator().manual_seed(1)
    pixels = F.interpolate(torch.randn(count, 3, 9, 9, generator=generator), size, mode="bicubic").requires_grad_()
    features = tower(pixels)
    features = F.normalize(features[0] if isinstance(features, tuple) else features, dim=-1)
    (features @ torch.randn(features.shape[1], generator=generator)).sum().backward()
    return features.detach(), pixels.grad


def lowest_cosines(model: torch.nn.Module, count: int = 3) -> tuple[float, float]:
    """Of features and of gradients, between the model as it was written and its fast tower."""
    size = model.visual.image_size
    features, gradient = look(copy.deepcopy(model).encode_image, size, count)
    fast_features, fast_gradient = look(fast_tower.fast_tower(model), size, count)
    return tuple(
        F.cosine_similarity(one.flatten(1).double(), other.flatten(1).double()).min().item()
        for one, other in ((features, fast_features), (gradient, fast_gradient))
    )


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("variant", PUBLISHED)
def test_a_transformer_computes_the_same_in_float32(variant):
    vision, quick_gelu = PUBLISHED[variant]
    model = random_model(SMALL | vision, quick_gelu)
    assert lowest_cosines(model) == pytest.approx((1, 1), abs=1e-6)
    assert isinstance(fast_tower.fast_tower(model), fast_tower._Transformer)


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("variant", PUBLISHED)
def test_bfloat16_keeps_features_and_gradients(variant):
    vision, quick_gelu = PUBLISHED[variant]
    features, gradients = lowest_cosines(random_model(SMALL | vision, quick_gelu))
    assert features > 0.9999
    assert gradients > 0.999


@pytest.mark.usefixtures("bfloat16")
def test_a_full_size_transformer_in_bfloat16():
    model = random_model({"image_size": 224, "patch_size": 32, "width": 768, "layers": 12}, quick_gelu=True)
    features, gradients = lowest_cosines(model, count=1)
    assert features > 0.9999
    assert gradients > 0.999


@pytest.mark.usefixtures("float32")
def test_the_model_computes_the_same_as_before_and_its_weights_are_shared():
    model = random_model(SMALL | {"ls_init_value": 0.5}, quick_gelu=True)
    before = look(copy.deepcopy(model).encode_image, 32)
    tower = fast_tower.fast_tower(model)
    for one, other in zip(before, look(model.encode_image, 32), strict=True):
        torch.testing.assert_close(one, other)
    block = model.visual.transformer.resblocks[0]
    assert tower.blocks[0].widen.weight.data_ptr() == block.mlp.c_fc.weight.data_ptr()
    assert tower.blocks[0].qkv.weight.data_ptr() == block.attn.in_proj_weight.data_ptr()


def test_a_residual_network_computes_the_same():
    model = random_model(RESNET)
    expected = look(copy.deepcopy(model).encode_image, 64)
    tower = fast_tower.fast_tower(model)
    for wanted, found, own in zip(expected, look(tower, 64), look(model.encode_image, 64), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(own, wanted, rtol=1e-3, atol=1e-5)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in model.visual.modules())


@pytest.mark.parametrize("vision", [{"qk_norm": True}, {"image_size": 36}], ids=["norm of queries", "pixels left over"])
def test_an_unknown_structure_is_computed_as_it_was_written(vision):
    model = random_model(SMALL | vision)
    original = copy.deepcopy(model)
    tower = fast_tower.fast_tower(model)
    assert tower == model.encode_image
    for wanted, found in zip(look(original.encode_image, 36), look(tower, 36), strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("vision", [SMALL, RESNET], ids=["transformer", "residual network"])
def test_only_the_pixels_get_a_gradient(vision):
    size = vision["image_size"]
    encoder = ClipEncoder("random", random_model(vision), None, "")
    assert not encoder.encode_image(torch.rand(2, 3, size, size)).requires_grad
    pixels = torch.rand(2, 3, size, size, requires_grad=True)
    encoder.encode_image(pixels).sum().backward()
    assert (pixels.grad.abs().amax((1, 2, 3)) > 0).all()
    assert all(not tensor.requires_grad for tensor in encoder.model.parameters())


def test_views_do_not_influence_each_other():
    encoder = ClipEncoder("random", random_model(SMALL), None, "")
    pictures = torch.rand(3, 3, 32, 32)
    together = encoder.encode_image(pictures)
    torch.testing.assert_close(together[1:2], encoder.encode_image(pictures[1:2]), rtol=0, atol=1e-2)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_bfloat16_only_where_the_processor_multiplies_it(monkeypatch):
    for able, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: {"avx512_bf16": able})
        assert fast_tower.matmul_dtype(torch.device("cpu")) == expected
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)  # another architecture
    assert fast_tower.matmul_dtype(torch.device("cpu")) == torch.float32
