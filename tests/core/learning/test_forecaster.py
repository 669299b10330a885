from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.compute.lanes import WorkerPool
from core.domain.errors import ModelError
from core.domain.forecast import Contribution
from core.domain.origin import champion
from core.learning.forecaster import WorkerForecaster, last_bars, training_bars, training_seed
from core.learning.tasks import window_sha256
from core.learning.versions import list_versions, load_version
from core.ports import BarColumns
from tests.core.learning import toy
from tests.core.learning.processes import told
from tests.declared import with_part
from tests.strategies.recorded import COLUMNS, made_up

STRATEGY = toy.strategy()
NEEDED = toy.WINDOW_BARS


def bars(symbol: str, count: int, first: float = 1.0) -> BarColumns:
    return replace(made_up(np.arange(first, first + count), np.ones(count)), symbol=symbol)


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(training_workers=1, training_nice=0)
    yield pool
    await pool.close()


@pytest.fixture
def make(pool: WorkerPool, tmp_path: Path) -> Callable[..., WorkerForecaster]:
    def build(run_seed: int = 7, root: str = "models", **options: object) -> WorkerForecaster:
        return WorkerForecaster(toy.strategy(**options), pool, tmp_path / root, run_seed)

    return build


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def test_a_training_makes_a_version_and_a_prediction_uses_it(
    make: Callable[..., WorkerForecaster], tmp_path: Path
) -> None:
    forecaster = make()
    window = bars("BTCUSDT", NEEDED)
    result = await forecaster.train(window, requested_ms=NEEDED * 60_000)
    seed = training_seed(7, "toy", "BTCUSDT", NEEDED * 60_000)
    assert (result.symbol, result.strategy, result.passed, result.note) == ("BTCUSDT", "toy", True, "")
    assert result.metrics == {"rmse_bps": 55.0}

    manifest, _ = load_version(tmp_path / "models", "toy", "BTCUSDT", result.version, ("close",))
    assert (manifest.seed, manifest.created_ms, manifest.lookback_bars) == (seed, NEEDED * 60_000, 4)
    assert (manifest.window_from_ms, manifest.window_to_ms) == (0, NEEDED * 60_000)
    assert manifest.data_sha256 == window_sha256(window)
    assert manifest.settings == {"feature": "close"}

    (prediction,) = await forecaster.predict([(window, result.version)], made_ms=123)
    assert prediction is not None
    assert prediction.values == (seed * 10.0, 0.75)
    assert (prediction.symbol, prediction.origin) == ("BTCUSDT", champion("toy", result.version))
    assert (prediction.bar_close_ms, prediction.made_ms) == (NEEDED * 60_000, 123)
    assert prediction.contributions == (Contribution("close", 10.0, seed * 10.0),)


async def test_answers_depend_on_the_arguments_alone(make: Callable[..., WorkerForecaster], tmp_path: Path) -> None:
    first, second = make(root="first"), make(root="second")
    symbols = ["BTCUSDT", "ETHUSDT", "XRPUSDT"]
    orders = [(symbol, at) for symbol in symbols for at in (60_000, 120_000)]
    made = {order: await first.train(bars(order[0], NEEDED), order[1]) for order in orders}
    for order in reversed(orders):
        assert await second.train(bars(order[0], NEEDED), order[1]) == made[order]
    assert tree(tmp_path / "first") == tree(tmp_path / "second")

    asked = [(bars(symbol, 4, first=i), made[symbol, 60_000].version) for i, symbol in enumerate(symbols)]
    together = await first.predict(asked, 5)
    assert await second.predict(asked[::-1], 5) == together[::-1]
    assert [(await second.predict([one], 5))[0] for one in asked] == together


async def test_another_run_seed_gives_other_models(make: Callable[..., WorkerForecaster]) -> None:
    versions = {(await make(run_seed=seed).train(bars("BTCUSDT", NEEDED), 60_000)).version for seed in (1, 2)}
    assert len(versions) == 2


def test_a_trainings_seed_tells_every_part_of_its_name() -> None:
    names = [(7, "a", "B", 1), (8, "a", "B", 1), (7, "b", "B", 1), (7, "a", "C", 1), (7, "a", "B", 2)]
    seeds = [training_seed(*name) for name in names]
    assert len(set(seeds)) == len(names)
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert training_seed(7, "scalper", "BTCUSDT", 0) == 0x79E6F6C2


async def test_only_the_newest_bars_count(make: Callable[..., WorkerForecaster]) -> None:
    forecaster = make()
    longer = bars("BTCUSDT", 30)
    assert training_bars(STRATEGY, 60_000) == NEEDED
    result = await forecaster.train(last_bars(longer, NEEDED), 60_000)
    assert await forecaster.train(longer, 60_000) == result
    whole, cut = await forecaster.predict([(longer, result.version), (last_bars(longer, 4), result.version)], 0)
    assert whole == cut
    assert whole is not None


