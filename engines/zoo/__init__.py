"""The model catalogue: what exists, where it comes from, how big, which licence, how it is loaded."""

from engines.zoo.catalogue import CATALOGUE, CatalogueEntry, find
from engines.zoo.models import Models

__all__ = ["CATALOGUE", "CatalogueEntry", "Models", "find"]
