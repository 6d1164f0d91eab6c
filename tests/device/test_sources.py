"""Pictures of every kind become the pixels that pillow itself would give."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from edgeq_device.errors import InputError
from edgeq_device.sources import (
    LETTERBOX_GRAY,
    open_picture,
    picture_shape,
    read_picture,
)
from edgeq_device.tensors import TensorSpec
from edgeq_device.transforms import Preprocessing


def photo(width: int = 90, height: int = 60) -> Image.Image:
    """A smooth picture without symmetry: red grows to the right, green downwards."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 / width, y * 255 / height, (x + 2 * y) % 200], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def stretched(picture: Image.Image, width: int = 32, height: int = 24) -> np.ndarray:
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tif", "webp", "ppm", "tga", "jpg"])
def test_the_whole_picture_is_stretched_with_lanczos(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    photo().save(path)
    with Image.open(path) as opened:
        expected = stretched(opened.convert("RGB"))
    pixels = read_picture(path, 24, 32, 3)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (24, 32, 3)
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(
    "resample", ["lanczos", "bicubic", "bilinear", "hamming", "box", "nearest"]
)
def test_each_filter_is_pillows(tmp_path: Path, resample: str) -> None:
    path = tmp_path / "photo.png"
    photo().save(path)
    expected = photo().resize((32, 24), getattr(Image.Resampling, resample.upper()))
    pixels = read_picture(path, 24, 32, 3, Preprocessing(resample=resample))
    np.testing.assert_array_equal(pixels, np.asarray(expected))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honored(tmp_path: Path, orientation: int) -> None:
    upright = photo(96, 64)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # pillow's Transpose, inverted
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    stored.save(path, exif=exif.tobytes())
    assert open_picture(path).size == (96, 64)
    np.testing.assert_array_equal(read_picture(path, 64, 96, 3), np.asarray(upright))


def test_a_turned_jpeg_comes_out_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    photo(96, 64).transpose(Image.Transpose.ROTATE_90).save(path, quality=95, exif=exif.tobytes())
    pixels = read_picture(path, 64, 96, 3).astype(int)
    assert np.abs(pixels - np.asarray(photo(96, 64)).astype(int)).mean() < 6


def test_a_broken_exif_block_leaves_the_picture_readable(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    photo().save(path, exif=b"Exif\0\0no such thing")
    np.testing.assert_array_equal(read_picture(path, 60, 90, 3), np.asarray(photo()))


def test_palette_and_alpha_are_dropped_not_blended(tmp_path: Path) -> None:
    clear = photo().convert("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "clear.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "clear.png", 60, 90, 3), photo())
    palette = photo().quantize(16)
    palette.save(tmp_path / "palette.png", transparency=bytes([0, 128] + [255] * 14))
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(read_picture(tmp_path / "palette.png", 60, 90, 3), expected)


def test_sixteen_bits_give_their_upper_eight(tmp_path: Path) -> None:
    deep = (np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)
    expected = np.asarray((deep >> 8).astype(np.uint8))
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    (tmp_path / "deep.pgm").write_bytes(b"P5 64 64 65535\n" + deep.astype(">u2").tobytes())
    for name in ("deep.png", "deep.tif", "deep.pgm"):
        pixels = read_picture(tmp_path / name, 64, 64, 1)
        np.testing.assert_array_equal(pixels[..., 0], expected, err_msg=name)
    colored = read_picture(tmp_path / "deep.png", 64, 64, 3)
    np.testing.assert_array_equal(colored, np.repeat(expected[..., None], 3, axis=2))


def test_cmyk_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    photo().convert("CMYK").save(path, quality=95)
    pixels = read_picture(path, 60, 90, 3).astype(int)
    assert np.abs(pixels - np.asarray(photo()).astype(int)).mean() < 6


def test_an_animated_gif_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    pixels = read_picture(tmp_path / "moving.gif", 8, 8, 3)
    np.testing.assert_array_equal(pixels, np.full((8, 8, 3), (255, 0, 0)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_gray_models_take_pillows_gray(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "photo.tif"
    photo().convert(mode).save(path)
    with Image.open(path) as opened:
        assert opened.mode == mode
        gray = stretched(opened.convert("L"))
    np.testing.assert_array_equal(read_picture(path, 24, 32, 1), gray[..., np.newaxis])


def test_color_orders(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    photo().save(path)
    rgb = read_picture(path, 24, 32, 3)
    bgr = read_picture(path, 24, 32, 3, Preprocessing(color="bgr"))
    gray = read_picture(path, 24, 32, 3, Preprocessing(color="gray"))
    alpha = read_picture(path, 24, 32, 4, Preprocessing(color="bgr"))
    np.testing.assert_array_equal(bgr, rgb[..., ::-1])
    assert bgr.flags.c_contiguous
    np.testing.assert_array_equal(gray[..., 0], stretched(photo().convert("L")))
    np.testing.assert_array_equal(gray, np.repeat(gray[..., :1], 3, axis=2))
    np.testing.assert_array_equal(alpha[..., :3], bgr)
    assert (alpha[..., 3] == 255).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_letterbox_keeps_all_of_the_picture_between_gray_bars(
    tmp_path: Path, channels: int
) -> None:
    path = tmp_path / "wide.png"
    photo(100, 50).save(path)
    pixels = read_picture(path, 40, 40, channels, Preprocessing(resize="letterbox"))
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    middle = np.asarray(photo(100, 50).convert(mode).resize((40, 20), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(pixels[10:30], middle.reshape(20, 40, channels))
    bars = np.concatenate([pixels[:10], pixels[30:]])[..., :3]
    assert (bars == LETTERBOX_GRAY).all()


@pytest.mark.parametrize(("width", "height"), [(1, 500), (500, 1), (3, 7), (1280, 720)])
@pytest.mark.parametrize("resize", ["stretch", "letterbox", "crop"])
def test_extreme_shapes_fit(width: int, height: int, resize: str) -> None:
    file = io.BytesIO()
    photo(width, height).save(file, "png")
    pixels = read_picture(file.getvalue(), 17, 31, 3, Preprocessing(resize=resize))
    assert pixels.shape == (17, 31, 3)


def test_crop_takes_the_center(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    photo(100, 50).save(path)
    pixels = read_picture(path, 50, 50, 3, Preprocessing(resize="crop"))
    np.testing.assert_array_equal(pixels, np.asarray(photo(100, 50))[:, 25:75])


def broken(tmp_path: Path) -> dict[str, Path]:
    file = io.BytesIO()
    photo(200, 200).save(file, "jpeg")
    contents = {
        "cut.jpg": file.getvalue()[: len(file.getvalue()) // 2],
        "empty.png": b"",
        "text.png": b"not a picture at all",
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")
    return {path.name: path for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        ("cut.jpg", "a broken picture (image file is truncated", "copy the file again"),
        ("empty.png", "the file is empty", "give a picture"),
        ("text.png", "not a picture that pillow can read", "convert it to PNG or JPEG"),
        ("missing.png", "no such picture", "check the path"),
        ("float.tif", "mode F, which have no meaning as 8-bit RGB", "convert it to 8-bit RGB"),
    ],
)
def test_a_broken_picture_is_named(tmp_path: Path, name: str, problem: str, hint: str) -> None:
    path = broken(tmp_path).get(name, tmp_path / name)
    with pytest.raises(InputError) as caught:
        read_picture(path, 8, 8, 3)
    assert str(caught.value).startswith(f"{path}: ")
    assert problem in str(caught.value)
    assert hint in caught.value.hint


def _samples() -> list[bytes]:
    found = []
    for suffix in ("png", "jpeg", "gif", "tiff", "webp", "bmp"):
        file = io.BytesIO()
        photo(20, 20).save(file, suffix)
        found.append(file.getvalue())
    return found


@pytest.mark.filterwarnings("ignore")  # pillow warns of much in damaged files
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(_samples()), st.data())
def test_damaged_pictures_are_read_or_refused(picture: bytes, data: st.DataObject) -> None:
    damaged = bytearray(picture)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    with contextlib.suppress(InputError):  # any other exception fails
        assert read_picture(bytes(damaged[:cut]), 6, 5, 3).shape == (6, 5, 3)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 28, 28), (28, 28, 1)),
        ((1, 28, 28, 1), (28, 28, 1)),
        ((1, 224, 160, 3), (224, 160, 3)),
        ((1, 8, 8, 4), (8, 8, 4)),
    ],
)
def test_inputs_that_take_pictures(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert picture_shape(TensorSpec("x", shape, "uint8"), "a.png") == expected


@pytest.mark.parametrize("shape", [(1, 16), (1, 3, 224, 224), (2, 8, 8, 3), (1, 8, 8, 2), ()])
def test_inputs_that_take_no_pictures(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        picture_shape(TensorSpec("x", shape, "float32"), "a.png")
    assert str(caught.value) == (
        f"a.png: a picture, but the model's input 'x' takes float32 {list(shape)}"
    )
    assert ".npy" in caught.value.hint
    assert ("channels stand before" in caught.value.hint) == (shape == (1, 3, 224, 224))
