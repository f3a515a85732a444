"""The command line: `python -m engines list`, `python -m engines METHOD --prompt ... --out DIR`.

Exit codes: 0 done, 1 the run failed, 2 wrong input; both errors are one line on stderr. What was written stays.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from engines import ENGINES
from engines.engine import Engine, Frame
from engines.errors import EngineError
from engines.saved_files import is_file, read_json
from engines.settings import EngineSettings, SettingSpec

CHECKPOINT_SECONDS = 4.0
MAX_TIMELAPSE_FRAMES = 300
_SHORTCUTS = {"prompt": "prompt", "steps": "num_steps", "seed": "seed", "operation": "operation"}
"""Options of their own, where the method has that setting."""


class WrongInput(Exception):
    """What the user typed cannot be used."""


def main(arguments: list[str] | None = None, program: str = "python -m engines") -> int:
    """Run one command and return its exit code; `program` is how help texts name the program."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return _dispatch(arguments, program)
    except WrongInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: what was drawn so far is in the output folder", file=sys.stderr)
        return 1
    except MemoryError:
        print("error: The memory is full; use a smaller canvas, fewer strokes or fewer views.", file=sys.stderr)
        return 1


def _dispatch(arguments: list[str], program: str) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: {program} METHOD --prompt ... --out DIR\n\n{_methods()}\n")
        print(f"{program} METHOD --help lists the settings of a method.")
        return 0
    if arguments[0] == "list":
        print(_methods())
        return 0
    if arguments[0] not in ENGINES:
        raise WrongInput(f"There is no method '{arguments[0]}'; choose one of {', '.join(ENGINES)}.")
    method = ENGINES[arguments[0]]
    options = _parser(method, program).parse_args(arguments[1:])
    return Job(method, options).run()


def _methods() -> str:
    return "\n".join(f"{name:<22}{ENGINES[name].summary}" for name in ENGINES)


# ---------------------------------------------------------------------------------------------- options


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise WrongInput(f"{message[0].upper()}{message[1:]}.")


