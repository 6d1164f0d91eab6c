"""The bundle: one file with the models, how to feed them, and vectors that prove them.

``docs/bundle-format.md`` is the specification. `open_bundle` checks everything that can be
checked before a single byte is used; `layout` is what the writer and the reader share.
"""

from __future__ import annotations

from edgeq_device.bundle.foreign import refuse_bare_model, refuse_keras
from edgeq_device.bundle.manifest import FORMAT, Manifest
from edgeq_device.bundle.opened import Bundle, GoldenVectors, looks_like_bundle, open_bundle
from edgeq_device.bundle.records import (
    APPLIED,
    CompiledModel,
    Golden,
    InputInfo,
    Member,
    Models,
    RuntimeInfo,
)

__all__ = [
    "APPLIED",
    "FORMAT",
    "Bundle",
    "CompiledModel",
    "Golden",
    "GoldenVectors",
    "InputInfo",
    "Manifest",
    "Member",
    "Models",
    "RuntimeInfo",
    "looks_like_bundle",
    "open_bundle",
    "refuse_bare_model",
    "refuse_keras",
]
