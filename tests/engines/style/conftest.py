import pytest
import torch
from torch import nn

import engines.clip._open_clip  # noqa: F401  makes torchvision importable beside a CPU build of torch
from engines.style import StyleEncoder


@pytest.fixture(scope="session")
def arrays(references):
    """`array(name)` of the released code, as a tensor."""
    return references.tensors("styleclipdraw_losses")


@pytest.fixture(scope="session")
def torchvision_vgg() -> nn.Module:
    """VGG-16 with the random weights of the reference arrays."""
    from torchvision.models import vgg16

    torch.manual_seed(0)
    return vgg16(weights=None)


@pytest.fixture(scope="session")
def random_encoder(torchvision_vgg) -> StyleEncoder:
    return StyleEncoder("random VGG-16", torchvision_vgg.features, sha256="")
