"""Accuracy on labelled arrays, picture by picture, as TensorFlow's guide evaluates a model.

``python benchmarks/baselines/guide_evaluate.py MODEL.tflite DATA.npz [--predictions OUT.npy]``

``DATA.npz`` holds uint8 pictures as ``x`` and labels as ``y``. As in the guide, the pictures are
scaled to 0..1 first, and each is then quantized with the input's scale and zero point.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Runs every picture and prints the share that is right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--threads", type=int, help="threads of the interpreter")
    parser.add_argument("--predictions", type=Path, help="write the predicted classes here")
    options = parser.parse_args()

    with np.load(options.data) as data:
        pictures, labels = data["x"].astype(np.float32) / 255.0, data["y"]
    predictions = predict(options.model, pictures, options.threads)
    if options.predictions:
        np.save(options.predictions, predictions)
    right = int((predictions == labels).sum())
    print(f"accuracy {right / len(labels):.4f} on {len(labels)} samples")


def predict(model: Path, pictures: Any, threads: int | None) -> Any:
    """The class of each picture; ``pictures`` are float32 0..1, their shape without the batch."""
    interpreter = Interpreter(model_path=str(model), num_threads=threads)
    interpreter.allocate_tensors()
    input_details = interpreter.get_input_details()[0]
    output_details = interpreter.get_output_details()[0]

    predictions = np.zeros(len(pictures), dtype=int)
    for number in range(len(pictures)):
        picture = pictures[number]
        if input_details["dtype"] == np.uint8:
            scale, zero_point = input_details["quantization"]
            picture = picture / scale + zero_point
        picture = np.expand_dims(picture, axis=0).astype(input_details["dtype"])
        interpreter.set_tensor(input_details["index"], picture)
        interpreter.invoke()
        predictions[number] = interpreter.get_tensor(output_details["index"])[0].argmax()
    return predictions


if __name__ == "__main__":
    main()
