"""The names with which a pickle attacks: functions that run code, start programs, or open files and connections.

Nothing in a pickle is ever run here, whatever it names. This list only decides what a person is told: a file that names
one of these was made to do harm, while other unknown names are classes of the program that wrote the file.
"""

from __future__ import annotations

__all__ = ["runs_code"]

PACKAGES = {
    "_ctypes", "_frozen_importlib", "_frozen_importlib_external", "_imp", "_pickle", "_posixsubprocess", "_socket",
    "aiohttp", "asyncio", "bdb", "cPickle", "cProfile", "cffi", "cloudpickle", "codeop", "ctypes", "dill", "distutils",
    "doctest", "ensurepip", "ftplib", "http", "httplib", "httpx", "imaplib", "imp", "importlib", "marshal", "nt", "os",
    "paramiko", "pdb", "pickle", "pip", "pkgutil", "popen2", "poplib", "posix", "pty", "pydoc", "requests", "runpy",
    "setuptools", "shutil", "smtplib", "socket", "sqlite3", "ssl", "subprocess", "sys", "telnetlib", "timeit", "urllib",
    "urllib2", "urllib3", "venv", "webbrowser", "winreg", "xmlrpc", "zipapp", "zipimport",
}  # fmt: skip
"""Packages and modules of which a checkpoint needs nothing."""

NAMES = {
    "builtins": {"__import__", "apply", "breakpoint", "compile", "delattr", "eval", "exec", "execfile", "exit", "file",
                 "getattr", "globals", "help", "input", "locals", "open", "quit", "reload", "setattr", "vars"},
    "_io": {"FileIO", "open", "open_code"},
    "_operator": {"attrgetter", "call", "methodcaller"},
    "code": {"InteractiveConsole", "InteractiveInterpreter", "interact"},
    "commands": {"getoutput", "getstatusoutput"},
    "io": {"FileIO", "open", "open_code"},
    "numpy": {"fromfile", "load", "loadtxt", "memmap"},
    "operator": {"attrgetter", "call", "methodcaller"},
    "platform": {"popen"},
    "profile": {"Profile", "run", "runctx"},
    "torch": {"load", "save"},
    "torch.serialization": {"_legacy_load", "_load", "load"},
    "trace": {"Trace"},
    "types": {"CodeType", "FunctionType"},
}  # fmt: skip
NAMES["__builtin__"] = NAMES["builtins"]
"""Functions that do harm in modules whose classes are ordinary."""

MODULES = ("numpy.f2py", "numpy.testing", "torch._dynamo", "torch._inductor", "torch.hub", "torch.package",
           "torch.utils.cpp_extension")  # fmt: skip
"""Parts of ordinary packages that compile, fetch or run code."""


def runs_code(module: str, name: str) -> bool:
    """Whether a global of a pickle is one with which code is run, or reaches into the insides of another."""
    parts = (*module.split("."), *name.split("."))
    if any(len(part) > 4 and part.startswith("__") and part.endswith("__") for part in parts[1:]):
        return True
    package = parts[0]
    return (
        package in PACKAGES
        or any(module == other or module.startswith(f"{other}.") for other in MODULES)
        or name.split(".")[0] in NAMES.get(module, ())
    )
