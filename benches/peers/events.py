#!/usr/bin/env python3
"""The tensorboard package reads back what `train --tensorboard` wrote, in a run that was killed and resumed: every step
and evaluation once, with the numbers of metrics.jsonl, filters and histograms.

Exits with 1 where something is missed.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/alexnet"
STEPS, CHECKPOINT, EVALUATION = 30, 4, 6
# Of single precision, which event files have.
NEAR = 1e-6


def killed_and_resumed(folder):
    """A run killed with steps, and at times an evaluation, behind its last checkpoint."""
    data, run = folder / "data", folder / "run"
    subprocess.run([BINARY, "synth", data, "--classes", "3", "--train", "16", "--val", "4"], check=True, stdout=subprocess.DEVNULL)
    every = ["--checkpoint-every", CHECKPOINT, "--eval-every", EVALUATION]
    words = ["train", data, "--net", "tiny", "--batch", 8, "--steps", STEPS, "--run", run, "--tensorboard", *every]
    training = subprocess.Popen([BINARY, *map(str, words)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    metrics = run / "metrics.jsonl"
    while training.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") > STEPS // 2):
        time.sleep(0.005)
    training.send_signal(signal.SIGKILL)
    training.wait()
    print(f"      killed after {metrics.read_text().count(chr(10))} lines", flush=True)
    subprocess.run([BINARY, "train", data, "--resume", run], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return run


def report(name, value, good):
    print(f"{'ok   ' if good else 'MISS '} {name}: {value}", flush=True)
    misses.append(name) if not good else None


argparse.ArgumentParser(
    prog="benches/peers/run events", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
).parse_args()
misses = []
with tempfile.TemporaryDirectory() as name:
    run = killed_and_resumed(pathlib.Path(name))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "split" not in line]
    evaluations = [line for line in lines if line.get("split") == "val"]
    events = EventAccumulator(str(run), size_guidance={kind: 0 for kind in ("scalars", "histograms", "images")})
    events.Reload()
    for group, own in (("training", steps), ("validation", evaluations)):
        for key in ("loss", "top1_error", "top5_error"):
            read = [(event.step, event.value) for event in events.Scalars(f"{group}/{key}")]
            wanted = [(line["step"], line[key]) for line in own]
            same = len(read) == len(wanted) and all(
                a == b and abs(x - y) <= NEAR * max(1, abs(y)) for (a, x), (b, y) in zip(read, wanted)
            )
            report(f"{group}/{key}", f"{len(read)} values, {len(wanted)} lines", same)
    report("steps", len(steps), [line["step"] for line in steps] == list(range(1, STEPS + 1)))
    tags = events.Tags()
    at = [line["step"] for line in evaluations]
    for kind, read in (("weights", events.Histograms), ("updates", events.Histograms), ("filters", events.Images)):
        own = [tag for tag in tags["images" if kind == "filters" else "histograms"] if tag.startswith(f"{kind}/")]
        good = bool(own) and all([event.step for event in read(tag)] == at for tag in own)
        report(kind, f"{len(own)} tensors at steps {at}", good)
    counted = events.Histograms("weights/fc8.bias")[-1].histogram_value
    report("histogram of fc8.bias", f"{counted.num:.0f} values", counted.num == 3 == sum(counted.bucket))
    png = events.Images("filters/conv1.weight")[-1].encoded_image_string
    report("filters/conv1.weight", f"{len(png)} bytes", png.startswith(b"\x89PNG"))
sys.exit(f"missed: {', '.join(misses)}" if misses else 0)
