"""Many handwritten digits: the demo's held-out ones, each moved by up to two pixels.

``python -m benchmarks.networks.digits --out DIGITS.npz`` writes 25,000 real digits (1,000 held-out
digits times 25 shifts) as uint8 ``x`` and labels ``y``, ``--times 5`` five times as many. One
thousand digits take 10 ms, less than any import; a comparison of whole processes needs more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from edgeq.demo.digits import shipped_digits

SHIFTS = range(-2, 3)


def main() -> None:
    """Write the digits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--times", type=int, default=1, help="repeat them all")
    options = parser.parse_args()
    digits = shipped_digits()
    moved = [
        np.roll(digits.test_x, (rows, columns), axis=(1, 2))
        for rows in SHIFTS
        for columns in SHIFTS
    ]
    copies = len(moved) * options.times
    np.savez(options.out, x=np.concatenate(moved * options.times), y=np.tile(digits.test_y, copies))
    print(f"{len(digits.test_x) * copies} digits in {options.out}")


if __name__ == "__main__":
    main()
