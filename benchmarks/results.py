"""The figures that ``benchmarks/run-all`` left, as a Markdown table with the targets.

``python -m benchmarks.results FOLDER``
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

PACKAGES = ("numpy", "pillow", "ai-edge-litert", "tensorflow")
NETWORKS = {"efficientnet_lite0": "EfficientNet-Lite0", "mobilenet_v2": "MobileNetV2"}


@dataclass(frozen=True)
class Figure:
    """One line of the table; ``met`` says whether the target was reached."""

    what: str
    edgeq: str
    other: str
    result: str
    target: str
    met: bool


def figures(folder: Path) -> Iterator[Figure]:
    """Every figure whose file is there, in the order of the README."""
    for network, name in NETWORKS.items():
        for source, target in (("tflite", 7.0), ("keras", 1.7)):
            what = f"build {name} from a .{source}"
            found = _read(folder / f"build_{network}_{source}.json")
            if found:
                yield _ratio(what, found, target)
                yield _memory(f"{what}, peak memory", found, 4.0)
        close = _read(folder / f"agreement_{network}.json")
        if close:
            yield from _closeness(name, close, network)
    for threads in ("2", "1"):
        found = _read(folder / f"evaluate_{threads}.json")
        if found:
            # With one thread, the network itself takes two thirds of the time.
            target = 2.5 if threads == "2" else None
            yield _ratio(f"evaluate 125,000 digits, threads: {threads}", found, target)
    found = _read(folder / "run.json")
    if found:
        yield _ratio("run on 500 JPEGs", found, 1.5)
    yield from _starts(folder)


def _ratio(what: str, found: dict[str, Any], target: float | None) -> Figure:
    ratio = found["seconds_ratio"]
    ours, theirs = (f"{_median(found, side):.2f} s" for side in "ab")
    wanted = f"at least {target:g}x" if target else ""
    return Figure(what, ours, theirs, f"{ratio:.2f}x", wanted, ratio >= (target or 0))


def _memory(what: str, found: dict[str, Any], target: float) -> Figure:
    ratio = found["memory_ratio"]
    ours, theirs = (f"{_median(found, side, 'rest_mb'):.0f} MB" for side in "ab")
    wanted = f"at most a quarter ({target:g}x)"
    return Figure(what, ours, theirs, f"{ratio:.2f}x", wanted, ratio >= target)


def _closeness(name: str, close: dict[str, Any], network: str) -> Iterator[Figure]:
    ours, guides = close[f"{network}_edgeq"], close[f"{network}_guide"]
    points = round(100 * (ours["share"] - guides["share"]), 6)
    yield Figure(
        f"{name}, class of float on 200 test crops",
        f"{ours['share']:.1%}",
        f"{guides['share']:.1%}",
        f"{points:+.1f} points",
        "at most 2 points less",
        points >= -2,
    )
    decibels = ours["sqnr_db"] - guides["sqnr_db"]
    yield Figure(
        f"{name}, SQNR against float",
        f"{ours['sqnr_db']:.2f} dB",
        f"{guides['sqnr_db']:.2f} dB",
        f"{decibels:+.2f} dB",
        "at most 0.3 dB less",
        decibels >= -0.3,
    )


def _starts(folder: Path) -> Iterator[Figure]:
    found = _read(folder / "one_picture.json")
    if found:
        runs = found["runs"]
        more = median(a["seconds"] - b["seconds"] for a, b in zip(runs["a"], runs["b"]))
        ours, theirs = (f"{_median(found, side):.2f} s" for side in "ab")
        yield Figure(
            "run on one picture",
            ours,
            theirs,
            f"{more:+.2f} s",
            "at most 0.25 s more",
            more <= 0.25,
        )
    found = _read(folder / "help.json")
    if found:
        seconds = _median(found, "a")
        yield Figure("--help", f"{seconds:.2f} s", "", "", "under 0.3 s", seconds < 0.3)
    found = _read(folder / "overhead.json")
    if found:
        added, bare = found["runner"], found["bare"]
        result = f"{added:+.1f} µs"
        ours, theirs = f"{bare + added:.1f} µs", f"{bare:.1f} µs"
        yield Figure("one inference", ours, theirs, result, "at most 15 µs more", added <= 15)


def _median(found: dict[str, Any], side: str, key: str = "seconds") -> float:
    return float(median(run[key] for run in found["runs"][side]))


def _read(path: Path) -> dict[str, Any]:
    """The document; empty where there is none."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def machine() -> str:
    """What the figures were measured on, without naming the machine."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} cores ({model}, {platform.machine()}), {memory:.0f} GiB, Linux; "
        f"Python {platform.python_version()}, {versions}."
    )


def main() -> None:
    """Prints the table; exit code 1 where a target was missed."""
    found = list(figures(Path(sys.argv[1])))
    print("| | edgeq | the other side | | target |\n|---|---|---|---|---|")
    for one in found:
        mark = "" if one.met else " **missed**"
        cells = (one.what, one.edgeq, one.other, one.result, one.target + mark)
        print("| " + " | ".join(cells) + " |")
    print("\n" + machine())
    sys.exit(0 if all(one.met for one in found) else 1)


if __name__ == "__main__":
    main()
