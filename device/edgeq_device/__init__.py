"""edgeq on the device: read a bundle, run it, say what ran and why."""