async def test_no_answer_where_the_window_is_short_or_has_a_gap_or_no_version_is_named(
    make: Callable[..., WorkerForecaster],
) -> None:
    forecaster = make()
    version = (await forecaster.train(bars("BTCUSDT", NEEDED), 60_000)).version
    gap = replace(bars("BTCUSDT", 4), close=np.array([1.0, 1.0, 1.0, np.nan]))
    whole = bars("BTCUSDT", 4)
    answers = await forecaster.predict(
        [(bars("BTCUSDT", 3), version), (whole, version), (gap, version), (whole, "")], 0
    )
    assert [answer is None for answer in answers] == [True, False, True, True]
    assert forecaster.describe()["unusable"] == {}


async def test_a_short_training_window_makes_no_version(make: Callable[..., WorkerForecaster]) -> None:
    result = await make().train(bars("BTCUSDT", NEEDED - 1), 60_000)
    assert (result.version, result.passed) == ("", False)
    assert result.note == "a training needs 10 bars, the window has 9"


async def test_a_training_that_finds_nothing_to_learn_makes_no_version(
    make: Callable[..., WorkerForecaster], tmp_path: Path
) -> None:
    result = await make(trap="").train(bars("BTCUSDT", NEEDED), 60_000)
    assert (result.version, result.passed, result.note) == ("", False, "nothing to learn from")
    assert tree(tmp_path) == {}


async def test_a_version_that_cannot_be_used_costs_only_its_own_symbol(
    make: Callable[..., WorkerForecaster], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    forecaster = make()
    damaged = (await forecaster.train(bars("BTCUSDT", NEEDED), 60_000)).version
    whole = (await forecaster.train(bars("ETHUSDT", NEEDED), 60_000)).version
    file = tmp_path / "models/toy/BTCUSDT" / damaged / "scale.json"
    content = file.read_bytes()
    file.write_bytes(b"1.0")
    asked = [(bars("BTCUSDT", 4), damaged), (bars("ETHUSDT", 4), whole), (bars("XRPUSDT", 4), "XRPUSDT-none")]
    with caplog.at_level(logging.ERROR):
        answers = [await forecaster.predict(asked, 0) for _ in range(2)]
    assert [[answer is None for answer in answer] for answer in answers] == [[True, False, True]] * 2
    unusable = forecaster.describe()["unusable"]
    assert "checksum differs" in unusable["BTCUSDT"]
    assert "cannot be read" in unusable["XRPUSDT"]
    assert len(caplog.records) == 2

    file.write_bytes(content)
    assert (await forecaster.predict(asked[:1], 0))[0] is not None
    assert list(forecaster.describe()["unusable"]) == ["XRPUSDT"]


async def test_a_model_of_other_features_is_refused(make: Callable[..., WorkerForecaster]) -> None:
    version = (await make().train(bars("BTCUSDT", NEEDED), 60_000)).version
    later = make(feature="open")
    assert await later.predict([(bars("BTCUSDT", 4), version)], 0) == [None]
    assert "was trained on other features" in later.describe()["unusable"]["BTCUSDT"]


async def test_a_worker_killed_in_a_training_is_reported_and_the_next_training_works(
    make: Callable[..., WorkerForecaster], tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    forecaster = make(trap=str(pipe))
    training = asyncio.create_task(forecaster.train(bars("BTCUSDT", NEEDED), 60_000))
    os.kill(*await told(pipe), signal.SIGKILL)
    with pytest.raises(ModelError, match="training worker died"):
        await training
    assert (await forecaster.train(bars("BTCUSDT", NEEDED), 60_000)).passed
    assert forecaster.describe()["worker_restarts"] == {"inference": 0, "training": 1}


async def test_a_model_that_fails_is_a_model_error(make: Callable[..., WorkerForecaster]) -> None:
    with pytest.raises(ModelError, match="ZeroDivisionError: no such sum"):
        await make(trap="raise").train(bars("BTCUSDT", NEEDED), 60_000)
    with pytest.raises(ModelError, match=r"no\.such\.module: is not a model factory"):
        await make(factory="no.such.module").warm_up()
    with pytest.raises(ModelError, match="the toy stays cold"):
        await make(trap="cold").warm_up()


async def test_old_versions_go_but_never_the_one_in_use(make: Callable[..., WorkerForecaster], tmp_path: Path) -> None:
    forecaster = make()
    window = bars("BTCUSDT", NEEDED)
    made = [(await forecaster.train(window, i * 60_000)).version for i in range(5)]
    assert list_versions(tmp_path / "models", "toy", "BTCUSDT") == made

    await forecaster.predict([(window, made[1])], 0)
    made += [(await forecaster.train(window, i * 60_000)).version for i in (5, 6)]
    assert list_versions(tmp_path / "models", "toy", "BTCUSDT") == [made[1], made[5], made[6]]
    assert (await forecaster.predict([(window, made[1])], 0))[0] is not None


def test_a_strategy_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="declares no model"):
        WorkerForecaster(with_part(STRATEGY, source=None), WorkerPool(1, 0), tmp_path, 7)


def test_the_data_hash_tells_every_column() -> None:
    window = bars("BTCUSDT", 5)
    columns = ["open_time_ms", *COLUMNS]
    others = [replace(window, **{name: getattr(window, name) + 1}) for name in columns]
    assert len({window_sha256(one) for one in [window, *others]}) == 7
