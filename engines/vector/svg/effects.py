"""Clip paths and group opacity, applied to items that are already on the canvas."""

from __future__ import annotations

import dataclasses
from contextlib import suppress

import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from engines.errors import Sentence
from engines.vector.scene import Paint
from engines.vector.svg.budget import Budget, Notices
from engines.vector.svg.geometry import Item, item_area, path_of

__all__ = ["Effects"]

MAX_GROUP = 256
"""Items of a group whose overlaps are looked at."""
SAME = 1e-6


class Effects:
    """Cuts items. tolerance: px by which polygons may leave curves."""

    def __init__(self, tolerance: float, budget: Budget, notices: Notices):
        self.tolerance, self._budget, self._notices = tolerance, budget, notices

    def clipped(self, items: list[Item], region: BaseGeometry | None) -> list[Item]:
        """What of the items lies in the region; all of it, with a notice, where there is no region."""
        if region is None:
            self._give_up()
            return items
        self._budget.spend("item passes", len(items))
        corners = shapely.get_num_coordinates(region)
        shapely.prepare(region)
        return [kept for item in items if (kept := self._clipped_item(item, region, corners)) is not None]

    def _clipped_item(self, item: Item, region: BaseGeometry, corners: int) -> Item | None:
        if not self._budget.afford("geometry", corners // 8 + 1):
            return self._give_up(item)
        box = shapely.box(*item.bounds)
        if region.covers(box):
            return item
        if not region.intersects(box):
            return None
        return self._cut(item, region, corners, shapely.intersection)

    def _cut(self, item: Item, other: BaseGeometry, corners: int, operation) -> Item | None:
        """The item's area combined with another, None where nothing is left; the item itself where nothing changes."""
        area = item_area(item, self.tolerance, self._budget)
        work = corners + len(item.points) + corners * len(item.points) // 20
        if area is None or not self._budget.afford("geometry", work):
            return self._give_up(item)
        try:
            left = operation(area, other)
        except shapely.errors.GEOSException:
            return self._give_up(item)
        if left.area >= area.area * (1 - SAME) and area.area > 0:
            return item
        path = path_of(left)
        if path is None or left.area <= SAME * area.area:
            return None
        self._budget.spend("points", len(path[0]))
        return Item(*path, 0.0, item.color, Paint.EVENODD)

    def _give_up(self, item: Item | None = None) -> Item | None:
        self._notices.add(Sentence("A clip path or an overlap is too complicated; the shapes are drawn whole."))
        return item

    # ------------------------------------------------------------------------------ opacity

    def faded(self, items: list[Item], opacity: float) -> list[Item]:
        """The items as one translucent group: what an opaque item hides of those below it stays hidden."""
        self._budget.spend("item passes", len(items))
        if opacity < 1 and len(items) > 1:
            items = self._without_hidden(items)
        return [dataclasses.replace(item, color=(*item.color[:3], item.color[3] * opacity)) for item in items]

    def _without_hidden(self, items: list[Item]) -> list[Item]:
        count = len(items)
        if count > MAX_GROUP or not self._budget.afford("geometry", count * count // 16):
            return self._overlapping(items)
        boxes = np.array([item.bounds for item in items])
        low, high = boxes[:, :2], boxes[:, 2:]
        meets = (low[:, None] < high[None]).all(2) & (low[None] < high[:, None]).all(2)
        if not np.triu(meets, 1).any():
            return items
        transparent = np.array([item.color[3] < 1 for item in items])
        kept, hiding = [], Polygon()
        for at in reversed(range(count)):  # from the front to the back
            item = items[at]
            left = item
            if meets[at, at + 1 :].any():
                left = self._cut(item, hiding, shapely.get_num_coordinates(hiding), shapely.difference)
                if (transparent & meets[at])[at + 1 :].any():
                    self._overlapping(items)
            if left is not None:
                kept.append(left)
            if not transparent[at] and meets[at, :at].any():
                hiding = self._joined(hiding, item)
        return kept[::-1]

    def _joined(self, hiding: BaseGeometry, item: Item) -> BaseGeometry:
        """The area with that of an item, where the budget allows it."""
        area = item_area(item, self.tolerance, self._budget)
        if area is not None and self._budget.afford("geometry", shapely.get_num_coordinates(hiding)):
            with suppress(shapely.errors.GEOSException):
                return shapely.union(hiding, area)
        self._give_up()
        return hiding

    def _overlapping(self, items: list[Item]) -> list[Item]:
        self._notices.add(
            Sentence("A translucent group is drawn shape by shape; where its shapes overlap it is too dense.")
        )
        return items
