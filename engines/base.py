"""The names that every method, notebook and test imports, in one place."""

from engines.engine import Engine, Frame, RestingEngine
from engines.errors import EngineError, Sentence
from engines.settings import FILE_SUFFIXES, EngineSettings, LiveSettings, SettingSpec, setting

__all__ = [
    "FILE_SUFFIXES",
    "Engine",
    "EngineError",
    "EngineSettings",
    "Frame",
    "LiveSettings",
    "RestingEngine",
    "Sentence",
    "SettingSpec",
    "setting",
]
