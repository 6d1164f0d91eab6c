"""Post-training integer quantization as TensorFlow's guide shows it, on a folder of pictures.

``python benchmarks/baselines/guide_quantize.py MODEL.keras PICTURES OUT.tflite --mean M --std S``

The guide: https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_integer_quant
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image


def main() -> None:
    """Loads the model, converts it with full integer quantization, writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a .keras file of one picture input")
    parser.add_argument("pictures", type=Path, help="a folder of calibration pictures")
    parser.add_argument("output", type=Path)
    parser.add_argument("--mean", type=float, default=127.5)
    parser.add_argument("--std", type=float, default=127.5)
    options = parser.parse_args()

    model = tf.keras.models.load_model(options.model)
    size = model.input_shape[1:3]

    def representative_dataset() -> Iterator[list[Any]]:
        for path in sorted(options.pictures.iterdir()):
            picture = Image.open(path).convert("RGB").resize(size[::-1], Image.LANCZOS)
            values = (np.asarray(picture, np.float32) - options.mean) / options.std
            yield [values[np.newaxis].astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative_dataset
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    options.output.write_bytes(converter.convert())


if __name__ == "__main__":
    main()
