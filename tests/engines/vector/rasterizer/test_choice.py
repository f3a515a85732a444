import threading

import pytest
import torch

from engines.vector import rasterize
from engines.vector.rasterizer import choice, native_backend


@pytest.fixture
def fresh(monkeypatch):
    """As in a process that has not drawn yet, on a machine without compiled kernels."""
    kernels = choice._NativeKernels()
    monkeypatch.setattr(kernels, "_on_disk", lambda: False)
    monkeypatch.setattr(choice, "_native_kernels", lambda: kernels)
    return kernels


def test_torch_serves_while_the_kernels_are_compiled(fresh, monkeypatch, random_scene):
    go_on = threading.Event()
    monkeypatch.setattr(native_backend, "draw_sample", lambda: go_on.wait(30))
    scene = random_scene(0)
    assert torch.equal(rasterize(scene), rasterize(scene, backend="torch"))
    assert choice.serving_backend("cpu") == "torch"
    go_on.set()
    assert choice.resolve_backend("cpu") == "native"
    assert torch.equal(rasterize(scene), rasterize(scene, backend="native"))


def test_kernels_on_disk_serve_at_once(fresh, monkeypatch):
    monkeypatch.setattr(fresh, "_on_disk", lambda: True)
    assert choice.serving_backend("cpu") == "native"


def test_torch_serves_where_kernels_cannot_be_compiled(fresh, monkeypatch, caplog):
    def fail():
        raise RuntimeError("no such processor")

    monkeypatch.setattr(native_backend, "draw_sample", fail)
    assert choice.resolve_backend("cpu") == "torch"
    assert choice.serving_backend("cpu") == "torch"
    assert "no such processor" in caplog.text


def test_only_float32_on_the_cpu_is_native(fresh):
    assert choice.resolve_backend("cpu", torch.float64) == "torch"
    assert choice.resolve_backend("meta") == "torch"


def test_compiled_kernels_are_found_on_disk():
    choice.resolve_backend("cpu")
    assert choice._NativeKernels()._on_disk()
