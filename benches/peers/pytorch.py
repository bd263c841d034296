#!/usr/bin/env python3
"""A training step of the paper's grouped network in PyTorch, or its forward pass alone; one JSON line.

Images begin in host memory, as they do in `alexnet bench step`. `--how fp32` is plain f32 with TF32 off; `--how users` is
what PyTorch's users turn on with CUDA: TF32, channels last and automatic mixed precision.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn

# Untimed steps: memory is got, algorithms are chosen.
WARM = {"cpu": 2, "cuda": 10}


class Norm(nn.LocalResponseNorm):
    """Within a column, half of the maps; PyTorch divides alpha by the number of maps."""

    def __init__(self):
        super().__init__(5, 5e-4, 0.75, 2.0)

    def forward(self, x):
        return super().forward(x.unflatten(1, (2, -1)).flatten(0, 1)).view_as(x)


def alexnet(norm):
    """227 pixels are the paper's 224 with the overhang of conv1's last window."""
    conv, pool = nn.Conv2d, lambda: nn.MaxPool2d(3, 2)
    norm = Norm if norm else nn.Identity
    return nn.Sequential(
        *(conv(3, 96, 11, 4), nn.ReLU(), norm(), pool()),
        *(conv(96, 256, 5, padding=2, groups=2), nn.ReLU(), norm(), pool()),
        *(conv(256, 384, 3, padding=1), nn.ReLU()),
        *(conv(384, 384, 3, padding=1, groups=2), nn.ReLU()),
        *(conv(384, 256, 3, padding=1, groups=2), nn.ReLU(), pool()),
        *(nn.Flatten(), nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(4096, 1000),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--how", choices=("fp32", "users"), default="fp32")
    parser.add_argument("--no-norm", action="store_true", help="leave the response normalisation out")
    parser.add_argument("--forward", action="store_true", help="the forward pass alone")
    args = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    cuda, users = args.device == "cuda", args.how == "users"
    torch.set_float32_matmul_precision("high" if users else "highest")
    torch.backends.cudnn.allow_tf32 = users
    torch.backends.cudnn.benchmark = True
    layout = torch.channels_last if users else torch.contiguous_format
    net = alexnet(not args.no_norm).to(args.device, memory_format=layout).train(not args.forward)
    optimizer = torch.optim.SGD(net.parameters(), 1e-5, momentum=0.9, weight_decay=5e-4, fused=True)
    scaler = torch.amp.GradScaler(args.device, enabled=cuda and users)
    images = torch.rand(args.batch, 3, 227, 227).contiguous(memory_format=layout)
    labels = torch.randint(1000, (args.batch,))
    if cuda:
        images, labels = images.pin_memory(), labels.pin_memory()

    def forward():
        with torch.autocast(args.device, torch.float16, enabled=cuda and users):
            return net(images.to(args.device, non_blocking=True))

    def step():
        if args.forward:
            with torch.inference_mode():
                return forward()
        with torch.autocast(args.device, torch.float16, enabled=cuda and users):
            loss = nn.functional.cross_entropy(forward(), labels.to(args.device, non_blocking=True))
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    def mark():
        if not cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    for _ in range(WARM[args.device]):
        step()
    marks = [mark()]
    for _ in range(args.steps):
        step()
        marks.append(mark())
    if cuda:
        torch.cuda.synchronize()
    pairs = zip(marks, marks[1:])
    seconds = [begin.elapsed_time(end) / 1e3 if cuda else end - begin for begin, end in pairs]
    adapter = torch.cuda.get_device_name() if cuda else f"CPU, {args.threads} threads"
    print(json.dumps({
        "adapter": f"PyTorch {torch.__version__}, {adapter}",
        "batch": args.batch,
        "seconds": statistics.median(seconds),
        "images_per_second": args.batch / statistics.median(seconds),
    }))


main()
