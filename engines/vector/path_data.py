"""SVG path data ("M 1 2 C …") from and to control points.

A chain is (points, segments): points as a list of (x, y), segments as `Scene.from_paths` takes them, with `MOVE`
between subpaths. Curves stay what they are; elliptic arcs become cubics of at most 90°.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from engines.errors import EngineError
from engines.vector.scene import MOVE

__all__ = ["Chain", "arc", "finite", "format_number", "format_path", "parse_path", "read_path"]

Point = tuple[float, float]

SEPARATOR = r"\s*+,?+\s*+"  # possessive: no text makes the scan go back
NUMBER = re.compile(SEPARATOR + r"([-+]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][-+]?[0-9]++)?)")
FLAG = re.compile(SEPARATOR + r"([01])")
COMMAND = re.compile(r"[\s,]*+([MmZzLlHhVvCcSsQqTtAa])")
END = re.compile(r"[\s,]*+$")
ARGUMENTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}
ARC_COST = 8
"""Commands that an arc, which takes several curves, counts as."""


class Chain:
    """Control points and segments under construction; a subpath of a single move leaves no trace."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.segments: list[int] = []
        self.start: Point = (0.0, 0.0)
        self._lifted = True

    def move(self, point: Point) -> None:
        self.start = point
        self._lifted = True

    def draw(self, origin: Point, *points: Point) -> None:
        """Add a segment from `origin`, where the pen is, over inner control points to the last of `points`."""
        if self._lifted:
            if self.points:
                self.segments.append(MOVE)
            self.points.append(origin)
            self._lifted = False
        self.points += points
        self.segments.append(len(points) - 1)

    def close(self, at: Point) -> None:
        """Draw the line from `at` back to the start of the subpath, unless it has no length."""
        if not self._lifted and math.dist(at, self.start) > 1e-9:
            self.draw(at, self.start)
        self._lifted = True


def parse_path(data: str) -> Chain:
    """Read all of SVG's path commands; `EngineError` where the data cannot be read."""
    chain, error, _ = read_path(data)
    if error:
        raise error
    return chain


def read_path(data: str, max_commands: float = math.inf) -> tuple[Chain, EngineError | None, int]:
    """Read path data up to its first error, as SVG draws it (SVG 2, section 9.5.4).

    Returns the chain, the error and the number of commands; too many of them are an error too.
    """
    pen, count = _Pen(), 0
    try:
        for command, values in _commands(data):
            count += ARC_COST if command in "Aa" else 1
            if count > max_commands:
                raise EngineError("The SVG drawing has too many path commands; simplify it.")
            pen.obey(command, values)
    except EngineError as error:
        return pen.chain, error, count
    except ArithmeticError:
        return pen.chain, EngineError("The SVG drawing holds a path whose coordinates are too large."), count
    return pen.chain, None, count


class _Pen:
    """Turns commands into a chain: remembers where it is and what a smooth curve reflects."""

    def __init__(self) -> None:
        self.chain = Chain()
        self._here = self._control = (0.0, 0.0)
        self._last = ""

    def obey(self, command: str, values: list[float]) -> None:
        kind, before, chain = command.upper(), self._here, self.chain
        if not self._last and kind != "M":
            raise EngineError("SVG path data must begin with a move (M).")
        x, y = before if command.islower() else (0.0, 0.0)
        points = [(u + x, v + y) for u, v in zip(values[0::2], values[1::2], strict=False)]
        match kind:
            case "M":
                self._here = points[0]
                chain.move(self._here)
            case "Z":
                if self._last == "M":  # a dot, where line caps are round or square
                    chain.draw(before, before)
                chain.close(before)
                self._here = chain.start
            case "H" | "V":
                self._here = (values[0] + x, before[1]) if kind == "H" else (before[0], values[0] + y)
                chain.draw(before, self._here)
            case "A":
                self._here = (values[5] + x, values[6] + y)
                for piece in arc(before, self._here, *values[:5]):
                    chain.draw(before, *piece)
                    before = piece[-1]
            case "S" | "T":
                smooth = self._last in ("CS" if kind == "S" else "QT") and self._last
                reflected = (2 * before[0] - self._control[0], 2 * before[1] - self._control[1])
                points.insert(0, reflected if smooth else before)
        if kind in "LCSQT":
            self._here = points[-1]
            chain.draw(before, *points)
        self._control = points[-2] if kind in "CSQT" else self._here
        self._last = kind