def _parser(method: type[Engine], program: str) -> argparse.ArgumentParser:
    specs = method.Settings.specs()
    parser = _Parser(
        prog=f"{program} {method.name}",
        description=method.summary,
        epilog="settings (--set name=value; * may change while a run goes on):\n\n" + "\n".join(map(_describe, specs)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = {spec.name for spec in specs}
    for option, name in _SHORTCUTS.items():
        if name in names:
            parser.add_argument(
                f"--{option}", dest=name, metavar=option.upper(), help=f"same as --set {name}={option.upper()}"
            )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting; repeatable")
    if method.Settings.PRESETS:
        parser.add_argument("--preset", choices=[*method.Settings.PRESETS], help="settings to begin with")
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder (that of --resume unless given)")
    parser.add_argument("--models", choices=["pocket", "full"], help="embedded models (default), or published ones")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="go on from the state saved in this folder")
    parser.add_argument("--timelapse", action="store_true", help="also write timelapse.mp4")
    parser.add_argument("--quiet", action="store_true", help="no progress line")
    return parser


def _describe(spec: SettingSpec) -> str:
    if spec.choices:
        values = " | ".join(spec.choices)
    elif spec.minimum is not None and spec.maximum is not None:
        values = f"{spec.minimum:g} to {spec.maximum:g}"
    else:
        values = {"switch": "true | false", "color": "#rrggbb", "press": "number"}.get(
            spec.kind, "file" if spec.is_file else "text"
        )
    star = "*" if spec.live else " "
    return f" {star} {spec.name:<22}{values:<28}default {json.dumps(spec.default)}\n{'':<5}{spec.help}"


def _typed_settings(method: type[Engine], options: argparse.Namespace) -> dict[str, Any]:
    """What was typed, as plain values; `EngineSettings.parse` turns "0.5" into numbers."""
    names = {spec.name for spec in method.Settings.specs()}
    preset = getattr(options, "preset", None)
    values: dict[str, Any] = dict(method.Settings.PRESETS[preset]) if preset else {}
    values |= {name: getattr(options, name) for name in _SHORTCUTS.values() if getattr(options, name, None) is not None}
    for pair in options.set:
        name, equals, value = pair.partition("=")
        if not equals:
            raise WrongInput(f"--set needs NAME=VALUE, but got '{pair[:60]}'.")
        if name not in names:
            raise WrongInput(f"There is no setting '{name}'; see --help for all of them.")
        values[name] = value
    return values


# ---------------------------------------------------------------------------------------------- a run


class Job:
    """One run from the command line: reads the input, drives the engine, writes the folder as it goes."""

    def __init__(self, method: type[Engine], options: argparse.Namespace):
        self.method, self.options = method, options
        saved = self._saved_run()
        try:
            self.settings: EngineSettings = method.Settings.parse(
                {**saved.get("settings", {}), **_typed_settings(method, options)}
            )
        except EngineError as error:
            raise WrongInput(str(error)) from None
        self.family = options.models or saved.get("models", "pocket")
        self.folder: Path | None = options.out or options.resume
        if self.folder is None:
            raise WrongInput("The output folder is missing; add --out DIR.")
        self.records: list[dict[str, Any]] = []
        self.pictures: list = []
        self.stride = 1

    def run(self) -> int:
        from engines.zoo import Models

        models = self._checked(Models, self.family, self.options.device)
        self._open_folder()
        engine = self.method(models)
        if self.options.resume:
            self._load_state(engine)
        started = checkpointed = time.monotonic()
        frame = None
        try:
            last = started
            for frame in engine.run(self.settings):
                now = time.monotonic()
                self._record(frame, now - last)
                last = now
                if now - checkpointed > CHECKPOINT_SECONDS:
                    self._save_state(engine)
                    checkpointed = time.monotonic()
        finally:
            if frame is not None:
                self._finish(engine, frame, models, time.monotonic() - started)
        if not self.options.quiet:
            print(f"\n{self.folder}", file=sys.stderr)
        return 0

    def _saved_run(self) -> dict[str, Any]:
        """Settings and family of the folder to resume."""
        if self.options.resume is None:
            return {}
        folder = self.options.resume
        unreadable = WrongInput(f"'{folder}' holds no run to resume: its settings.json cannot be read.")
        try:
            saved = read_json(folder / "settings.json")
        except EngineError:
            raise unreadable from None
        if not isinstance(saved, dict) or not isinstance(saved.get("settings"), dict):
            raise unreadable
        method, family = saved.get("method"), saved.get("models")
        if not isinstance(method, str):
            raise unreadable
        if method != self.method.name:
            raise WrongInput(f"'{folder}' holds a run of {method[:40]}, not of {self.method.name}.")
        settings = self._with_inputs_of(folder, saved["settings"])
        return {"settings": settings, "models": family if family in ("pocket", "full") else "pocket"}

    def _with_inputs_of(self, folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
        """The studio keeps a run's pictures in its folder and names them from there."""
        for spec in self.method.Settings.specs():
            value = settings.get(spec.name)
            if spec.is_file and value and isinstance(value, str) and is_file(folder / value):
                settings[spec.name] = str(folder / value)
        return settings

    def _load_state(self, engine: Engine) -> None:
        from engines.state_file import load_state

        state = self._checked(load_state, self.options.resume / "state.safetensors")
        try:
            self._checked(engine.load_state_dict, state)
        except WrongInput:
            raise
        except Exception:  # a damaged state may fail anywhere
            raise WrongInput(
                f"The state.safetensors in '{self.options.resume}' is damaged or of another run; resume another folder."
            ) from None

    @staticmethod
    def _checked(action, *arguments):
        """What goes wrong here was typed wrong."""
        try:
            return action(*arguments)
        except EngineError as error:
            raise WrongInput(str(error)) from None

    def _open_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write_json(
                "settings.json",
                {"method": self.method.name, "models": self.family, "settings": self.settings.model_dump()},
            )
        except OSError as error:
            raise WrongInput(f"The output folder '{self.folder}' cannot be written: {error.strerror}.") from None

    def _record(self, frame: Frame, seconds: float) -> None:
        self.records.append({"step": frame.step, "seconds": round(seconds, 5), **frame.losses})
        if self.options.timelapse and frame.step % self.stride == 0:
            self.pictures.append(frame.image)
            if len(self.pictures) > MAX_TIMELAPSE_FRAMES:
                self.pictures, self.stride = self.pictures[::2], self.stride * 2
        if not self.options.quiet:
            loss = f"  loss {frame.losses['loss']:.4f}" if "loss" in frame.losses else ""
            print(f"\rstep {frame.step}/{frame.steps}{loss}  {frame.status}", end="", file=sys.stderr, flush=True)

    def _save_state(self, engine: Engine) -> None:
        from engines.state_file import save_state

        save_state(self.folder / "state.safetensors", engine.state_dict())

    def _finish(self, engine: Engine, frame: Frame, models, seconds: float) -> None:
        from engines.export import write_png, write_video

        settings = self.settings.model_dump()
        embedded = {"method": self.method.name, "models": self.family, "step": frame.step, "settings": settings}
        self._save_state(engine)
        write_png(frame.image, self.folder / "final.png", embedded)
        if frame.scene is not None:
            from engines.vector import save_svg

            save_svg(frame.scene, self.folder / "final.svg", background=frame.background, metadata=embedded)
        if self.method.artifact:
            with suppress(EngineError):  # not every run leaves one
                self.method.write_model(engine.state_dict(), self.folder / f"{self.method.artifact}.safetensors")
        if self.options.timelapse:
            write_video([*self.pictures, frame.image], self.folder / "timelapse.mp4")
        report = {"method": self.method.name, "settings": settings, "models": models.used, "steps": self.records}
        report |= {"seconds": round(seconds, 3), "device": str(models.device)}
        if frame.notices:
            report["notices"] = list(frame.notices)
        self._write_json("run.json", report)

    def _write_json(self, name: str, value: Any) -> None:
        from engines.files import write_text

        write_text(self.folder / name, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
