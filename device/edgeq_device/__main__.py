"""`python -m edgeq_device`: the commands of a board."""

from __future__ import annotations

from edgeq_device.cli import main

if __name__ == "__main__":
    main()
