"""Whether a form's settings can be: asked in a thread, since the settings' types take long to import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def settings_problem(place: str, strategy: str, pairs: Sequence[tuple[str, str]], settings_path: Path | None) -> str:
    """What is wrong with `pairs` laid over the settings: one line that begins with `place` and says the mend. Empty
    where nothing is."""
    from core.domain.errors import SettingsError
    from core.lab.run.overrides import with_overrides
    from core.settings.schema import Settings, load_settings
    from tui.cli.lab_options import read_value

    try:
        settings = load_settings(settings_path) if settings_path is not None else Settings()
        with_overrides(settings, strategy, tuple((key, read_value(text)) for key, text in pairs), place)
    except SettingsError as error:
        return str(error)
    return ""
