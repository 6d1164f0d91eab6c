"""Pictures for calibration, tests and speed: crops of real photos, the same in every run.

``python -m benchmarks.networks.photos --out DIR --kind calibration|test|jpegs``

The photos are those of the conformance data's ``media`` folder. Calibration and test crops come
from different photos. Nothing is drawn or random in a picture itself; only where it is cut.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

# The two pictures of one cat stand on the same side.
CALIBRATION_PHOTOS = (
    "bird_segmentation.bmp",
    "cat.bmp",
    "cat_720p.jpg",
    "face.jpg",
    "kite_and_cold.jpg",
    "missvickie_potato_chips.bmp",
    "owl.jpg",
    "posenet/test_image.bmp",
)
TEST_PHOTOS = (
    "bird.bmp",
    "dragonfly.bmp",
    "grace_hopper.bmp",
    "hot_dog.jpg",
    "parrot.jpg",
    "pets.jpg",
    "squat.bmp",
    "sunflower.bmp",
)


@dataclass(frozen=True)
class Kind:
    """A set of pictures: ``count`` crops of ``width`` x ``height`` pixels, dealt over ``photos``.

    A crop takes at least ``smallest`` of the largest that fits the photo; about half are
    mirrored.
    """

    photos: tuple[str, ...]
    count: int
    width: int
    height: int
    smallest: float
    suffix: str
    seed: int


KINDS = {
    "calibration": Kind(CALIBRATION_PHOTOS, 100, 224, 224, 0.6, ".png", 1),
    "test": Kind(TEST_PHOTOS, 200, 224, 224, 0.6, ".png", 2),
    "jpegs": Kind(CALIBRATION_PHOTOS + TEST_PHOTOS, 500, 1280, 720, 0.5, ".jpg", 3),
}


def media_folder() -> Path:
    """``media`` in the conformance data: ``$EDGEQ_CONFORMANCE``, else ``../shared/coral``."""
    data = Path(os.environ.get("EDGEQ_CONFORMANCE", ROOT.parent / "shared" / "coral"))
    return data / "media"


def crops(kind: Kind, media: Path) -> Iterator[tuple[str, Any]]:
    """File name and RGB pillow image of each picture, photo after photo in turn.

    A name carries the number of the crop and the photo that it was cut from.
    """
    from PIL import Image, ImageOps

    chance = random.Random(kind.seed)
    opened = {}
    for name in kind.photos:
        with Image.open(media / name) as photo:
            opened[name] = ImageOps.exif_transpose(photo).convert("RGB")
    for number in range(kind.count):
        name = kind.photos[number % len(kind.photos)]
        photo = opened[name]
        crop = photo.resize(
            (kind.width, kind.height), Image.Resampling.LANCZOS, box=_box(photo.size, kind, chance)
        )
        if chance.random() < 0.5:
            crop = ImageOps.mirror(crop)
        yield f"{number:03d}_{Path(name).stem}{kind.suffix}", crop


def _box(size: tuple[int, int], kind: Kind, chance: random.Random) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a random crop that has the kind's proportions."""
    full = min(size[0] / kind.width, size[1] / kind.height)
    scale = full * chance.uniform(kind.smallest, 1.0)
    width, height = int(kind.width * scale), int(kind.height * scale)
    left = chance.randint(0, size[0] - width)
    top = chance.randint(0, size[1] - height)
    return left, top, left + width, top + height


def write(kind: Kind, folder: Path, media: Path) -> int:
    """Writes the kind's pictures into ``folder``, which is made; how many were written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for name, crop in crops(kind, media):
        crop.save(folder / name, quality=92)
        written += 1
    return written


def main() -> None:
    """Writes the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--kind", choices=tuple(KINDS), required=True)
    parser.add_argument("--media", type=Path, default=media_folder(), help="folder of the photos")
    options = parser.parse_args()
    kind = KINDS[options.kind]
    print(f"{write(kind, options.out, options.media)} pictures in {options.out}")


if __name__ == "__main__":
    main()
