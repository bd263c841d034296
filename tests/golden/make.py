#!/usr/bin/env python3
"""Writes tiny.safetensors and full.safetensors beside itself, with PyTorch in float64.

tiny: one training step of `tiny`, 10 classes, 8 images: loss, probabilities, and of each gradient its L2 norm, its sum
and 64 values; without dropout (p = 0) and with the project's own mask (p = 0.5).
full: probabilities of `alexnet`, `alexnet-2012` and `half`, 1,000 classes, 2 images, in use (p = 0.5).

Weights, images and labels are functions of a counter: tests/common/seeded.rs computes the same ones.

    pip install torch numpy safetensors
    python tests/golden/make.py
"""

import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

COMMAND = "python tests/golden/make.py"
HERE = pathlib.Path(__file__).parent
SAMPLES = 64
PIXELS, LABELS = 2**32 - 1, 2**32 - 2
# Place of the two dropout rows in the table, and the draw of the masks; the seed needs more than 32 bits.
DROP_ROWS = (17, 20)
SEED, STEP = 7 + (5 << 32), 3

# What the tables hold in f32.
f32 = np.float32
ALPHA, ALPHA_2012, SPATIAL_2012 = float(f32(1e-4)), float(f32(1e-4) / f32(5)), float(f32(1e-3) / f32(25))
BETA, N = 0.75, 5


# --- src/random.rs ----------------------------------------------------------------------------------------------------
def mix(h, word):
    u = np.uint32
    with np.errstate(over="ignore"):
        h = np.asarray(h, u) ^ (np.asarray(word, u) * u(0x9E3779B9) + u(0x85EBCA6B))
        h = (h ^ (h >> u(16))) * u(0x85EBCA6B)
        h = (h ^ (h >> u(13))) * u(0xC2B2AE35)
        return h ^ (h >> u(16))


def hash_(*words):
    h = np.zeros(1, np.uint32)
    for word in words:
        h = mix(h, word)
    return h


def kept(p, row, units, images):
    """[images, units], 1 where a unit is kept."""
    unit, image = np.arange(units)[None, :], np.arange(images)[:, None]
    h = hash_(SEED & 0xFFFFFFFF, SEED >> 32, STEP, row, unit, image)
    return torch.from_numpy((h >= int(p * 2**32)).astype(np.float64))


# --- tests/common/seeded.rs -------------------------------------------------------------------------------------------
def uniform(word, count):
    return (hash_(word, np.arange(count, dtype=np.uint32)) / 4294967296.0 - 0.5) * 3.4641016151377544


def tensor(word, shape, scale):
    values = (uniform(word, math.prod(shape)) * scale).astype(np.float32)
    return torch.from_numpy(values.astype(np.float64).reshape(shape))


def weights(shapes):
    made = {}
    for number, (name, shape) in enumerate(shapes.items()):
        scale = math.sqrt(2.0 / math.prod(shape[1:])) if name.endswith("weight") else 0.1
        made[name] = tensor(number, shape, 0.1 * scale if name == "fc8.weight" else scale)
    return made


def batch(crop, classes, images):
    labels = hash_(LABELS, np.arange(images)) % np.uint32(classes)
    return tensor(PIXELS, (images, 3, crop, crop), 64.0), torch.from_numpy(labels.astype(np.int64))


