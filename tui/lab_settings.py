"""Whether a form's settings can be: asked in a thread, since the settings' types take long to import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def settings_problem(strategy: str, pairs: Sequence[tuple[str, str]], settings_path: Path | None) -> str:
    """What is wrong with `pairs` laid over the settings, in one line with the mend; empty where nothing is."""
    from core.domain.errors import SettingsError
    from core.overrides import overridden
    from core.settings import Settings, load_settings

    try:
        settings = load_settings(settings_path) if settings_path is not None else Settings()
        overridden(settings, pairs, strategy)
    except SettingsError as error:
        return str(error).removeprefix("--set: ")
    return ""
