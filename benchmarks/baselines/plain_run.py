"""Classifies every JPEG of a folder with pillow and an interpreter, one after the other.

``python benchmarks/baselines/plain_run.py MODEL.tflite PICTURES [--threads 2]``

The model takes raw uint8 pixels. Prints the file, the class and its score, the dequantized output.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image


def main() -> None:
    """Runs the model on each picture, the whole picture stretched to the model's input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    interpreter = Interpreter(model_path=str(options.model), num_threads=options.threads)
    interpreter.allocate_tensors()
    input_details = interpreter.get_input_details()[0]
    output_details = interpreter.get_output_details()[0]
    _, height, width, _ = input_details["shape"]
    scale, zero_point = output_details["quantization"]

    for path in sorted(options.pictures.glob("*.jpg")):
        picture = Image.open(path).convert("RGB").resize((width, height), Image.LANCZOS)
        interpreter.set_tensor(input_details["index"], np.asarray(picture)[np.newaxis])
        interpreter.invoke()
        output = interpreter.get_tensor(output_details["index"])[0]
        best = int(output.argmax())
        print(f"{path.name} {best} {scale * (int(output[best]) - zero_point):.4f}")


if __name__ == "__main__":
    main()
