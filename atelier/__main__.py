"""The command line: `atelier` opens the page, `atelier draw METHOD` runs a method without it, `atelier list`.

Modules are imported once the command is known: `atelier --help` must not load torch.
"""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the program with the given arguments, by default those of this process; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["draw"]:
        from engines.__main__ import main as draw

        return draw(arguments[1:], program="atelier draw")
    if arguments[:1] == ["list"]:
        from engines.__main__ import main as draw

        return draw(arguments, program="atelier draw")
    from atelier.app import main as open_page

    return open_page(arguments)


if __name__ == "__main__":
    sys.exit(main())
