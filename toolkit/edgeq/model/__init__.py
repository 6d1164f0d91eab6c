"""The editable model: a .tflite as objects that can be changed and written back.

Reading goes through `edgeq_device.tflite` (which checks every offset); this room only turns
checked bytes into the generated schema's objects and back. The schema is the one that
``ai-edge-litert`` ships.
"""

from __future__ import annotations

from edgeq.model.dead_parts import drop_dead_parts
from edgeq.model.objects import (
    EditableModel,
    add_tensor,
    code_name,
    constant,
    operator_code,
    operator_name,
    read,
    schema,
    set_constant,
    tensor_dtype,
    tensor_name,
    tensor_type,
    write,
)

__all__ = [
    "EditableModel",
    "add_tensor",
    "code_name",
    "constant",
    "drop_dead_parts",
    "operator_code",
    "operator_name",
    "read",
    "schema",
    "set_constant",
    "tensor_dtype",
    "tensor_name",
    "tensor_type",
    "write",
]
