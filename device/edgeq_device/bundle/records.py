"""The parts of a manifest: frozen types, each with its JSON form (`as_dict` and `read`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq_device.bundle.fields import Fields
from edgeq_device.bundle.layout import MAX_BYTES
from edgeq_device.bundle.names import unsafe_name
from edgeq_device.errors import ConfigError
from edgeq_device.tensors import TensorSpec
from edgeq_device.transforms import Preprocessing

APPLIED = ("model", "device", "none declared")
DTYPES = ("uint8", "int8", "int16", "int32", "int64", "float32", "bool")


@dataclass(frozen=True)
class Member:
    """One file inside the bundle: its name there, its length, its SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """The plain form that the manifest holds."""
        return {"path": self.path, "bytes": self.bytes, "sha256": self.sha256}

    @classmethod
    def read(cls, fields: Fields) -> Member:
        """The inverse of `as_dict`."""
        path = fields.text("path")
        why = unsafe_name(path)
        if why:
            raise fields.wrong("path", f"a safe name (this one {why})")
        sha256 = fields.text("sha256")
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise fields.wrong("sha256", "64 hexadecimal digits")
        return cls(path, fields.whole("bytes", 0, MAX_BYTES), sha256)


@dataclass(frozen=True)
class CompiledModel:
    """The Edge TPU's model, and what compiled it."""

    member: Member
    compiler_version: str
    min_runtime_version: int | None = None
    """The least libedgetpu runtime version that runs it, where the compiler wrote one."""

    def as_dict(self) -> dict[str, Any]:
        """The plain form that the manifest holds."""
        return {
            **self.member.as_dict(),
            "compiler_version": self.compiler_version,
            "min_runtime_version": self.min_runtime_version,
        }

    @classmethod
    def read(cls, fields: Fields) -> CompiledModel:
        """The inverse of `as_dict`."""
        known = fields.has("min_runtime_version")
        least = fields.whole("min_runtime_version", 0) if known else None
        return cls(Member.read(fields), fields.text("compiler_version"), least)


@dataclass(frozen=True)
class Models:
    """The CPU's model, which every bundle has, and the Edge TPU's where one was compiled."""

    cpu: Member
    edgetpu: CompiledModel | None = None

    def as_dict(self) -> dict[str, Any]:
        """The plain form that the manifest holds."""
        edgetpu = self.edgetpu and self.edgetpu.as_dict()
        return {"cpu": self.cpu.as_dict(), "edgetpu": edgetpu}

    @classmethod
    def read(cls, fields: Fields) -> Models:
        """The inverse of `as_dict`."""
        cpu = Member.read(fields.fields("cpu"))
        return cls(cpu, fields.optional("edgetpu", CompiledModel.read))


@dataclass(frozen=True)
class InputInfo:
    """One input, and who applies the declared preprocessing of pixels.

    ``applied`` is "model" (raw pixels 0..255 go in as they are: folded into scale and zero
    point, inserted into the graph, or taken up by the first layer), "device" (whoever feeds
    the model computes ``(pixel - mean) / std`` and quantizes), or "none declared".
    """

    spec: TensorSpec
    preprocessing: Preprocessing | None = None
    applied: str = "none declared"

    def __post_init__(self) -> None:
        if self.applied not in APPLIED:
            raise ConfigError("applied", self.applied, "one of " + ", ".join(APPLIED))
        if (self.preprocessing is None) != (self.applied == "none declared"):
            allowed = '"none declared" exactly where no preprocessing is declared'
            raise ConfigError("applied", self.applied, allowed)
        if self.preprocessing:
            counts = {len(self.preprocessing.mean), len(self.preprocessing.std)} - {1}
            if counts and counts != set(self.spec.shape[-1:]):
                given = (self.preprocessing.mean, self.preprocessing.std)
                allowed = f"one number, or one per channel of {self.spec.shape}"
                raise ConfigError("preprocessing", given, allowed)

    def as_dict(self) -> dict[str, Any]:
        """The plain form that the manifest holds."""
        return {
            **spec_as_dict(self.spec),
            "preprocessing": self.preprocessing and self.preprocessing.as_dict(),
            "applied": self.applied,
        }

    @classmethod
    def read(cls, fields: Fields) -> InputInfo:
        """The inverse of `as_dict`."""
        preprocessing = fields.optional("preprocessing", _read_preprocessing)
        applied = fields.text("applied", APPLIED)
        try:
            return cls(read_spec(fields), preprocessing, applied)
        except ConfigError as error:
            raise fields.wrong(error.key, error.allowed) from None


@dataclass(frozen=True)
class RuntimeInfo:
    """Which interpreter on which machine: ``name`` is its package, ``machine`` as in uname."""

    name: str
    version: str
    machine: str


@dataclass(frozen=True)
class Golden:
    """Inputs and the outputs that the CPU model gave for them.

    One .npy member per input and per output, each ``[samples, *shape]``. ``tolerance`` is how
    many steps of a quantized output another runtime may differ.
    """

    inputs: tuple[Member, ...]
    outputs: tuple[Member, ...]
    samples: int
    runtime: RuntimeInfo
    tolerance: int

    def as_dict(self) -> dict[str, Any]:
        """The plain form that the manifest holds."""
        runtime = self.runtime
        return {
            "inputs": [member.as_dict() for member in self.inputs],
            "outputs": [member.as_dict() for member in self.outputs],
            "samples": self.samples,
            "runtime": {
                "name": runtime.name,
                "version": runtime.version,
                "machine": runtime.machine,
            },
            "tolerance": self.tolerance,
        }

    @classmethod
    def read(cls, fields: Fields) -> Golden:
        """The inverse of `as_dict`."""
        made_by = fields.fields("runtime")
        return cls(
            inputs=fields.each("inputs", Member.read, least=1),
            outputs=fields.each("outputs", Member.read, least=1),
            samples=fields.whole("samples", 1, 10_000),
            runtime=RuntimeInfo(
                made_by.text("name"), made_by.text("version"), made_by.text("machine")
            ),
            tolerance=fields.whole("tolerance", 0, 255),
        )


def spec_as_dict(spec: TensorSpec) -> dict[str, Any]:
    """The plain form of an input or output."""
    return {
        "name": spec.name,
        "shape": list(spec.shape),
        "dtype": spec.dtype,
        "scale": spec.scale,
        "zero_point": spec.zero_point,
    }


def read_spec(fields: Fields) -> TensorSpec:
    """The inverse of `spec_as_dict`; a scale must be one that float32 can hold."""
    dtype = fields.text("dtype", DTYPES)
    scale = fields.number("scale")
    if scale < 0 or not np.isfinite(np.float32(scale)) or np.float32(scale) == 0.0 < scale:
        raise fields.wrong("scale", "0 for a tensor without quantization, or positive")
    if scale and dtype in ("float32", "bool"):
        raise fields.wrong("scale", f"0 for {dtype}")
    limits = np.iinfo(dtype if dtype in ("uint8", "int8", "int16") else np.int32)
    zero_point = fields.whole("zero_point", int(limits.min), int(limits.max))
    return TensorSpec(fields.text("name"), fields.shape("shape"), dtype, scale, zero_point)


def _read_preprocessing(fields: Fields) -> Preprocessing:
    try:
        return Preprocessing(
            mean=fields.numbers("mean"),
            std=fields.numbers("std"),
            resize=fields.text("resize"),
            resample=fields.text("resample"),
            color=fields.text("color"),
        )
    except ConfigError as error:
        raise fields.wrong(error.key.split()[1], error.allowed) from None
