"""Opens the studio in a browser: `python app.py`."""

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


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, build the studio, open the page, and stay until Ctrl+C."""
    options = read(arguments)
    with tempfile.TemporaryDirectory(prefix="atelier-") as scratch:
        # What comes in by upload, and what Gradio caches, goes when the studio closes.
        os.environ["GRADIO_TEMP_DIR"] = scratch
        tempfile.tempdir = scratch
        return serve(options)


def read(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; exits with status 2 and one line when it makes no sense."""
    parser = argparse.ArgumentParser(description="Draw with words, and take hold of the drawing while it is made.")
    parser.add_argument("--port", type=int, default=None, help="port of the page (default: the first free from 7860)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="folder for drawings (default: outputs)")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page in a browser")
    parser.add_argument("--listen", action="store_true", help="let other machines reach the page; needs --auth")
    parser.add_argument("--share", action="store_true", help="open a public address at gradio.live; needs --auth")
    parser.add_argument("--auth", metavar="NAME:PASSWORD", type=_name_and_password, help="ask everybody for this login")
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
    """Serve the page until Ctrl+C; the exit code, 1 when the outputs folder cannot be used."""
    # Imported here, so that --help and a wrong option answer at once.
    from engines.base import EngineError
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
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # being ended is like Ctrl+C: save first
        threading.Thread(target=warm_up, args=(options.device,), daemon=True).start()
        threading.Event().wait()
    except KeyboardInterrupt:
        print("Saving what is being drawn …")
    finally:
        studio.shutdown()
    return 0


def warm_up(device: str) -> None:
    """Draw one unseen step while a person still thinks about a prompt: models are loaded then, kernels compiled."""
    from engines import ENGINES
    from engines.base import EngineError
    from engines.zoo import Models

    method = ENGINES["clipdraw"]
    with suppress(EngineError):  # pressing Draw will say what is wrong
        for _ in method(Models("pocket", device)).run(method.Settings(prompt="a red apple", num_steps=1)):
            pass


if __name__ == "__main__":
    sys.exit(main())
