"""Where inputs come from: pictures, folders, arrays, standard input."""

from edgeq_device.sources.ahead import default_threads, read_ahead
from edgeq_device.sources.arrays import StoredArray, open_arrays
from edgeq_device.sources.folders import (
    PICTURE_SUFFIXES,
    ClassFolder,
    class_folders,
    list_pictures,
)
from edgeq_device.sources.inputs import Input, Wanted, read_inputs
from edgeq_device.sources.pictures import (
    LETTERBOX_GRAY,
    fit_picture,
    open_picture,
    picture_shape,
    read_picture,
)
from edgeq_device.sources.samples import (
    admit,
    as_samples,
    count_samples,
    match_inputs,
    plain_name,
    sample_shape,
)

__all__ = [
    "LETTERBOX_GRAY",
    "PICTURE_SUFFIXES",
    "ClassFolder",
    "Input",
    "StoredArray",
    "Wanted",
    "admit",
    "as_samples",
    "class_folders",
    "count_samples",
    "default_threads",
    "fit_picture",
    "list_pictures",
    "match_inputs",
    "open_arrays",
    "open_picture",
    "picture_shape",
    "plain_name",
    "read_ahead",
    "read_inputs",
    "read_picture",
    "sample_shape",
]
