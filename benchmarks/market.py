"""What several sections need: the recorded market's contract rules, and a home that is gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.domain.instrument import Instrument
from core.home.folder import Home
from core.market.contracts.instruments import load_instruments
from core.settings.schema import Settings

DATA = Path(__file__).resolve().parents[1] / "data"


def load_settings_and_rules(settings: Settings | None = None) -> tuple[Settings, dict[str, Instrument]]:
    chosen = settings or Settings()
    known = load_instruments(DATA / "instruments.toml", chosen.costs)
    return chosen, {symbol: known[symbol] for symbol in chosen.market.symbols}


@contextmanager
def temporary_home(settings_toml: str = "") -> Iterator[Home]:
    """A home under the system's folder for temporary files, with `settings_toml` as its settings."""
    with tempfile.TemporaryDirectory(prefix="qdbench-") as folder:
        home = Home(Path(folder) / "home")
        home.create()
        if settings_toml:
            home.settings.write_text(settings_toml, encoding="utf-8")
        yield home
