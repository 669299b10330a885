"""Settings as they are typed for a run, and whether they can be.

That is asked in a thread, since the settings' types take long to import."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from core.settings.values import Value

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"


def read_value(text: str) -> Value:
    """A number or truth value where the text is one, else the text."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return int(text)
    if re.fullmatch(NUMBER, text) and math.isfinite(float(text)):
        return float(text)
    return text


def settings_problem(place: str, strategy: str, pairs: Sequence[tuple[str, str]], settings_path: Path | None) -> str:
    """What is wrong with `pairs` laid over the settings: one line that begins with `place` and says the mend. Empty
    where nothing is."""
    from core.domain.errors import SettingsError
    from core.lab.run.overrides import with_overrides
    from core.settings.schema import Settings, load_settings

    try:
        settings = load_settings(settings_path) if settings_path is not None else Settings()
        with_overrides(settings, strategy, tuple((key, read_value(text)) for key, text in pairs), place)
    except SettingsError as error:
        return str(error)
    return ""
