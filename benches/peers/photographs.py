"""Photographs as ILSVRC has them, from scikit-image's packaged ones: 500×375 JPEGs of about 48 kB in class folders."""

import io
import pathlib

import numpy as np
import skimage
from PIL import Image

NAMES = ("astronaut", "chelsea", "coffee", "rocket")
SIZE = (500, 375)
BYTES = 48_000


def originals():
    """The colour photographs that scikit-image ships."""
    return {name: Image.fromarray(getattr(skimage.data, name)()).convert("RGB") for name in NAMES}


def encoded(image):
    """A JPEG (4:2:0) of the quality that comes nearest to BYTES."""
    low, high = 50, 97
    while low < high:
        middle = (low + high + 1) // 2
        out = io.BytesIO()
        image.save(out, "JPEG", quality=middle)
        low, high = (middle, high) if out.tell() <= BYTES else (low, middle - 1)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=low)
    return out.getvalue()


def write(folder, count, seed=0):
    """`count` random crops in folder/train/{a,b} and a tenth as many in folder/val/{a,b}."""
    random = np.random.default_rng(seed)
    photographs = list(originals().values())
    for split, images in (("train", count), ("val", max(2, count // 10))):
        for number in range(images):
            image = photographs[random.integers(len(photographs))]
            scale = random.uniform(0.6, 1.0)
            width = int(scale * min(image.width, image.height * SIZE[0] / SIZE[1]))
            height = width * SIZE[1] // SIZE[0]
            left, top = random.integers(image.width - width + 1), random.integers(image.height - height + 1)
            crop = image.crop((left, top, left + width, top + height)).resize(SIZE, Image.Resampling.LANCZOS)
            path = pathlib.Path(folder, split, "ab"[number % 2], f"{number:05d}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(crop))
