"""The model catalogue: what exists, where it comes from, how big, which licence, and loading it.

A kind of model that only one method uses is loaded by that method's own `loading.py`.
"""

from engines.zoo.catalogue import CATALOGUE, CatalogueEntry, find
from engines.zoo.models import Models, replaceable

__all__ = ["CATALOGUE", "CatalogueEntry", "Models", "find", "replaceable"]
