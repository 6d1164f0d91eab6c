"""A picture with its classification drawn beneath it: label, bar and score of each class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edgeq_device.errors import MissingTool
from edgeq_device.tasks.classify import Classification, ClassScore

if TYPE_CHECKING:
    from PIL.Image import Image

MIN_WIDTH = 360
"""Pixels: smaller pictures are enlarged by a whole factor, so that their pixels stay square."""
MAX_SIDE = 1600
"""Pixels: larger pictures are scaled down, so that the caption stays readable on a screen."""

_BACKGROUND = (24, 26, 31)
_TRACK = (52, 56, 66)
_BEST = (79, 193, 138)
_OTHER = (112, 132, 168)
_BRIGHT = (240, 242, 245)
_DIM = (188, 194, 204)


def annotate(picture: Image, result: Classification, note: str = "") -> Image:
    """A new RGB picture: the given one above a strip with a row per class.

    ``note`` is a small last line (which model, which backend). Needs pillow, as ``picture`` does.
    """
    from PIL import Image as pillow  # noqa: N813 - the module is named as its class
    from PIL import ImageDraw

    shown = _fitted(picture.convert("RGB"))
    width = max(shown.width, MIN_WIDTH)
    unit = max(14, width // 32)
    row = unit + unit // 2
    height = row * len(result.classes) + unit + (row if note else 0)
    canvas = pillow.new("RGB", (width, shown.height + height), _BACKGROUND)
    canvas.paste(shown, ((width - shown.width) // 2, 0))
    strip = _Strip(ImageDraw.Draw(canvas), width, unit)
    top = shown.height + unit // 2
    for rank, each in enumerate(result.classes):
        strip.draw_row(top + rank * row, each, best=rank == 0)
    if note:
        place = (unit, top + len(result.classes) * row + unit // 4)
        strip.draw_text(place, note, strip.small, _DIM, width - 2 * unit)
    return canvas


def _fitted(picture: Image) -> Image:
    from PIL import Image as pillow  # noqa: N813 - the module is named as its class

    width, height = picture.size
    scale = min(1.0, MAX_SIDE / width, MAX_SIDE / height)
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return picture.resize(size, pillow.Resampling.LANCZOS)
    factor = min(-(-MIN_WIDTH // width), MAX_SIDE // height)
    if factor <= 1:
        return picture
    return picture.resize((width * factor, height * factor), pillow.Resampling.NEAREST)


class _Strip:
    """Draws rows in three columns: label, bar, percentage. All lengths are pixels."""

    def __init__(self, draw: Any, width: int, unit: int) -> None:
        self.draw = draw
        self.unit = unit
        self.font = _font(unit)
        self.small = _font(max(11, unit * 3 // 4))
        number = int(draw.textlength("100.0 %", font=self.font))
        self.right = width - unit
        self.bar_end = self.right - number - unit // 2
        self.bar_start = unit + int((self.bar_end - unit) * 0.55)

    def draw_row(self, top: int, each: ClassScore, *, best: bool) -> None:
        unit, draw = self.unit, self.draw
        color = _BRIGHT if best else _DIM
        self.draw_text((unit, top), each.label, self.font, color, self.bar_start - unit - unit // 2)
        bar = (self.bar_start, top + unit // 4, self.bar_end, top + unit)
        draw.rounded_rectangle(bar, radius=unit // 4, fill=_TRACK)
        part = min(max(each.score, 0.0), 1.0) if math.isfinite(each.score) else 0.0
        filled = round((self.bar_end - self.bar_start) * part)
        if filled >= 1:
            inside = (bar[0], bar[1], bar[0] + filled, bar[3])
            radius = min(unit // 4, filled // 2)
            draw.rounded_rectangle(inside, radius=radius, fill=_BEST if best else _OTHER)
        number = f"{100 * each.score:.1f} %"
        draw.text((self.right, top), number, font=self.font, fill=color, anchor="ra")

    def draw_text(
        self, place: tuple[int, int], text: str, font: Any, color: tuple[int, int, int], room: int
    ) -> None:
        """Text at ``place``, cut with an ellipsis where it is wider than ``room``."""
        if self.draw.textlength(text, font=font) > room:
            while text and self.draw.textlength(text + "…", font=font) > room:
                text = text[:-1]
            text = text.rstrip(" ,") + "…"
        self.draw.text(place, text, font=font, fill=color)


def _font(size: int) -> Any:
    from PIL import ImageFont

    try:
        return ImageFont.load_default(size)
    except TypeError:  # before pillow 10.1 there was one small bitmap font
        raise MissingTool(
            "pillow", "is too old to draw captions", hint='pip install --upgrade "pillow>=10.1"'
        ) from None
