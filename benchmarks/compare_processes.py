"""Wall time and peak memory of two commands as whole processes, in interleaved pairs.

``python -m benchmarks.compare_processes --a "COMMAND" --b "COMMAND" [--pairs 5] [--json OUT]``

Each command runs once as a warm-up. Then the pairs: A then B, B then A, and so on, so that a
machine that slows down slows both. Ratios are taken pair by pair (B divided by A), then their
median. A pair in which other processes took much of the machine is run again, at most
``--retries`` times in all; ``--patience`` waits for the machine to fall quiet before each pair.
Linux only: memory and load are read from /proc.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shlex
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.process_memory import MemoryWatch

BUSY = 0.1
"""The most of the machine's CPU time that others may take during a run that counts."""

NOT_AS_INSTALLED = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
"""Neither side is to compile its modules anew at each start, or to write line by line."""


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds from start to exit, and peaks of resident memory in MB.

    ``apart_mb`` is the peak of the processes whose command line holds the ``--apart`` word,
    ``rest_mb`` the peak of all others together: the command itself and its other children.
    ``cpu_seconds`` is what all of them computed, ``others`` the share of the machine's CPU time
    that other processes took meanwhile.
    """

    seconds: float
    rest_mb: float
    apart_mb: float
    cpu_seconds: float = 0.0
    others: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """All runs of both commands, pair by pair; ratios are B divided by A."""

    a: tuple[Run, ...]
    b: tuple[Run, ...]
    repeated: int = 0
    """Pairs that were run again because of other processes."""

    @property
    def seconds_ratio(self) -> float:
        """How many times longer B takes."""
        return median(b.seconds / a.seconds for a, b in zip(self.a, self.b, strict=True))

    @property
    def memory_ratio(self) -> float:
        """How many times more memory B takes, not counting A's processes that stand apart."""
        return median(
            max(b.rest_mb, b.apart_mb) / a.rest_mb if a.rest_mb else math.nan
            for a, b in zip(self.a, self.b, strict=True)
        )


def run(command: str, apart: str) -> Run:
    """Runs ``command`` to its end; RuntimeError with its last words where it fails."""
    environment = {key: os.environ[key] for key in os.environ if key not in NOT_AS_INSTALLED}
    with tempfile.TemporaryFile() as output:
        before, busy = _children_seconds(), _machine_seconds()
        start = time.perf_counter()
        process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
        )
        watch = MemoryWatch(process.pid, apart)
        try:
            code = watch.until_exit(process)
            seconds = time.perf_counter() - start
        finally:
            process.kill()
            process.wait()
        if code != 0:
            output.seek(0)
            last = output.read()[-2000:].decode(errors="replace")
            raise RuntimeError(f"exit code {code} from: {command}\n{last}")
    computed = _children_seconds() - before
    others = _machine_seconds() - busy - computed
    share = max(0.0, others / (seconds * (os.cpu_count() or 1)))
    return Run(seconds, watch.rest_bytes / 1e6, watch.apart_bytes / 1e6, computed, share)


def _children_seconds() -> float:
    """CPU seconds of all children that ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _machine_seconds() -> float:
    """CPU seconds that the machine has computed since its start, for whomever."""
    with Path("/proc/stat").open() as lines:
        user, nice, system, _, _, interrupts, soft, *_ = map(int, next(lines).split()[1:])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(patience: float) -> None:
    """Returns after two quiet seconds in a row, or after ``patience`` seconds."""
    quiet, deadline = 0, time.monotonic() + patience
    while quiet < 2 and time.monotonic() < deadline:
        before = _machine_seconds()
        time.sleep(1.0)
        calm = _machine_seconds() - before < BUSY * (os.cpu_count() or 1)
        quiet = quiet + 1 if calm else 0


@dataclass(frozen=True)
class Patience:
    """How often to repeat disturbed pairs in all, how many seconds to wait before each pair."""

    retries: int = 0
    seconds: float = 0.0


def compare(
    command_a: str, command_b: str, pairs: int, apart: str, patience: Patience | None = None
) -> Comparison:
    """Runs both commands ``pairs`` times after one warm-up each.

    A pair that other processes disturbed is run again while ``patience`` lasts.
    """
    patience = patience or Patience()
    commands = {"a": command_a, "b": command_b}
    for command in commands.values():
        run(command, apart)
    runs: dict[str, list[Run]] = {"a": [], "b": []}
    repeated = 0
    while len(runs["a"]) < pairs:
        order = ("ab", "ba")[len(runs["a"]) % 2]
        wait_for_quiet(patience.seconds)
        pair = {side: run(commands[side], apart) for side in order}
        if repeated < patience.retries and max(one.others for one in pair.values()) > BUSY:
            repeated += 1
            continue
        for side in order:
            runs[side].append(pair[side])
    return Comparison(tuple(runs["a"]), tuple(runs["b"]), repeated)


def table(result: Comparison) -> str:
    """The medians and ratios as the rows of a Markdown table."""
    rows = ["| | seconds | CPU seconds | peak MB | peak MB apart |", "|---|---|---|---|---|"]
    for side, runs in (("A", result.a), ("B", result.b)):
        seconds = median(item.seconds for item in runs)
        computed = median(item.cpu_seconds for item in runs)
        rest = median(item.rest_mb for item in runs)
        apart = median(item.apart_mb for item in runs)
        rows.append(f"| {side} | {seconds:.3f} | {computed:.2f} | {rest:.0f} | {apart:.0f} |")
    rows.append(f"| B / A | {result.seconds_ratio:.2f} | | {result.memory_ratio:.2f} | |")
    disturbed = max(item.others for item in (*result.a, *result.b))
    rows.append(f"\nOther processes: at most {disturbed:.0%} of the machine during a run")
    return "\n".join(rows)


def document(result: Comparison, commands: tuple[str, str]) -> dict[str, object]:
    """The same as one JSON document, with every single run."""
    return {
        "commands": {"a": commands[0], "b": commands[1]},
        "seconds_ratio": result.seconds_ratio,
        "memory_ratio": result.memory_ratio,
        "pairs_run_again": result.repeated,
        "runs": {
            "a": [asdict(item) for item in result.a],
            "b": [asdict(item) for item in result.b],
        },
    }


def main() -> None:
    """Compares the two commands of the command line and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--a", required=True, help="the first command, quoted")
    parser.add_argument("--b", required=True, help="the second command, quoted")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--retries", type=int, default=10, help="pairs to run again at most")
    parser.add_argument("--patience", type=float, default=0.0, help="seconds to wait for quiet")
    parser.add_argument(
        "--apart",
        default="tensorflow_child",
        help="processes with this word in their command line are counted apart",
    )
    parser.add_argument("--json", type=Path, help="write every run here")
    options = parser.parse_args()
    patience = Patience(options.retries, options.patience)
    result = compare(options.a, options.b, options.pairs, options.apart, patience)
    print(table(result))
    if options.json:
        text = json.dumps(document(result, (options.a, options.b)), indent=2)
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
