"""The benchmarks' clock and scales, on processes whose size and time are known."""

from __future__ import annotations

import sys

import pytest
from benchmarks.compare_processes import Comparison, Run, compare, run, table

MEGABYTE = 1_000_000
HOLD = "import time; block = b'1' * {size}; time.sleep(0.3)"
PARENT = (
    "import subprocess, sys, time; block = b'1' * 40_000_000; "
    "subprocess.run([sys.executable, '-c', sys.argv[1], 'the_big_' + 'child']); time.sleep(0.05)"
)


def command(code: str, *arguments: str) -> str:
    words = [sys.executable, "-c", code, *arguments]
    return " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in words)


@pytest.fixture(scope="module")
def bare_mb() -> float:
    return run(command(HOLD.format(size=1)), "").rest_mb


def test_peak_of_one_process(bare_mb: float) -> None:
    held = run(command(HOLD.format(size=200 * MEGABYTE)), "")
    assert held.rest_mb - bare_mb == pytest.approx(200, abs=10)
    assert held.apart_mb == 0
    assert held.seconds > 0.3


def test_a_child_is_counted_apart_where_asked(bare_mb: float) -> None:
    parent = command(PARENT, HOLD.format(size=200 * MEGABYTE))
    apart = run(parent, "the_big_child")
    assert apart.rest_mb - bare_mb == pytest.approx(40, abs=10)
    assert apart.apart_mb - bare_mb == pytest.approx(200, abs=10)
    together = run(parent, "")
    assert together.rest_mb - 2 * bare_mb == pytest.approx(240, abs=15)
    assert together.apart_mb == 0


def test_a_failing_command_ends_the_comparison() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)^exit code 3 from: .*\nlast words"):
        compare(command("import sys; print('last words'); sys.exit(3)"), "true", 1, "")


def test_ratios_are_medians_of_pairs() -> None:
    result = Comparison(
        a=(Run(1.0, 100.0, 900.0), Run(2.0, 100.0, 900.0), Run(1.0, 50.0, 900.0)),
        b=(Run(3.0, 400.0, 0.0), Run(8.0, 200.0, 0.0), Run(9.0, 400.0, 0.0)),
    )
    assert result.seconds_ratio == 4.0
    assert result.memory_ratio == 4.0
    assert table(result).splitlines()[2:] == [
        "| A | 1.000 | 100 | 900 |",
        "| B | 8.000 | 400 | 0 |",
        "| B / A | 4.00 | 4.00 | |",
    ]
