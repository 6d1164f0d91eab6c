"""What a bundle says of itself, and its form as manifest.json."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from edgeq_device.bundle.fields import HINT, parse_object
from edgeq_device.bundle.records import (
    Golden,
    InputInfo,
    Member,
    Models,
    read_spec,
    spec_as_dict,
)
from edgeq_device.errors import BundleError
from edgeq_device.tensors import TensorSpec
from edgeq_device.transforms import ACTIVATIONS

FORMAT = 1
"""The format that this edgeq writes, and the newest that it reads."""


@dataclass(frozen=True)
class Manifest:
    """All that a device needs to know to run the models, and where they came from."""

    name: str
    edgeq_version: str
    models: Models
    inputs: tuple[InputInfo, ...]
    outputs: tuple[TensorSpec, ...]
    task: str = "raw"
    """"classify", "raw", or the name of a task of a later edgeq, kept as it is."""
    activation: str = "none"
    """What is still to be applied to the (dequantized) output: "none", "softmax", "sigmoid"."""
    labels: Member | None = None
    golden: Golden | None = None
    no_golden_reason: str = ""
    """Why there are no golden vectors; "" where there are."""
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    """Tool versions, options and digests of the inputs; no times, no absolute paths."""
    format: int = FORMAT

    @property
    def members(self) -> tuple[Member, ...]:
        """Every file that the bundle holds besides the manifest, in the order of the file."""
        edgetpu = self.models.edgetpu
        golden = (*self.golden.inputs, *self.golden.outputs) if self.golden else ()
        return (
            *((self.labels,) if self.labels else ()),
            *golden,
            self.models.cpu,
            *((edgetpu.member,) if edgetpu else ()),
        )

    def as_dict(self) -> dict[str, Any]:
        """The plain form, as manifest.json holds it."""
        return {
            "format": self.format,
            "name": self.name,
            "edgeq_version": self.edgeq_version,
            "models": self.models.as_dict(),
            "inputs": [info.as_dict() for info in self.inputs],
            "outputs": [spec_as_dict(spec) for spec in self.outputs],
            "task": self.task,
            "activation": self.activation,
            "labels": self.labels and self.labels.as_dict(),
            "golden": self.golden and self.golden.as_dict(),
            "no_golden_reason": self.no_golden_reason,
            "notes": list(self.notes),
            "provenance": self.provenance,
        }

    def to_json(self) -> bytes:
        """The bytes of manifest.json: the same for equal manifests, UTF-8, with a final newline."""
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode("utf-8")

    @classmethod
    def from_json(cls, data: bytes, source: str) -> Manifest:
        """Read manifest.json of the bundle ``source``; BundleError names the first wrong key."""
        fields = parse_object(data, source)
        made = fields.whole("format", 1)
        if made > FORMAT:
            problem = f"made by a newer edgeq (format {made}; this one reads {FORMAT})"
            raise BundleError(source, problem, hint="pip install --upgrade edgeq")
        manifest = cls(
            format=made,
            name=fields.text("name"),
            edgeq_version=fields.text("edgeq_version"),
            models=Models.read(fields.fields("models")),
            inputs=fields.each("inputs", InputInfo.read, least=1),
            outputs=fields.each("outputs", read_spec, least=1),
            task=fields.text("task"),
            activation=fields.text("activation", ACTIVATIONS),
            labels=fields.optional("labels", Member.read),
            golden=fields.optional("golden", Golden.read),
            no_golden_reason=fields.text("no_golden_reason"),
            notes=fields.texts("notes"),
            provenance=fields.mapping("provenance"),
        )
        manifest._check(source)
        return manifest

    def _check(self, source: str) -> None:
        paths = [member.path for member in self.members]
        problem = ""
        if len(set(paths)) != len(paths):
            problem = "manifest.json names one file for two purposes"
        elif self.golden and (
            len(self.golden.inputs) != len(self.inputs)
            or len(self.golden.outputs) != len(self.outputs)
        ):
            problem = "manifest.json: golden must hold one file for each input and output"
        elif bool(self.golden) == bool(self.no_golden_reason):
            problem = "manifest.json must hold golden or no_golden_reason, and not both"
        if problem:
            raise BundleError(source, problem, hint=HINT)
