"""Train the guide's small network on handwritten digits: a program of its own.

``python -m edgeq.tensorflow_child.digits TRAIN.npz OUT.keras [EPOCHS]`` trains;
``python -m edgeq.tensorflow_child.digits --full-mnist OUT.npz`` fetches the 70,000 digits
that Keras downloads. The network is that of TensorFlow's post-training quantization guide,
https://www.tensorflow.org/lite/performance/post_training_integer_quant.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def train(data: Path, output: Path, epochs: int) -> None:
    """Train on x (uint8 [N, 28, 28]) and y of ``data``; the same data give the same network."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((28, 28), name="digit"),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(12, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10, name="logits"),
        ]
    )
    model.compile(
        optimizer="adam",
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    with np.load(data) as arrays:
        pixels, labels = arrays["x"], arrays["y"]
    model.fit(pixels.astype(np.float32) / 255, labels, epochs=epochs, batch_size=32, verbose=0)
    model.save(output)


def fetch(output: Path) -> None:
    """Save Keras' MNIST as x_train, y_train, x_test, y_test."""
    from tensorflow.keras.datasets import mnist

    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    np.savez(output, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def main(arguments: list[str]) -> None:
    """Run one of the two programs."""
    if arguments[0] == "--full-mnist":
        fetch(Path(arguments[1]))
    else:
        train(Path(arguments[0]), Path(arguments[1]), int(arguments[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
