"""Where the market lies that comes with the program: candles/ and funding/, and the contract rules beside them."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data"
INSTRUMENTS = DATA / "instruments.toml"
