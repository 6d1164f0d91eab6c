"""Wall time and peak memory of two commands as whole processes, in interleaved pairs.

``python -m benchmarks.compare_processes --a "COMMAND" --b "COMMAND" [--pairs 5] [--json OUT]``

Each command runs once as a warm-up. Then the pairs: A then B, B then A, and so on, so that a
machine that slows down slows both. Ratios are taken pair by pair (B divided by A), then their
median. Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.process_memory import MemoryWatch


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds from start to exit, and peaks of resident memory in MB.

    ``apart_mb`` is the peak of the processes whose command line holds the ``--apart`` word,
    ``rest_mb`` the peak of all others together: the command itself and its other children.
    """

    seconds: float
    rest_mb: float
    apart_mb: float


@dataclass(frozen=True)
class Comparison:
    """All runs of both commands, pair by pair; ratios are B divided by A."""

    a: tuple[Run, ...]
    b: tuple[Run, ...]

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
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            shlex.split(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output
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
    return Run(seconds, watch.rest_bytes / 1e6, watch.apart_bytes / 1e6)


def compare(command_a: str, command_b: str, pairs: int, apart: str) -> Comparison:
    """Runs both commands ``pairs`` times after one warm-up each."""
    commands = {"a": command_a, "b": command_b}
    for command in commands.values():
        run(command, apart)
    runs: dict[str, list[Run]] = {"a": [], "b": []}
    for pair in range(pairs):
        for side in ("ab", "ba")[pair % 2]:
            runs[side].append(run(commands[side], apart))
    return Comparison(tuple(runs["a"]), tuple(runs["b"]))


def table(result: Comparison) -> str:
    """The medians and ratios as the rows of a Markdown table."""
    rows = ["| | seconds | peak MB | peak MB apart |", "|---|---|---|---|"]
    for side, runs in (("A", result.a), ("B", result.b)):
        seconds = median(item.seconds for item in runs)
        rest = median(item.rest_mb for item in runs)
        apart = median(item.apart_mb for item in runs)
        rows.append(f"| {side} | {seconds:.3f} | {rest:.0f} | {apart:.0f} |")
    rows.append(f"| B / A | {result.seconds_ratio:.2f} | {result.memory_ratio:.2f} | |")
    return "\n".join(rows)


def document(result: Comparison, commands: tuple[str, str]) -> dict[str, object]:
    """The same as one JSON document, with every single run."""
    return {
        "commands": {"a": commands[0], "b": commands[1]},
        "seconds_ratio": result.seconds_ratio,
        "memory_ratio": result.memory_ratio,
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
    parser.add_argument(
        "--apart",
        default="tensorflow_child",
        help="processes with this word in their command line are counted apart",
    )
    parser.add_argument("--json", type=Path, help="write every run here")
    options = parser.parse_args()
    result = compare(options.a, options.b, options.pairs, options.apart)
    print(table(result))
    if options.json:
        text = json.dumps(document(result, (options.a, options.b)), indent=2)
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
