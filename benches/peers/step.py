#!/usr/bin/env python3
"""The same training step, and its forward pass alone, by `alexnet`, PyTorch and burn: a table in Markdown.

The network is the paper's, in groups, in fp32, with momentum and decay, on random images from host memory. PyTorch runs
on the CPU, or where there is CUDA on that: fp32 with TF32 off, then as its users run it (TF32, channels last, automatic
mixed precision). burn runs through wgpu, without response normalisation and with fc6 in two halves, because the plain
network passes its limits; it is built first, which takes several minutes once, and its first run chooses its kernels.

Pairs run in turns, a process each time, and who begins alternates; medians of the rates and of the pairs' ratios count.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
PASSES, PEERS = ("training", "forward"), ("pytorch", "burn")


def some(choices):
    """Parses a list with commas."""

    def split(text):
        wrong = [word for word in text.split(",") if word not in choices]
        if wrong:
            raise argparse.ArgumentTypeError(f"{','.join(wrong)}: expected some of {','.join(choices)}")
        return text.split(",")

    return split


def count(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text}: expected a number, 1 or more")
    return int(text)


def own():
    """The command; a peer's also has how it computes beside it. `--forward` is added to each for that pass."""
    command = [TARGET / "release/alexnet", "bench", "step", "--json", "--net", args.net]
    command += ["--batch", args.batch, "--steps", args.steps]
    return command + ["--adapters", args.adapters] if args.adapters else command


def pytorch():
    import torch

    command = [sys.executable, HERE / "pytorch.py", "--batch", args.batch, "--steps", args.steps]
    if not torch.cuda.is_available():
        return [(command + ["--threads", args.threads], "fp32")]
    cuda = command + ["--device", "cuda", "--how"]
    return [(cuda + ["fp32"], "fp32, TF32 off"), (cuda + ["users"], "TF32, channels last, mixed precision")]


def burn():
    folder = TARGET / "peers/burn"
    build = ["cargo", "build", "--release", "--locked", "--target-dir", folder]
    if subprocess.run(build, cwd=HERE / "burn").returncode:
        sys.exit("burn could not be built; --peers pytorch leaves it out")
    return [([folder / "release/burn-step", "--batch", args.batch, "--steps", args.steps], "fp32, no normalisation")]


def measure(command):
    """The JSON line it ends with."""
    command = list(map(str, command))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def machine():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name, system = platform.processor() or platform.machine(), platform.platform()
    if sys.platform == "linux":
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(": ")[1] for line in lines if line.startswith("model name")), name)
        system = platform.freedesktop_os_release().get("PRETTY_NAME", system)
    return f"{cores} cores of {name}, {system}"


parser = argparse.ArgumentParser(
    prog="benches/peers/run step", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--net", choices=("alexnet",), default="alexnet", help="what the peers' scripts hold")
parser.add_argument("--batch", type=count, default=32, help="images a step [32]")
parser.add_argument("--steps", type=count, default=3, help="steps timed in a process [3]")
parser.add_argument("--rounds", type=count, default=3, help="pairs of processes [3]")
parser.add_argument("--threads", type=count, default=2, help="of PyTorch on the CPU [2]")
parser.add_argument("--adapters", help="of alexnet, as its own option")
parser.add_argument("--peers", type=some(PEERS), default=PEERS, help="[pytorch,burn]")
parser.add_argument("--passes", type=some(PASSES), default=PASSES, help="[training,forward]")
args = parser.parse_args()

peers = [peer for name in args.peers for peer in {"pytorch": pytorch, "burn": burn}[name]()]
rows, adapters = [], ""
for name in args.passes:
    option = ["--forward"] if name == "forward" else []
    for command, how in peers:
        pairs = []
        for turn in range(args.rounds):
            both = {"own": own() + option, "peer": command + option}
            runs = {who: measure(both[who]) for who in (reversed(both) if turn % 2 else both)}
            pairs.append((runs["own"], runs["peer"]))
        ours, theirs = ([run["images_per_second"] for run in runs] for runs in zip(*pairs))
        ratios = sorted(a / b for a, b in zip(ours, theirs))
        first, peer = pairs[0]
        adapters = ", ".join(map(" with ".join, zip(first["adapters"], first["kernels"])))
        row = f"{args.net}, {name}, batch {args.batch} | {statistics.median(ours):.1f} | {peer['adapter']}, {how}"
        row += f" | {statistics.median(theirs):.1f} | {statistics.median(ratios):.2f}"
        rows.append(f"| {row} ({ratios[0]:.2f} to {ratios[-1]:.2f}, {len(ratios)} pairs) |")
        print(rows[-1], file=sys.stderr, flush=True)

print(f"{datetime.date.today()}, {machine()}. alexnet: {adapters}.")
print(" ".join(["Command: benches/peers/run step", *sys.argv[1:]]))
print("\n| work | images/s | peer | its images/s | ratio |\n|---|---|---|---|---|")
print("\n".join(rows))
