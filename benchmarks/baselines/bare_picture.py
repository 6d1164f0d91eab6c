"""The least that one inference needs: import the runtime, build the interpreter, run it once.

``python benchmarks/baselines/bare_picture.py MODEL.tflite INPUT``

``INPUT`` is a picture, or a .npy of raw uint8 pixels in the model's shape, which needs no pillow.
"""

from __future__ import annotations

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Prints the class of one input."""
    model, path = sys.argv[1:]
    interpreter = Interpreter(model_path=model, num_threads=2)
    interpreter.allocate_tensors()
    input_details = interpreter.get_input_details()[0]
    _, height, width, _ = input_details["shape"]
    if path.endswith(".npy"):
        pixels = np.load(path).reshape(input_details["shape"])
    else:
        from PIL import Image

        picture = Image.open(path).convert("RGB").resize((width, height), Image.LANCZOS)
        pixels = np.asarray(picture)[np.newaxis]
    interpreter.set_tensor(input_details["index"], pixels)
    interpreter.invoke()
    print(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0].argmax())


if __name__ == "__main__":
    main()
