"""TensorFlow in a process of its own: the only room that imports it.

``python -m edgeq.tensorflow_child`` reads one JSON object a line from stdin and answers each
with one or more lines on stdout; whatever TensorFlow or a user's function prints goes to stderr.
Arrays and models travel as files in a folder that the parent owns.

Requests::

    {"do": "load", "kind": "keras" | "saved-model" | "function",
     "source": "as the user wrote it", "path": "...", "folder": "where functions are imported"}
    {"do": "convert", "mode": "float" | "dynamic" | "float-fallback" | "integer",
     "output": "path", "samples": ["one .npy per input"],
     "affine": [null | {"scale": [...], "offset": [...]}]}

Answers::

    {"progress": [stage, done, total]}           any number of these
    {"answer": {...}}                            load: inputs, outputs, versions, notes
    {"error": {"type": "ModelError", ...}}       one of edgeq_device.errors, by its facts
    {"bug": "traceback"}                         anything else

The process ends when stdin does.
"""
