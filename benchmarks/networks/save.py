"""Writes one of the benchmark networks as a .keras file, a float .tflite, or both.

``python -m benchmarks.networks.save efficientnet_lite0 --keras en.keras --tflite en.tflite``
"""

from __future__ import annotations

import argparse
import importlib
import os
from pathlib import Path
from typing import Any

NETWORKS = ("efficientnet_lite0", "mobilenet_v2")


def main() -> None:
    """Builds the network that the command line names and writes it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--keras", type=Path, help="write the Keras model here")
    parser.add_argument("--tflite", type=Path, help="write a float .tflite of batch 1 here")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    model = importlib.import_module(f"benchmarks.networks.{options.network}").build()
    if options.keras:
        model.save(options.keras)
        print(options.keras)
    if options.tflite:
        options.tflite.write_bytes(float_tflite(model))
        print(options.tflite)


def float_tflite(model: Any) -> bytes:
    """The Keras ``model`` of one input as a float .tflite of batch 1, its variables constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    shape = (1, *model.inputs[0].shape[1:])
    traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(
        tf.TensorSpec(shape, tf.float32, name=model.inputs[0].name)
    )
    frozen = convert_variables_to_constants_v2(traced)
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert())


if __name__ == "__main__":
    main()
