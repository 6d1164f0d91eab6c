"""The rewrites, in the order in which they run; the list reads top to bottom."""

from __future__ import annotations

from edgeq.legalize.activations import GELU, HARD_SWISH, LEAKY_RELU
from edgeq.legalize.dense import DENSE
from edgeq.legalize.draft import Rewrite
from edgeq.legalize.ends import UINT8_ENDS
from edgeq.legalize.external_buffers import EXTERNAL_BUFFERS
from edgeq.legalize.float_ends import FLOAT_ENDS
from edgeq.legalize.fused_activations import FUSED_ACTIVATIONS
from edgeq.legalize.grouped import GROUPED
from edgeq.legalize.means import MEANS
from edgeq.legalize.redundant import REDUNDANT
from edgeq.legalize.static_batch import STATIC_BATCH
from edgeq.legalize.strided_slices import STRIDED_SLICES
from edgeq.legalize.transposed import TRANSPOSED
from edgeq.legalize.transposes import TRANSPOSES
from edgeq.legalize.unused import UNUSED
from edgeq.legalize.upsampling import UPSAMPLING
from edgeq.legalize.versions import VERSIONS

PASSES: tuple[Rewrite, ...] = (
    # What every other rewrite relies on: constants at hand and fixed sizes.
    EXTERNAL_BUFFERS,
    STATIC_BATCH,
    # Operators that TensorFlow 2.5 lacks or computes wrongly.
    UPSAMPLING,
    GROUPED,
    DENSE,
    TRANSPOSED,
    # Operators that only a CPU would run.
    FUSED_ACTIVATIONS,
    STRIDED_SLICES,
    MEANS,
    GELU,
    LEAKY_RELU,
    HARD_SWISH,
    # The model's face.
    FLOAT_ENDS,
    UINT8_ENDS,
    # Operators that do nothing, now that the others are settled.
    TRANSPOSES,
    REDUNDANT,
    # What is left over, and last the labels of what stayed.
    UNUSED,
    VERSIONS,
)
