"""The benchmarks' clock and scales, on processes whose size and time are known."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from benchmarks import compare_processes
from benchmarks.compare_processes import Comparison, Patience, Run, compare, run, table

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
        a=(Run(1.0, 100.0, 900.0, 1.5), Run(2.0, 100.0, 900.0, 2.5), Run(1.0, 50.0, 900.0, 0.5)),
        b=(Run(3.0, 400.0, 0.0, 3.0), Run(8.0, 200.0, 0.0, 8.0, 0.06), Run(9.0, 400.0, 0.0, 9.0)),
    )
    assert result.seconds_ratio == 4.0
    assert result.memory_ratio == 4.0
    assert table(result).splitlines()[2:] == [
        "| A | 1.000 | 1.50 | 100 | 900 |",
        "| B | 8.000 | 8.00 | 400 | 0 |",
        "| B / A | 4.00 | | 4.00 | |",
        "",
        "Other processes: at most 6% of the machine during a run",
    ]


def test_computing_counts_and_so_do_other_processes() -> None:
    idle = run(command("import time; time.sleep(1)"), "")
    busy = run(command("import time\nwhile time.process_time() < 1: pass"), "")
    assert idle.cpu_seconds < 0.3
    assert busy.cpu_seconds == pytest.approx(1.0, abs=0.3)
    loop = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(loop) as stranger:
        disturbed = run(command("import time; time.sleep(1)"), "")
        stranger.kill()
    assert disturbed.others > 0.5 / (os.cpu_count() or 1)


def test_disturbed_pairs_are_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = iter([0.0, 0.0, 0.5, 0.0, 0.0, 0.02, 0.0, 0.9])
    monkeypatch.setattr(compare_processes, "run", lambda *_: Run(1.0, 1.0, 0.0, 1.0, next(shares)))
    result = compare("a", "b", 2, "", Patience(retries=1))
    assert result.repeated == 1
    assert [one.others for one in result.a] == [0.0, 0.9]
    assert [one.others for one in result.b] == [0.02, 0.0]
