"""Which settings a home goes by."""

from __future__ import annotations

from pathlib import Path

from core.home.folder import Home
from core.settings.schema import Settings, load_settings


def settings_of(home: Home, path: Path | None = None) -> Settings:
    """The file named, else the home's own, else the defaults. Raises SettingsError."""
    if path is not None:
        return load_settings(path)
    return load_settings(home.settings) if home.settings.exists() else Settings()
