"""The benchmark: what is counted, and what the numbers mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeq_device.bench import PHASES, BenchOptions, benchmark, spread
from edgeq_device.errors import ConfigError
from edgeq_device.runner import Runner, RunnerOptions, open_deployment
from tests.device.bundles import Recipe, write_bundle


def test_percentiles_are_of_the_nearest_rank() -> None:
    found = spread(np.arange(100, 0, -1, dtype=np.float64))
    assert (found.least, found.p50, found.p90, found.p99, found.most) == (1, 50, 90, 99, 100)
    assert found.mean == 50.5
    one = spread(np.array([7.0]))
    assert (one.least, one.p50, one.p99, one.most) == (7, 7, 7, 7)


@pytest.mark.parametrize(("samples", "data"), [(2, "golden vectors"), (0, "zeros")])
def test_phases_add_up(tmp_path: Path, samples: int, data: str) -> None:
    seen: list[tuple[str, int, int]] = []
    with open_deployment(write_bundle(tmp_path / "x.edgeq", Recipe(samples=samples))) as deployment:
        runner = Runner(deployment, RunnerOptions("cpu", threads=1))
        report = benchmark(
            runner, BenchOptions(runs=20, warmup=3), progress=lambda *step: seen.append(step)
        )
    assert report.data == data
    assert (report.backend, report.threads, report.runs, report.warmup) == ("cpu", 1, 20, 3)
    phases = dict(zip(PHASES, report.phases))
    parts = sum(phases[name].mean for name in ("set", "invoke", "get"))
    assert phases["total"].mean == pytest.approx(parts, rel=1e-9)
    for each in report.phases:
        assert 0 < each.least <= each.p50 <= each.p90 <= each.p99 <= each.most
    assert report.per_second == pytest.approx(1000 / phases["total"].mean)
    assert seen[-1] == ("benchmark", 20, 20)
    document = json.loads(json.dumps(report.as_dict()))
    assert set(document["milliseconds"]) == set(PHASES)
    assert set(document["milliseconds"]["total"]) == {"min", "mean", "p50", "p90", "p99", "max"}


def test_wrong_numbers_of_runs() -> None:
    with pytest.raises(ConfigError, match="--runs is 0, but must be at least 1"):
        BenchOptions(runs=0)
    with pytest.raises(ConfigError, match="--warmup is -1, but must be 0 or more"):
        BenchOptions(warmup=-1)
