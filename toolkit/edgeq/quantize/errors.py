"""What an engine says when it cannot do its work but another one may."""

from __future__ import annotations

from edgeq_device.errors import ModelError


class EngineCannotError(ModelError):
    """This engine cannot quantize the model; another one may."""
