"""What a build did as it was told, and what may all the same not be what its user wants."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.parts import Ingredients, Quantized
from edgeq_device.bundle import Manifest

ENOUGH = 8
"""With fewer samples it means nothing that all are of one class."""


def doubts(made: Ingredients, manifest: Manifest) -> tuple[str, ...]:
    """Sentences for people: preprocessing, samples, options without effect, no golden vectors."""
    return (
        *undeclared(made),
        *one_class(made.model),
        *without_effect(made, manifest),
        *not_run(manifest),
    )


def undeclared(made: Ingredients) -> Iterator[str]:
    """Pictures for a float model, and nobody said what it was trained on."""
    for spec, one in zip(made.parsed.input_specs(), made.model.samples, strict=False):
        if one.is_pixels and made.spec.preprocessing_of(spec.name) is None:
            yield (
                f"no --preprocess for the input {spec.name!r}: its pixels go in as they are, 0 to "
                "255. If the model was trained on other values, its answers will be wrong, and "
                'the comparison with float cannot show it; "[0,255]" says that this is meant'
            )


def one_class(model: Quantized) -> Iterator[str]:
    """All samples look alike to the model: often the wrong preprocessing."""
    agreement = model.report.agreement
    for output in agreement.outputs if agreement else ():
        if output.classes_seen == 1 and agreement and agreement.samples >= ENOUGH:
            yield (
                f"the float model gives all {agreement.samples} compared samples the same class: "
                "is --preprocess what it was trained on?"
            )


def without_effect(made: Ingredients, manifest: Manifest) -> Iterator[str]:
    """Options that a model of this kind has no use for."""
    if made.source.is_integer and made.spec.calibration is not None:
        yield "--calibration has no effect: the model computes with integers already"
    if made.labels and manifest.task == "raw":
        yield "--labels has no effect: the outputs are given as numbers (task raw)"


def not_run(manifest: Manifest) -> Iterator[str]:
    """A model that no CPU here can run is packed all the same, for the Edge TPU's part of it."""
    if manifest.no_golden_reason:
        yield f"no golden vectors, and no `edgeq run` on this CPU: {manifest.no_golden_reason}"
