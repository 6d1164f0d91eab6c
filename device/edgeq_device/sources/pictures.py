"""One picture, from a file or from bytes, to the uint8 pixels that a model takes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Union

import numpy as np

from edgeq_device.errors import InputError, MissingTool
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.transforms import Preprocessing

if TYPE_CHECKING:
    from PIL.Image import Image

PictureFile = Union[str, "Path", bytes, BinaryIO]

LETTERBOX_GRAY = 114
"""The bars' pixel value, as the YOLO family, where letterboxing comes from, is trained with."""

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""What makes a picture with this EXIF orientation upright (EXIF 2.32, section 4.6.4)."""


def read_picture(
    source: PictureFile,
    height: int,
    width: int,
    channels: int,
    preprocessing: Preprocessing | None = None,
) -> Array:
    """A picture as uint8 [height, width, channels], upright, resized as the preprocessing says.

    ``source`` is a path, the bytes of a file, or an open binary file. 1 channel is gray, 3 are
    in the declared color order, 4 have alpha last. Without a preprocessing the whole picture is
    stretched. InputError names a missing or broken picture, MissingTool a missing pillow.
    """
    picture = open_picture(source)
    shape = (height, width, channels)
    return fit_picture(picture, shape, preprocessing or Preprocessing(), _name_of(source))


def picture_shape(spec: TensorSpec, source: Path | str) -> tuple[int, int, int]:
    """Height, width and channels of the pictures that an input [1, H, W, C] or [1, H, W] takes.

    InputError names ``source``, the picture, where the input takes no pictures.
    """
    shape = spec.shape
    if len(shape) == 3 and shape[0] == 1:
        return (shape[1], shape[2], 1)
    if len(shape) == 4 and shape[0] == 1 and shape[3] in (1, 3, 4):
        return (shape[1], shape[2], shape[3])
    hint = "give its numbers in a .npy file"
    if len(shape) == 4 and shape[1] in (1, 3, 4):
        hint = (
            "its channels stand before height and width: give arrays of this shape in a .npy file"
        )
    raise InputError(
        source,
        f"a picture, but the model's input {spec.name!r} takes {spec.dtype} {list(shape)}",
        hint=hint,
    )


def open_picture(source: PictureFile, name: str = "") -> Image:
    """The upright picture, decoded, in whatever mode pillow gives it.

    ``name`` stands for the picture in errors where ``source`` is no path.
    """
    pillow = _pillow()
    name = name or _name_of(source)
    with _open(source, name) as file:
        try:
            picture = _identify(file)
            picture.load()
        except Exception as cause:  # a damaged file makes pillow's decoders raise anything
            raise _unreadable(name, file, cause) from cause
        turn = _UPRIGHT.get(_orientation(picture))
    return picture.transpose(getattr(pillow.Transpose, turn)) if turn else picture


def fit_picture(
    picture: Image, shape: tuple[int, int, int], preprocessing: Preprocessing, name: str = ""
) -> Array:
    """An open picture -> uint8 ``shape`` (height, width, channels): color, resize, color order."""
    height, width, channels = shape
    gray = channels == 1 or preprocessing.color == "gray"
    mode = "L" if gray else "RGBA" if channels == 4 else "RGB"
    resized = _resize(to_mode(picture, mode, name), (width, height), preprocessing)
    pixels = np.array(resized, np.uint8)
    if gray:
        return np.repeat(pixels[..., np.newaxis], channels, axis=2)
    if preprocessing.color == "bgr":
        return np.ascontiguousarray(pixels[..., (2, 1, 0, 3)[:channels]])
    return pixels


def to_mode(picture: Image, mode: str, name: str = "") -> Image:
    """The picture in mode "L", "RGB" or "RGBA".

    Of 16 bits the upper 8 are kept, and alpha is dropped rather than blended, as TensorFlow's
    and Keras's own readers do. InputError where the colors have no meaning in 8 bits.
    """
    if picture.mode == mode:
        return picture
    if picture.mode.startswith("I"):
        picture = _upper_bits(picture, name)
    try:
        if picture.mode == "La":
            picture = picture.convert("LA")
        if picture.mode in ("LA", "PA", "RGBa") or "transparency" in picture.info:
            picture = picture.convert("RGBA")
        if picture.mode in ("F", "LAB"):
            raise ValueError(f"mode {picture.mode}")
        return picture.convert(mode)
    except ValueError as cause:
        problem = f"colors of pillow's mode {picture.mode}, which have no meaning as 8-bit {mode}"
        raise InputError(name or "picture", problem, hint="convert it to 8-bit RGB") from cause


def _upper_bits(picture: Image, name: str) -> Image:
    # Older pillow opens 16-bit PNG and PGM as 32-bit "I", a mode that elsewhere has no known white.
    if picture.mode == "I" and picture.format not in ("PNG", "PPM"):
        problem = "32-bit pixels, whose white is not known"
        raise InputError(name or "picture", problem, hint="convert it to 8 or 16 bits")
    levels: Image = _pillow().fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    return levels


def _resize(picture: Image, size: tuple[int, int], preprocessing: Preprocessing) -> Image:
    """``size`` is (width, height), as pillow has it."""
    resample = getattr(_pillow().Resampling, preprocessing.resample.upper())
    if preprocessing.resize == "letterbox":
        return _letterbox(picture, size, resample)
    if preprocessing.resize == "crop":
        scale = min(picture.width / size[0], picture.height / size[1])
        left = max(0.0, (picture.width - size[0] * scale) / 2)
        top = max(0.0, (picture.height - size[1] * scale) / 2)
        box = (left, top, picture.width - left, picture.height - top)
        return picture.resize(size, resample, box=box)
    return picture.resize(size, resample)


def _letterbox(picture: Image, size: tuple[int, int], resample: Any) -> Image:
    scale = min(size[0] / picture.width, size[1] / picture.height)
    width = min(size[0], max(1, round(picture.width * scale)))
    height = min(size[1], max(1, round(picture.height * scale)))
    bars = (LETTERBOX_GRAY,) * 3 + (255,)
    fill = LETTERBOX_GRAY if picture.mode == "L" else bars[: len(picture.mode)]
    canvas: Image = _pillow().new(picture.mode, size, fill)
    corner = ((size[0] - width) // 2, (size[1] - height) // 2)
    canvas.paste(picture.resize((width, height), resample), corner)
    return canvas


def _identify(file: BinaryIO) -> Image:
    pillow = _pillow()
    try:
        return pillow.open(file)
    except pillow.UnidentifiedImageError:
        # Another thread may have been about to load pillow's rarer formats: now they are there.
        pillow.init()
        file.seek(0)
        return pillow.open(file)


def _orientation(picture: Image) -> int:
    try:
        return int(picture.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block does not make the picture unreadable
        return 1


def _open(source: PictureFile, name: str) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not isinstance(source, (str, Path)):
        return io.BytesIO(source.read())
    try:
        file = Path(source).open("rb")  # noqa: SIM115 - the caller closes it
        return file if file.seekable() else io.BytesIO(file.read())
    except FileNotFoundError as cause:
        raise InputError(name, "no such picture", hint="check the path") from cause
    except OSError as cause:
        problem = f"could not be read ({cause.strerror})"
        raise InputError(name, problem, hint="give a file that can be read") from cause


def _unreadable(name: str, file: BinaryIO, cause: Exception) -> InputError:
    pillow = _pillow()
    if not file.seek(0, io.SEEK_END):
        return InputError(name, "the file is empty", hint="give a picture")
    if isinstance(cause, pillow.UnidentifiedImageError):
        problem = "not a picture that pillow can read"
        return InputError(name, problem, hint="convert it to PNG or JPEG")
    if isinstance(cause, pillow.DecompressionBombError):
        return InputError(name, f"too many pixels ({cause})", hint="scale the picture down")
    problem = f"a broken picture ({cause or type(cause).__name__})"
    return InputError(name, problem, hint="copy the file again, or leave it out")


def _name_of(source: PictureFile) -> str:
    if isinstance(source, (str, Path)):
        return str(source)
    return str(getattr(source, "name", "picture"))


def _pillow() -> Any:
    try:
        from PIL import Image as pillow  # noqa: N813 - the module is named as its class
    except ImportError as cause:
        raise MissingTool(
            "pillow", "needed to read pictures, but not installed", hint="pip install pillow"
        ) from cause
    return pillow
