"""A model text that was made to do harm is refused before the library reads it; what gets by costs a worker, and the
engine that asked goes on."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

from core.compute.lanes import WorkerPool
from core.domain.errors import ModelError
from core.learning import lightgbm_text
from core.learning.lightgbm_text import check_model_text
from core.learning.protocol import SavedModel
from strategies.scalper.features import FEATURE_NAMES
from strategies.scalper.model import MODEL_FILE
from tests.core.learning import toy
from tests.strategies.scalper.test_model import HISTORY, learner

FEATURES = len(FEATURE_NAMES)


@pytest.fixture(scope="module")
def text() -> str:
    """Of four trees over the scalper's features."""
    chance = np.random.default_rng(0)
    rows = chance.normal(size=(600, FEATURES))
    told = {"objective": "regression", "num_leaves": 9, "verbose": -1, "num_threads": 1, "seed": 0}
    data = lgb.Dataset(rows, rows[:, 0] * rows[:, 3] + rows[:, 7], feature_name=list(FEATURE_NAMES))
    return lgb.train(told, data, 4).model_to_string()


def changed(text: str, key: str, value: str) -> str:
    """The first line of this key, with another value; the sizes of the trees are right all the same."""
    told, count = re.subn(rf"^{key}=.*$", f"{key}={value}", text, count=1, flags=re.MULTILINE)
    assert count == 1
    return told if key == "tree_sizes" else sized(told)


def sized(text: str) -> str:
    trees = text.partition("\nend of trees")[0].split("\nTree=")[1:]
    sizes = " ".join(str(len(f"Tree={tree}\n")) for tree in trees)
    return re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", text, count=1, flags=re.MULTILINE)


def words(text: str, key: str) -> list[str]:
    found = re.search(rf"^{key}=(.*)$", text, flags=re.MULTILINE)
    assert found is not None
    return found[1].split()


def with_word(text: str, key: str, place: int, word: str) -> str:
    told = words(text, key)
    told[place] = word
    return changed(text, key, " ".join(told))


def test_the_texts_of_a_training_are_read(text: str) -> None:
    assert check_model_text(text.encode(), FEATURES) == text


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_the_texts_of_strange_trainings_are_read(scale: float) -> None:
    """A tree of one leaf, and a gain that is more than a number can be."""
    rows = np.random.default_rng(1).normal(size=(300, FEATURES)) * scale
    told = {"objective": "regression", "num_leaves": 5, "verbose": -1, "num_threads": 1}
    with np.errstate(over="ignore"):
        text = lgb.train(told, lgb.Dataset(rows, rows[:, 0] * scale), 2).model_to_string()
    assert check_model_text(text.encode(), FEATURES) == text


