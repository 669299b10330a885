"""The scalper through the worker processes that train and ask it."""

from __future__ import annotations

from pathlib import Path

from core.arithmetic.costs import round_trip_cost_bps
from core.compute.lanes import WorkerPool
from core.domain.market import MINUTE_MS
from core.learning.forecaster import WorkerForecaster, training_bars
from core.ports import TrainingResult
from core.settings.schema import Settings
from strategies.scalper.declaration import build
from strategies.scalper.features import FEATURE_NAMES, LOOKBACK_BARS
from tests.strategies.recorded import cut, recorded

SETTINGS = Settings.model_validate({"scalper": {"window_hours": 24, "max_trees": 30, "early_stopping_rounds": 5}})
STRATEGY = build(SETTINGS)
SYMBOLS = ("BTCUSDT", "ETHUSDT")
BARS = training_bars(STRATEGY, MINUTE_MS)


async def _session(root: Path, run_seed: int, symbols: tuple[str, ...]) -> tuple[dict[str, TrainingResult], list]:
    """A fresh process for each: what a restart does."""
    pool = WorkerPool(training_workers=1, training_nice=0)
    forecaster = WorkerForecaster(STRATEGY, pool, root, run_seed)
    try:
        await forecaster.warm_up()
        results = {symbol: await forecaster.train(cut(recorded(symbol), 0, BARS), BARS) for symbol in symbols}
        live = [
            [(cut(recorded(s), BARS + i - LOOKBACK_BARS, BARS + i), results[s].version) for s in SYMBOLS]
            for i in range(20)
        ]
        return results, [await forecaster.predict(windows, 9) for windows in live]
    finally:
        await pool.close()


async def test_a_restart_gives_the_same_bytes_and_predictions_and_another_seed_others(tmp_path: Path) -> None:
    results, predictions = await _session(tmp_path / "a", 7, SYMBOLS)
    assert BARS == 1440
    for symbol in SYMBOLS:
        assert results[symbol].version.startswith(f"{symbol}-")
        assert results[symbol].metrics["validation_rows"] == 166.0
    for prediction in (one for batch in predictions for one in batch):
        assert 0.5 <= prediction.values[1] < 1.0
        assert {share.feature for share in prediction.contributions} < set(FEATURE_NAMES)
        assert len(prediction.contributions) == 5
    assert len({one.values[0] for batch in predictions for one in batch}) > 10

    again = await _session(tmp_path / "b", 7, SYMBOLS[::-1])
    assert again == (results, predictions)
    assert _tree(tmp_path / "b") == _tree(tmp_path / "a")

    other, _ = await _session(tmp_path / "c", 8, SYMBOLS)
    assert all(other[symbol].version != results[symbol].version for symbol in SYMBOLS)
    models = {name: content for name, content in _tree(tmp_path / "c").items() if name.endswith("model.txt")}
    assert len(models) == 2
    assert not set(models.values()) & set(_tree(tmp_path / "a").values())


def _tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_validation_charges_the_costs_of_the_settings() -> None:
    dear = build(Settings.model_validate({"costs": {"taker_fee_bps": 9, "slippage_bps": 1.0}}))
    assert dear.part.model is not None
    assert f'"round_trip_cost_bps": {round_trip_cost_bps(9.0, 1.0)}' in dear.part.model.options
