from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.domain.errors import ModelError
from core.domain.market import MINUTE_MS
from core.engine.models import ModelDesk
from core.learning.forecaster import WorkerForecaster, training_bars
from core.settings.schema import Settings
from core.strategy.declaration import ModelSpec, history_ms
from strategies.ema_cross.declaration import build
from strategies.scalper.declaration import build as build_scalper
from tests.declared import with_part

RULE = build(Settings())
NEVER_ASKED: Any = None


def test_a_model_needs_its_window_before_it_trades_and_a_rule_its_look_back() -> None:
    assert history_ms(build_scalper(Settings()), MINUTE_MS) == 48 * 60 * MINUTE_MS
    assert history_ms(RULE, MINUTE_MS) == RULE.part.lookback_bars * MINUTE_MS


def test_nothing_is_trained_without_a_lifecycle() -> None:
    desk = ModelDesk(RULE, NEVER_ASKED, ("BTCUSDT",), 60_000, NEVER_ASKED)
    assert desk.due_requests(0) == []
    assert training_bars(RULE, MINUTE_MS) == 0


def test_a_model_that_nothing_would_train_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="strategy ema_cross: declares no model"):
        WorkerForecaster(RULE, NEVER_ASKED, tmp_path, 7)
    untrained = with_part(RULE, source=ModelSpec("toy", "{}"))
    with pytest.raises(ModelError, match="strategy ema_cross: declares no lifecycle"):
        WorkerForecaster(untrained, NEVER_ASKED, tmp_path, 7)
