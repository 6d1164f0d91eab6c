"""edgeq on the device: read a bundle, run it, say what ran and why."""

from __future__ import annotations

__version__ = "0.1.0"
