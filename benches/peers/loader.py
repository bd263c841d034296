#!/usr/bin/env python3
"""Images: the same work by `alexnet` and its peers in Python. `--short` is what `.ci/run` calls.

    filters     Pillow's resizing of scikit-image's photographs against `alexnet`'s, mean absolute difference in levels
    webdataset  the webdataset package reads back what `prepare --form webdataset` wrote
    loader      torchvision's ImageFolder and DataLoader beside `alexnet bench loader`, images a second

Exits with 1 where a bound is missed.
"""

import argparse
import glob
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

import photographs

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/alexnet"
SIZE = 256
# Mean absolute difference in grey levels.
LEVELS = 1.5
# Ours beside torchvision's, both with two workers.
LOADER, PREPARED = 2.0, 2.5
# Images a second.
RAW, PREPARE = 15_000, 500


def alexnet(*arguments):
    done = subprocess.run([BINARY, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def report(name, value, bound, good):
    print(f"{'ok   ' if good else 'MISS '} {name}: {value} ({bound})", flush=True)
    misses.append(name) if not good else None


def filters(folder):
    """Lossless files, so that only the resizing is compared; JPEG files, so that the decoder is, too."""
    source, out = folder / "filters", folder / "filters.raw"
    wanted = []
    for number, (name, image) in enumerate(sorted(photographs.originals().items())):
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        for ending in ("png", "jpg"):
            for split in ("train", "val"):
                path = source / split / "ab"[number % 2] / f"{name}.{ending}.{ending}"
                path.parent.mkdir(parents=True, exist_ok=True)
                image.save(path, quality=92)
            read = Image.open(path).convert("RGB").crop((left, top, left + side, top + side))
            square = read.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
            wanted.append(("ab"[number % 2], f"{name}.{ending}", np.asarray(square)))
    alexnet("prepare", source, out)
    wanted.sort(key=lambda image: image[:2])
    found = np.fromfile(out / "train-000000.raw", np.uint8)[: len(wanted) * SIZE * SIZE * 3]
    for (_, name, square), own in zip(wanted, found.reshape(-1, SIZE, SIZE, 3)):
        difference = np.abs(square.astype(int) - own).mean()
        report(f"filter bilinear, {name}", f"{difference:.3f} levels", f"at most {LEVELS}", difference <= LEVELS)


def read_back(folder, source):
    """Keys, labels and pixels, by the package."""
    import webdataset

    out = folder / "shards"
    alexnet("prepare", source, out, "--form", "webdataset", "--shard", 64)
    classes = json.loads((out / "classes.json").read_text())
    files = sorted(glob.glob(str(out / "train-*.tar")))
    samples = webdataset.WebDataset(files, shardshuffle=False).decode("rgb8").to_tuple("__key__", "jpg", "cls")
    numbers = {}
    images = sorted((source / "train").glob("*/*"))
    for key, image, label in samples:
        path = images[int(key)]
        numbers[key] = classes[label] == path.parent.name and image.shape == (SIZE, SIZE, 3)
    good = len(numbers) == len(images) and all(numbers.values())
    report("webdataset", f"{len(numbers)} samples of {len(files)} shards", f"the {len(images)} of the source", good)


def torchvision_rate(source):
    import torch
    from torchvision import datasets, transforms

    steps = [transforms.Resize(SIZE), transforms.RandomCrop(224), transforms.RandomHorizontalFlip()]
    steps += [transforms.ToTensor(), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    images = datasets.ImageFolder(source / "train", transforms.Compose(steps))
    loader = torch.utils.data.DataLoader(images, 16, shuffle=True, num_workers=2, persistent_workers=True)
    rates = []
    for _ in range(3):
        begin, count = time.monotonic(), 0
        for pixels, _ in loader:
            count += len(pixels)
        rates.append(count / (time.monotonic() - begin))
    # The first pass starts the workers.
    return max(rates[1:])


def own_rate(source, runs=3):
    found = [json.loads(alexnet("bench", "loader", source, "--split", "train", "--workers", 2, "--json")) for _ in range(runs)]
    return tuple(sorted(run[key] for run in found)[runs // 2] for key in ("images_per_second", "images_per_second_u8"))


def rates(folder, source):
    torch = torchvision_rate(source)
    print(f"      torchvision, 2 workers: {torch:.0f} images/s", flush=True)
    own, own_u8 = own_rate(source)
    report("loader", f"{own:.0f} images/s as f32, {own_u8:.0f} as u8: {own / torch:.2f} times", LOADER, own >= LOADER * torch)
    jpegs, raw = folder / "jpegs", folder / "raw"
    alexnet("prepare", source, jpegs, "--form", "jpeg", "--workers", 2)
    own, own_u8 = own_rate(jpegs)
    text = f"{own:.0f} images/s as f32, {own_u8:.0f} as u8: {own / torch:.2f} times"
    report("prepared JPEGs", text, PREPARED, own >= PREPARED * torch)
    begin = time.monotonic()
    alexnet("prepare", source, raw, "--workers", 2)
    images = sum(1 for _ in source.glob("*/*/*"))
    rate = images / (time.monotonic() - begin)
    report("prepare --form raw", f"{rate:.0f} images/s, start and sync included", PREPARE, rate >= PREPARE)
    own, own_u8 = own_rate(raw)
    report("prepared squares", f"{own:.0f} images/s as f32, {own_u8:.0f} as u8", RAW, own_u8 >= RAW)


parser = argparse.ArgumentParser(
    prog="benches/peers/run loader", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--short", action="store_true", help="what does not measure time")
parser.add_argument("--images", type=int, default=2000)
args = parser.parse_args()
misses = []
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    source = folder / "photographs"
    photographs.write(source, 200 if args.short else args.images)
    filters(folder)
    read_back(folder, source)
    if not args.short:
        rates(folder, source)
sys.exit(f"missed: {', '.join(misses)}" if misses else 0)
