"""Lets Keras 3 read most .h5 files of Keras 2: it stumbles over settings that no longer exist."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_GONE: dict[str, dict[str, Any]] = {
    "Conv1DTranspose": {"groups": 1},
    "Conv2DTranspose": {"groups": 1},
    "Conv3DTranspose": {"groups": 1},
    "DepthwiseConv1D": {"groups": 1},
    "DepthwiseConv2D": {"groups": 1},
    "SeparableConv1D": {"groups": 1},
    "SeparableConv2D": {"groups": 1},
    "ConvLSTM2D": {"time_major": False},
    "GRU": {"time_major": False},
    "LSTM": {"time_major": False},
    "RNN": {"time_major": False},
    "SimpleRNN": {"time_major": False},
}
"""By layer: settings that Keras 2 wrote, with the one value that means what Keras 3 does."""


def forgiving_layers() -> dict[str, Any]:
    """``custom_objects`` for ``load_model``: layers that drop those settings."""
    return {name: _forgiving(getattr(tf.keras.layers, name), name) for name in _GONE}


def _forgiving(layer: Any, name: str) -> Any:
    class Forgiving(layer):  # type: ignore[misc]
        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            gone = _GONE[name]
            kept = {key: value for key, value in config.items() if gone.get(key, config) != value}
            return layer.from_config(kept)

    return Forgiving