# --- the network ------------------------------------------------------------------------------------------------------
class Net:
    """Both columns at once: a layer that stays within its column is a grouped convolution."""

    def __init__(self, columns, crop, kernel, stride, maps, side, units, classes, source=False):
        self.columns, self.crop, self.kernel, self.stride = columns, crop, kernel, stride
        self.classes, self.source = classes, source
        one, two, three, four, five = maps
        self.shapes = {}
        for name, shape in {
            "conv1": (one, 3, kernel, kernel),
            "conv2": (two, one // columns, 5, 5),
            "conv3": (three, two, 3, 3),
            "conv4": (four, three // columns, 3, 3),
            "conv5": (five, four // columns, 3, 3),
            "fc6": (units, five * side * side),
            "fc7": (units, units),
            "fc8": (classes, units),
        }.items():
            self.shapes[f"{name}.weight"] = shape
            self.shapes[f"{name}.bias"] = shape[:1]

    def norm(self, x, alpha):
        """PyTorch divides alpha by n. A window never leaves its column."""
        return torch.cat([F.local_response_norm(c, N, alpha * N, BETA, 2.0) for c in x.chunk(self.columns, 1)], 1)

    def spatial_norm(self, x):
        sums = F.avg_pool2d(x * x, N, 1, N // 2) * N * N
        return x * (1.0 + SPATIAL_2012 * sums) ** -BETA

    def logits(self, x, w, p, training):
        conv = lambda x, name, pad, groups: F.conv2d(
            x, w[f"{name}.weight"], w[f"{name}.bias"], self.stride if name == "conv1" else 1, pad, groups=groups
        )
        pool = lambda x: F.max_pool2d(x, 3, 2)
        # conv1's last window overhangs: zeros to the right and below.
        places = -(-(self.crop - self.kernel) // self.stride) + 1
        over = (places - 1) * self.stride + self.kernel - self.crop
        x = conv(F.pad(x, (0, over, 0, over)), "conv1", 0, 1)
        if self.source:
            x = F.relu(pool(self.norm(x, ALPHA_2012)))
            x = self.norm(F.relu(conv(x, "conv2", 2, self.columns)), ALPHA_2012)
            x = pool(self.spatial_norm(x))
        else:
            x = pool(self.norm(F.relu(x), ALPHA))
            x = pool(self.norm(F.relu(conv(x, "conv2", 2, self.columns)), ALPHA))
        x = F.relu(conv(x, "conv3", 1, 1))
        x = F.relu(conv(x, "conv4", 1, self.columns))
        x = pool(F.relu(conv(x, "conv5", 1, self.columns))).flatten(1)
        for name, row in zip(("fc6", "fc7"), DROP_ROWS):
            x = F.relu(F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"]))
            x = x * (kept(p, row, x.shape[1], x.shape[0]) if training else 1.0 - p)
        return F.linear(x, w["fc8.weight"], w["fc8.bias"])


def step(net, images, p):
    """One training step, as the golden file keeps it."""
    w = {name: t.requires_grad_() for name, t in weights(net.shapes).items()}
    x, labels = batch(net.crop, net.classes, images)
    logits = net.logits(x, w, p, True)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    out = {"loss": loss.detach().reshape(1), "probabilities": logits.detach().softmax(1)}
    for name, t in w.items():
        g = t.grad.flatten()
        places = hash_(np.arange(SAMPLES)).astype(np.int64) % g.numel()
        out |= {f"{name}.norm": g.norm().reshape(1), f"{name}.sum": g.sum().reshape(1), f"{name}.samples": g[places]}
    return out


def save(name, tensors):
    arrays = {key: t.contiguous().numpy() for key, t in tensors.items()}
    # One entry: safetensors writes several in any order.
    made_by = f"{COMMAND} (torch {torch.__version__}, numpy {np.__version__})"
    save_file(arrays, HERE / name, {"made_by": made_by})
    (HERE / name).chmod(0o644)


def main():
    torch.set_num_threads(1)  # so that sums have one order
    tiny = Net(2, 64, 5, 2, (32, 64, 64, 64, 64), 3, 256, 10)
    cases = {"plain": 0.0, "dropout": 0.5}
    save("tiny.safetensors", {f"{case}.{key}": t for case, p in cases.items() for key, t in step(tiny, 8, p).items()})

    maps = (96, 256, 384, 384, 256)
    full = {
        "alexnet": Net(2, 224, 11, 4, maps, 6, 4096, 1000),
        "alexnet-2012": Net(2, 224, 11, 4, maps, 6, 4096, 1000, source=True),
        "half": Net(1, 224, 11, 4, (48, 128, 192, 192, 256), 6, 4096, 1000),
    }
    probabilities = {}
    for name, net in full.items():
        x, _ = batch(net.crop, net.classes, 2)
        probabilities[name] = net.logits(x, weights(net.shapes), 0.5, False).softmax(1)
        print(name, "largest probabilities", probabilities[name].max(1).values.tolist())
    save("full.safetensors", probabilities)


if __name__ == "__main__":
    main()
