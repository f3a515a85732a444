"""The page: reads its options, builds the studio, opens the page and waits."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

LOCAL = "127.0.0.1"
USAGE = """
  atelier [options]                                       open the page in a browser
  atelier draw METHOD --prompt "a red apple" --out DIR    draw without the page; METHOD --help lists the settings
  atelier list                                            list the methods"""


def main(arguments: list[str] | None = None) -> int:
    """Read the options, build the studio, open the page, and stay until Ctrl+C."""
    options = read(arguments)
    with tempfile.TemporaryDirectory(prefix="atelier-") as scratch:
        # Uploads and Gradio's cache are removed when the studio closes.
        os.environ["GRADIO_TEMP_DIR"] = scratch
        tempfile.tempdir = scratch
        return serve(options)


def read(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the options of the page; wrong ones print one line and exit with status 2."""
    parser = argparse.ArgumentParser(
        prog="atelier",
        usage=USAGE,
        description="Draw with words, and change every setting while the picture is made.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    page = parser.add_argument_group("options of the page")
    page.add_argument("--port", type=int, default=None, help="port of the page (default: the first free from 7860)")
    page.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto")
    page.add_argument("--outputs", type=Path, default=Path("outputs"), help="folder for drawings (default: outputs)")
    page.add_argument("--no-browser", action="store_true", help="do not open the page in a browser")
    page.add_argument("--listen", action="store_true", help="let other machines reach the page; needs --auth")
    page.add_argument("--share", action="store_true", help="open a public address at gradio.live; needs --auth")
    page.add_argument("--auth", metavar="NAME:PASSWORD", type=_name_and_password, help="ask everybody for this login")
    options = parser.parse_args(arguments)
    if (options.listen or options.share) and options.auth is None:
        parser.error("--listen and --share let others in; protect the page with --auth NAME:PASSWORD")
    return options


def _name_and_password(text: str) -> tuple[str, str]:
    name, _, password = text.partition(":")
    if not name or not password:
        raise argparse.ArgumentTypeError("write it as NAME:PASSWORD")
    return name, password


def serve(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl+C; returns the exit code, 1 when the outputs folder cannot be used."""
    # Imported here, so that --help and a wrong option answer at once.
    from engines.errors import EngineError
    from studio import Studio
    from ui import page

    try:
        studio = Studio(options.outputs, device=options.device)
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.listen:
        print("Other machines can reach this page. Logins are not slowed down: keep it off the open internet.")
    try:
        _, address = page.serve(
            studio,
            shared=options.listen or options.share,
            server_name="0.0.0.0" if options.listen else LOCAL,
            server_port=options.port,
            auth=options.auth,
            share=options.share,
            inbrowser=not options.no_browser,
            prevent_thread_lock=True,
            quiet=True,
        )
        studio.announce(address)
        print(f"Atelier is open at {address}  (Ctrl+C closes it)", flush=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl+C: runs are saved first
        threading.Thread(target=warm_up, args=(options.device,), daemon=True).start()
        threading.Event().wait()
    except KeyboardInterrupt:
        print("Saving what is being drawn …")
    finally:
        studio.shutdown()
    return 0


def warm_up(device: str) -> None:
    """Draw one hidden step while the user types a prompt: loads the models and compiles the kernels."""
    from engines import ENGINES
    from engines.errors import EngineError
    from engines.zoo import Models

    method = ENGINES["clipdraw"]
    with suppress(EngineError):  # pressing Draw will say what is wrong
        for _ in method(Models("pocket", device)).run(method.Settings(prompt="a red apple", num_steps=1)):
            pass