HOSTILE: dict[str, tuple[Callable[[str], str], str]] = {
    "more leaves than memory": (lambda text: changed(text, "num_leaves", "2000000000"), "has 2000000000 leaves"),
    "leaves below none": (lambda text: changed(text, "num_leaves", "-5"), "has -5 leaves"),
    "leaves that are no number": (lambda text: changed(text, "num_leaves", "many"), "num_leaves is not 1 whole"),
    "arrays that are too short": (lambda text: changed(text, "threshold", "1 2"), "has 2 of threshold and not"),
    "a feature beyond the row": (lambda text: with_word(text, "split_feature", 0, "100000"), "feature that is not"),
    "a feature below none": (lambda text: with_word(text, "split_feature", 0, "-7"), "feature that is not"),
    "a node that leads to itself": (lambda text: with_word(text, "left_child", 1, "1"), "node 1 leads to 1"),
    "a node that leads back": (lambda text: with_word(text, "right_child", 2, "0"), "node 2 leads to 0"),
    "a child beyond all": (lambda text: with_word(text, "left_child", 0, "99999"), "node 0 leads to 99999"),
    "a leaf beyond all": (lambda text: with_word(text, "left_child", 0, "-99999"), "leads to -99999"),
    "more features than it has": (lambda text: changed(text, "max_feature_idx", "1000000000"), "max_feature_idx"),
    "many classes": (lambda text: changed(text, "num_class", "1000000000"), "says num_class '1000000000' and not 1"),
    "many trees an iteration": (lambda text: changed(text, "num_tree_per_iteration", "9"), "says num_tree_per_iter"),
    "a category": (lambda text: with_word(text, "decision_type", 0, "3"), "decides by what is not known"),
    "categories": (lambda text: changed(text, "num_cat", "1"), "has categories or linear leaves"),
    "linear leaves": (lambda text: changed(text, "is_linear", "1"), "has categories or linear leaves"),
    "what is no number": (lambda text: with_word(text, "leaf_value", 0, "="), "leaf_value holds what is no number"),
    "trees that are not there": (lambda text: changed(text, "tree_sizes", "9 9"), "other sizes of its trees"),
    "sizes of others": (lambda text: with_word(text, "tree_sizes", 0, "1"), "other sizes of its trees"),
    "a key told twice": (lambda text: sized(text.replace("num_cat=0\n", "num_cat=0\nnum_cat=0\n", 1)), "twice"),
    "a key nobody knows": (lambda text: sized(text.replace("num_cat=", "cat=1\nnum_cat=", 1)), "'cat', which is not"),
    "trees in disorder": (lambda text: text.replace("Tree=1", "Tree=7"), "names tree 1 '7'"),
    "no end": (lambda text: text.replace("end of trees", "end of tre"), "does not begin and end as"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_refused_before_the_library_reads_it(
    text: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lgb, "Booster", lambda **_: pytest.fail("the library reads it"))
    harm, said = HOSTILE[name]
    saved = SavedModel({MODEL_FILE: harm(text).encode()}, {"residual_rmse_bps": 1.0})
    with pytest.raises(ModelError, match=re.escape(said)) as told:
        learner().load(saved)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("cap", "most"), [("MAX_TEXT_BYTES", 1_000), ("MAX_TREES", 3), ("MAX_DEPTH", 2)])
def test_a_text_within_its_own_rules_has_bounds_too(
    text: str, cap: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lightgbm_text, cap, most)
    with pytest.raises(ModelError, match=r"larger than|at most 3 are read|more than 2 deep"):
        check_model_text(text.encode(), FEATURES)


def predicted(content: bytes) -> float:
    """In a worker: what a text says of the newest bar, whatever the text is."""
    model = learner().load(SavedModel({MODEL_FILE: content}, {"residual_rmse_bps": 1.0}))
    said = model.predict(HISTORY)
    assert said is not None
    model.explain(HISTORY, 3)
    return said[0]


def unchecked(content: bytes) -> float:
    """The same, of one that got by."""
    booster = lgb.Booster(model_str=content.decode())
    return float(np.asarray(booster.predict(np.zeros((1, FEATURES)), num_threads=1))[0])


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(training_workers=1, training_nice=0, log_path=tmp_path / "workers.log")
    yield pool
    await pool.close()


async def test_a_text_that_gets_by_costs_a_worker_and_is_told(text: str, pool: WorkerPool) -> None:
    """LightGBM ends the process that meets what is no number among those of a tree."""
    harm, _ = HOSTILE["what is no number"]
    before = await pool.infer(toy.worker_id)
    with pytest.raises(ModelError, match="inference worker died during a call; the next call starts a new one"):
        await pool.infer(unchecked, harm(text).encode())
    assert pool.restarts() == {"inference": 1, "training": 0}
    assert await pool.infer(toy.worker_id) != before
    assert await pool.infer(predicted, text.encode()) == await pool.infer(predicted, text.encode())


async def test_texts_changed_anywhere_are_answers_or_told_errors(text: str, pool: WorkerPool) -> None:
    answers = refusals = 0
    for seed in range(150):
        chance = np.random.default_rng(seed)
        content = bytearray(text.encode())
        for place in chance.integers(0, text.index("end of trees"), 1 + seed % 3):
            content[place] = ord("0123456789-=. \n"[chance.integers(0, 15)])
        try:
            await pool.infer(predicted, sized(content.decode()).encode())
            answers += 1
        except ModelError:
            refusals += 1
    assert answers > 0
    assert refusals > 0
    assert pool.restarts()["inference"] == 0
