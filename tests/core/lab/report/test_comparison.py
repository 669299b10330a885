from core.domain.rows import Row
from core.lab.report.comparison import compare


def detail(run_id: str, figures: Row, settings: Row, **more: object) -> Row:
    return {"run_id": run_id, "trades": 2, "figures": figures, "settings": settings, "breakdowns": {}, **more}


def test_runs_side_by_side() -> None:
    row = compare(
        [
            detail("r1", {"sharpe": 1.0, "calmar": None}, {"a": {"x": 1, "y": [1]}, "seed": 7}, sharpe=1.0),
            detail(
                "r2", {"sharpe": 2.0, "ulcer": 3.0, "drawdown": {"depth": 1}}, {"a": {"x": 2, "y": [1]}}, sharpe=2.0
            ),
        ]
    )
    figures = {item["name"]: item["values"] for item in row["figures"]}
    assert [item["run_id"] for item in row["runs"]] == ["r1", "r2"]
    assert "settings" not in row["runs"][0]
    assert next(iter(figures)) == "trades"
    assert figures["sharpe"] == [1.0, 2.0]
    assert figures["ulcer"] == [None, 3.0]
    assert "drawdown" not in figures
    assert row["settings"] == [{"name": "a.x", "values": [1, 2]}, {"name": "seed", "values": [7, None]}]
