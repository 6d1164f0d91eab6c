"""Whether both sides of a comparison say the same of every sample.

``python -m benchmarks.same_predictions run BUNDLE MODEL.tflite PICTURES``
``python -m benchmarks.same_predictions evaluate BUNDLE DATA.npz MODEL.tflite GUIDE_DATA.npz``

The guide's loop casts to uint8 without rounding, so that nearly half of all pixel values become
one less. To compare speed at the same work, give edgeq the pixels as the guide feeds them
(``benchmarks.networks.digits --truncated``).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

BASELINES = Path(__file__).resolve().parent / "baselines"


def run_classes(bundle: Path, pictures: Path) -> dict[str, int]:
    """The best class of each picture by ``edgeq run``, by file name."""
    command = [sys.executable, "-m", "edgeq", "run", bundle, pictures, "--json", "-q", "--top-k=1"]
    lines = [json.loads(line) for line in _output(command).splitlines()]
    return {Path(line["input"]).name: line["result"]["classes"][0]["index"] for line in lines}


def plain_classes(model: Path, pictures: Path) -> dict[str, int]:
    """The same by the plain loop."""
    lines = _output([sys.executable, BASELINES / "plain_run.py", model, pictures]).splitlines()
    return {name: int(best) for name, best, _ in (line.rsplit(" ", 2) for line in lines)}


def evaluated(bundle: Path, data: Path) -> Any:
    """The class of each sample by ``edgeq evaluate``."""
    from edgeq.judging import JudgeSpec, judge

    return judge(JudgeSpec(bundle, str(data))).evaluation.predictions


def guides(model: Path, data: Path) -> Any:
    """The same by the guide's loop."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.npy"
        script = BASELINES / "guide_evaluate.py"
        _output([sys.executable, script, model, data, "--predictions", found])
        return np.load(found)


def _output(command: list[Any]) -> str:
    done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


def main() -> None:
    """Prints how many predictions differ; exit code 1 where some do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("run")
    for name in ("bundle", "model", "pictures"):
        verb.add_argument(name, type=Path)
    verb = verbs.add_parser("evaluate")
    for name in ("bundle", "data", "model", "guide_data"):
        verb.add_argument(name, type=Path)
    options = parser.parse_args()
    if options.verb == "run":
        ours = run_classes(options.bundle, options.pictures)
        theirs = plain_classes(options.model, options.pictures)
        if set(ours) != set(theirs):
            sys.exit("the two sides saw different pictures")
        differ, count = sum(ours[name] != theirs[name] for name in ours), len(ours)
    else:
        seen = evaluated(options.bundle, options.data)
        differ = int((seen != guides(options.model, options.guide_data)).sum())
        count = len(seen)
    print(f"{differ} of {count} predictions differ")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
