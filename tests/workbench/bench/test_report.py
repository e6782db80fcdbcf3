"""The table, the JSON, and the names that others rely on."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from workbench.bench.figures import FIGURES, measured
from workbench.bench.report import table, write
from workbench.bench.suites.ipc import percentile

# Names and budgets as the design and the first issue have them.
BUDGETS = {
    "ipc.publish_raw_per_s": 6_000,
    "aggregator.core_readings_per_s": 500_000,
    "pipeline.readings_per_s": 20_000,
    "memory.WriteSenseHAT_pss_mb": 28,
    "memory.CloudConnector_pss_mb": 30,
    "memory.ReadSenseHAT_pss_mb": 40,
    "memory.Aggregator_pss_mb": 45,
    "memory.Inference_pss_mb": 60,
    "memory.Dashboard_pss_mb": 40,
    "memory.suite_pss_mb": 270,
    "memory.localcore_pss_mb": 60,
    "flash.mb_per_day": 20,
    "localcore.start_s": 1,
    "localcore.deploy_suite_s": 10,
}
WITHOUT_A_BUDGET = (
    "ipc.publish_sync_per_s",
    "ipc.publish_pipelined_per_s",
    "ipc.latency_10_p50_ms",
    "ipc.latency_10_p99_ms",
    "ipc.latency_100_p50_ms",
    "ipc.latency_100_p99_ms",
    "ipc.memory_growth_20000_kb",
    "book.readings_per_s",
)


@pytest.mark.parametrize(("name", "goal"), BUDGETS.items())
def test_goals_are_the_budgets_of_the_design(name: str, goal: float) -> None:
    assert FIGURES[name].goal == goal


@pytest.mark.parametrize("name", WITHOUT_A_BUDGET)
def test_names_are_those_that_were_agreed(name: str) -> None:
    assert name in FIGURES


def test_more_is_better_for_rates_and_less_for_everything_else() -> None:
    better = {name for name, figure in FIGURES.items() if figure.higher_is_better}
    assert better == {name for name in FIGURES if name.endswith("_per_s")} | {
        "ratio.pipeline_to_book"
    }


def test_a_goal_that_is_met_exactly_is_reached() -> None:
    assert measured("localcore.start_s", [1.0]).reached
    assert measured("pipeline.readings_per_s", [20_000]).reached


def test_the_json_has_value_unit_and_goal_by_name(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    results = [measured("localcore.start_s", [0.3, 0.1, 0.2])]
    write(results, Path("/run/ipc.socket"), path)
    assert json.loads(path.read_text()) == {
        "socket": {"value": "/run/ipc.socket", "unit": "path", "goal": None},
        "localcore.start_s": {
            "value": 0.2,
            "unit": "s",
            "goal": 1,
            "reached": True,
            "samples": [0.3, 0.1, 0.2],
        },
    }


def test_the_table_says_of_how_many_samples_a_value_is_the_median() -> None:
    out = io.StringIO()
    results = [
        measured("pipeline.readings_per_s", [30_000, 10_000, 15_000]),
        measured("book.readings_per_s", [50]),
    ]
    Console(file=out, width=140).print(table(results))
    words = out.getvalue().split("│")
    row = [word.strip() for word in words[1:8]]
    assert row == [
        *("pipeline.readings_per_s", "15,000", "readings/s", "20,000", "no", "0.75"),
        "3: 10,000..30,000",
    ]


@pytest.mark.parametrize("percent", [1, 50, 99, 100])
def test_a_percentile_is_a_sample_that_so_many_do_not_exceed(percent: int) -> None:
    samples = [5.0, 1.0, 4.0, 4.0, 2.0, 9.0, 7.0]
    found = percentile(samples, percent)
    share = [sum(sample <= other for sample in samples) / len(samples) for other in samples]
    enough = [other for other, part in zip(samples, share, strict=True) if part >= percent / 100]
    assert found == min(enough)
