"""edgeq on the host: from a float model to a bundle for the Edge TPU."""
