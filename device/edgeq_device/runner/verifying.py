"""Whether a bundle is what was built: every digest, and its golden vectors run again."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq_device.bundle import Bundle, Golden, GoldenVectors, RuntimeInfo
from edgeq_device.errors import BundleError
from edgeq_device.runner.running import Runner
from edgeq_device.tensors import Array, TensorSpec

LEAST_COSINE = 0.95
"""Between a golden output and another runtime's, where single values may differ by more steps."""
FLOAT_TOLERANCE = 1e-4
"""Of a float output, relative to its greatest magnitude: kernels add in different orders."""


@dataclass(frozen=True)
class OutputMatch:
    """How far one output is from its golden one, over all samples.

    ``difference`` is the greatest: in steps of an integer output, relative to the greatest
    magnitude of a float one.
    """

    name: str
    equal: bool
    difference: float
    unit: str
    cosine: float


@dataclass(frozen=True)
class VerifyReport:
    """What was checked; ``outputs`` is empty where there are no golden vectors."""

    members: tuple[str, ...]
    samples: int
    made_by: RuntimeInfo | None
    ran_on: RuntimeInfo | None
    backend: str
    exact_wanted: bool
    """Bit for bit: the same runtime, version and kind of machine as those that made them."""
    outputs: tuple[OutputMatch, ...]
    no_golden_reason: str

    def as_dict(self) -> dict[str, Any]:
        """The plain form for JSON."""
        return {
            "files": list(self.members),
            "samples": self.samples,
            "made_by": self.made_by and vars(self.made_by),
            "ran_on": self.ran_on and vars(self.ran_on),
            "backend": self.backend,
            "bit_for_bit": all(match.equal for match in self.outputs) and bool(self.outputs),
            "bit_for_bit_wanted": self.exact_wanted,
            "outputs": [
                {**vars(match), "difference": round(match.difference, 6)} for match in self.outputs
            ],
            "no_golden_reason": self.no_golden_reason,
        }


def verify_digests(bundle: Bundle) -> VerifyReport:
    """Check every digest of a bundle whose manifest gives a reason for having no golden vectors."""
    reason = bundle.manifest.no_golden_reason
    return VerifyReport(bundle.verify_digests(), 0, None, None, "", False, (), reason)


def verify(bundle: Bundle, runner: Runner) -> VerifyReport:
    """Check every digest, and run the golden vectors through ``runner``, opened on this bundle.

    The same runtime, version and machine must give the same bits (floats: nearly); others may
    differ by the manifest's tolerance in steps, or anywhere as long as the outputs point the
    same way (cosine). BundleError at the first output that does not come out.
    """
    members = bundle.verify_digests()
    golden, vectors = bundle.manifest.golden, bundle.golden()
    if golden is None or vectors is None:
        return verify_digests(bundle)
    here = RuntimeInfo(runner.runtime.name, runner.runtime.version, platform.machine())
    exact = here == golden.runtime and runner.backend == "cpu"
    matches = tuple(
        compare(spec, wanted, seen)
        for spec, wanted, seen in zip(
            bundle.manifest.outputs, vectors.outputs, _replay(runner, vectors)
        )
    )
    for match in matches:
        _judge(bundle, golden, match, exact=exact)
    return VerifyReport(
        members, golden.samples, golden.runtime, here, runner.backend, exact, matches, ""
    )


def compare(spec: TensorSpec, wanted: Array, seen: Array) -> OutputMatch:
    """How far ``seen`` is from ``wanted``, both in the output's own dtype."""
    equal = wanted.shape == seen.shape and bool(np.array_equal(wanted, seen))
    if wanted.shape != seen.shape:
        return OutputMatch(spec.name, False, float("inf"), "steps", 0.0)
    one = wanted.astype(np.float64) - spec.zero_point
    other = seen.astype(np.float64) - spec.zero_point
    difference = float(np.abs(one - other).max()) if one.size else 0.0
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    cosine = float((one * other).sum() / norms) if norms else float(equal)
    if wanted.dtype.kind != "f":
        return OutputMatch(spec.name, equal, difference, "steps", cosine)
    relative = difference / max(float(np.abs(one).max()), 1e-30) if difference else 0.0
    return OutputMatch(spec.name, equal, relative, "of the greatest value", cosine)


def _replay(runner: Runner, vectors: GoldenVectors) -> tuple[Array, ...]:
    rows = [
        runner.run(*(np.ascontiguousarray(each) for each in sample))
        for sample in zip(*vectors.inputs)
    ]
    return tuple(np.stack(each) for each in zip(*rows))


def _judge(bundle: Bundle, golden: Golden, match: OutputMatch, *, exact: bool) -> None:
    is_float = match.unit != "steps"
    allowed = FLOAT_TOLERANCE if is_float else 0 if exact else golden.tolerance
    if match.difference <= allowed or (not exact and match.cosine >= LEAST_COSINE):
        return
    amount = f"{match.difference:.4g} {match.unit}"
    made_by = f"{golden.runtime.name} {golden.runtime.version} on {golden.runtime.machine}"
    problem = (
        f"its golden vectors do not come out: output {match.name!r} differs by up to {amount}"
        f" (cosine {match.cosine:.3f}) from what {made_by} gave"
    )
    hint = "build it again; if that does not help, report it with your runtime's version"
    raise BundleError(bundle.path, problem, hint=hint)
