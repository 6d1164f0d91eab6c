"""A user's module: functions that return models, and functions that go wrong.

Imported in the TensorFlow process alone; ``keras_models`` copies it beside the saved models.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import keras
import tensorflow as tf

print("a user's module may print")


def cnn() -> keras.Model:
    print("and so may a function")
    keras.utils.set_random_seed(3)
    image = keras.Input((8, 8, 3), name="image")
    features = keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(image))
    return keras.Model(image, keras.layers.Dense(2, name="scores")(features))


def called_once() -> keras.Model:
    class Scorer(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def call(self, values: tf.Tensor) -> tf.Tensor:
            return self.dense(values)

    keras.utils.set_random_seed(3)
    model = Scorer()
    model(tf.zeros([1, 3]))
    return model


def never_called() -> keras.Model:
    return keras.Sequential([keras.layers.Dense(2)])


@tf.function(
    input_signature=[
        tf.TensorSpec([8, 4], tf.float32, name="left"),
        tf.TensorSpec([8, 4], tf.float32, name="right"),
    ]
)
def eight(left: tf.Tensor, right: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"total": left + right, "halves": (left / 2, right / 2)}


def concrete() -> object:
    relu = tf.function(lambda values: tf.nn.relu(values))
    return relu.get_concrete_function(tf.TensorSpec([None, 4], tf.float32, name="values"))


def eight_built_in() -> object:
    fold = tf.function(lambda values: tf.reshape(values, [8, 2, 2]))
    return fold.get_concrete_function(tf.TensorSpec([8, 4], tf.float32, name="values"))


def waveform() -> object:
    def average(wave: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.reshape(wave, [1, 100, 10]), 1)

    return tf.function(average, input_signature=[tf.TensorSpec([1000], tf.float32, name="wave")])


def picture_without_batch() -> object:
    kernel = tf.random.stateless_normal([3, 3, 3, 3], [1, 2])

    def blur(picture: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(picture[None], kernel, 1, "SAME")[0]

    return tf.function(blur, input_signature=[tf.TensorSpec([20, 20, 3], tf.float32, "picture")])


def positives() -> object:
    def pick(values: tf.Tensor) -> tf.Tensor:
        return tf.gather_nd(values, tf.where(values > 0))

    return tf.function(pick, input_signature=[tf.TensorSpec([1, 9], tf.float32, name="values")])


def loop() -> object:
    """An LSTM that edgeq cannot unroll: TensorFlow 2.21 crashes when it quantizes the loop."""
    keras.utils.set_random_seed(3)
    steps = keras.Input((6, 5))
    model = keras.Model(steps, keras.layers.Dense(2)(keras.layers.LSTM(4)(steps)))
    return tf.function(model, input_signature=[tf.TensorSpec([1, 6, 5], tf.float32, name="steps")])


@tf.function
def no_signature(values: tf.Tensor) -> tf.Tensor:
    return values


def raises() -> None:
    raise ValueError("no weights here")


def leaves() -> None:
    sys.exit("gone")


def returns_nothing() -> None:
    return None


def needs_an_argument(size: int) -> int:
    return size


def crashes() -> None:
    os.abort()


def hangs() -> None:
    with open("sleeper.pid", "w") as file:  # noqa: PTH123
        file.write(str(subprocess.Popen(["sleep", "600"]).pid))
    time.sleep(600)


not_a_function = 7