def finite(text: str) -> float:
    """The value of a number's text; `EngineError` where it overflows."""
    value = float(text)
    if not math.isfinite(value):
        raise EngineError("The SVG drawing holds the number {text}, which is too large.", text=text[:40])
    return value


def _commands(data: str) -> Iterator[tuple[str, list[float]]]:
    """Every command with its arguments; repeated argument groups repeat the command."""
    position, command = 0, ""
    while not END.match(data, position):
        if found := COMMAND.match(data, position):
            command, position = found[1], found.end()
        elif command not in ("", "Z", "z") and NUMBER.match(data, position):
            command = {"M": "L", "m": "l"}.get(command, command)
        else:
            raise EngineError("SVG path data cannot be read at '{value}'.", value=_excerpt(data, position))
        values, position = _arguments(data, position, command)
        yield command, values


def _arguments(data: str, position: int, command: str) -> tuple[list[float], int]:
    values = []
    for index in range(ARGUMENTS[command.upper()]):
        is_flag = command in "Aa" and index in (3, 4)  # arc flags may stand without a separator: "0 01.5"
        found = (FLAG if is_flag else NUMBER).match(data, position)
        if not found:
            raise EngineError(
                "SVG path command '{command}' lacks a number at '{value}'.",
                command=command,
                value=_excerpt(data, position),
            )
        values.append(finite(found[1]))
        position = found.end()
    return values, position


def _excerpt(data: str, position: int) -> str:
    return " ".join(data[position : position + 20].split())


def arc(
    start: Point, end: Point, rx: float, ry: float, rotation: float, large: float, sweep: float
) -> list[tuple[Point, Point, Point]]:
    """An elliptic arc (SVG 1.1, appendix F.6; rotation in degrees) as cubics, each without its first point."""
    if start == end:
        return []
    rx, ry, phi = abs(rx), abs(ry), math.radians(rotation)
    if rx == 0 or ry == 0:
        thirds = [(start[0] + (end[0] - start[0]) * k / 3, start[1] + (end[1] - start[1]) * k / 3) for k in (1, 2)]
        return [(*thirds, end)]
    cos, sin = math.cos(phi), math.sin(phi)
    half = ((start[0] - end[0]) / 2, (start[1] - end[1]) / 2)
    x, y = (cos * half[0] + sin * half[1]) / rx, (cos * half[1] - sin * half[0]) / ry  # F.6.5.1 on the unit circle
    reach = math.hypot(x, y)
    if reach > 1:  # F.6.6: too small an ellipse grows until it reaches
        rx, ry, x, y, reach = rx * reach, ry * reach, x / reach, y / reach, 1.0
    lever = math.sqrt(max(0.0, 1 / reach**2 - 1)) * (-1 if bool(large) == bool(sweep) else 1)
    centre = (lever * y, -lever * x)  # F.6.5.2
    first = math.atan2(y - centre[1], x - centre[0])
    turn = math.atan2(-y - centre[1], -x - centre[0]) - first
    if sweep and turn < 0:
        turn += 2 * math.pi
    if not sweep and turn > 0:
        turn -= 2 * math.pi
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)

    def place(u: float, v: float) -> Point:
        u, v = rx * (u + centre[0]), ry * (v + centre[1])
        return cos * u - sin * v + middle[0], sin * u + cos * v + middle[1]

    count = max(1, math.ceil(abs(turn) / (math.pi / 2) - 1e-9))
    step = turn / count
    pull = 4 / 3 * math.tan(step / 4)
    pieces = []
    for k in range(count):
        a, b = first + k * step, first + (k + 1) * step
        one = place(math.cos(a) - pull * math.sin(a), math.sin(a) + pull * math.cos(a))
        two = place(math.cos(b) + pull * math.sin(b), math.sin(b) - pull * math.cos(b))
        pieces.append((one, two, end if k == count - 1 else place(math.cos(b), math.sin(b))))
    return pieces


def format_path(points: list[list[float]], segments: list[int], decimals: int, close: bool = False) -> str:
    """Path data of one path in absolute coordinates; `close` ends every subpath with Z."""
    pairs = iter([f"{format_number(x, decimals)} {format_number(y, decimals)}" for x, y in points])
    words = [f"M{next(pairs)}"]
    for inner in segments:
        if inner == MOVE:
            words.append(("Z" if close else "") + f"M{next(pairs)}")
        else:
            words.append("LQC"[inner] + " ".join(next(pairs) for _ in range(inner + 1)))
    return "".join(words) + ("Z" if close else "")


def format_number(value: float, decimals: int) -> str:
    """At most so many decimals, no trailing zeros."""
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
