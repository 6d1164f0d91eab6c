"""Run a bundle or a .tflite on the Edge TPU or the CPU: decided once, and said why."""

from __future__ import annotations

from edgeq_device.runner.backends import BACKENDS, RunnerOptions
from edgeq_device.runner.deployment import Deployment, open_deployment
from edgeq_device.runner.feeding import converter, feeder
from edgeq_device.runner.running import DecodeOptions, Result, Runner
from edgeq_device.runner.verifying import (
    OutputMatch,
    VerifyReport,
    compare,
    verify,
    verify_digests,
)

__all__ = [
    "BACKENDS",
    "DecodeOptions",
    "Deployment",
    "OutputMatch",
    "Result",
    "Runner",
    "RunnerOptions",
    "VerifyReport",
    "converter",
    "compare",
    "feeder",
    "open_deployment",
    "verify",
    "verify_digests",
]
