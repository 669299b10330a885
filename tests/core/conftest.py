from __future__ import annotations

import pytest

from tests.core.trader.desk import Desk, make_trader


@pytest.fixture
def desk() -> Desk:
    """A trader with the default limits, at noon UTC."""
    return Desk(make_trader())
