"""Writes the fixtures of package quant with the reference, the Python package gguf.

Run in this folder: "$ECKART_PEERS/bin/python" make_fixtures.py
NAME.blocks are stored bytes, NAME.f32 the values that gguf gives for them; quantise.f32 are inputs, quantise_NAME.blocks
what gguf makes of them. All little-endian.
"""

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

rng = np.random.default_rng(20261124)

# Where each type keeps its F16 scales.
SCALES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
}
# Zero of both signs, smallest and largest subnormal, smallest normal, 1, largest of both signs, infinity, NaN.
SPECIAL = [0x0000, 0x8000, 0x0001, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0xFBFF, 0x7C00, 0x7E00]


def write(name, array):
    with open(name, "wb") as f:
        f.write(np.ascontiguousarray(array).tobytes())


for t, offsets in SCALES.items():
    values, size = gguf.GGML_QUANT_SIZES[t]
    n = len(SPECIAL) + 6
    blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
    for i in range(n):
        for o in offsets:
            h = SPECIAL[i] if i < len(SPECIAL) else int(np.float16(rng.normal()).view(np.uint16))
            blocks[i, o], blocks[i, o + 1] = h & 0xFF, h >> 8
    blocks[-1, :] = np.where(np.isin(np.arange(size), [o + k for o in offsets for k in (0, 1)]), blocks[-1], 0xFF)
    with np.errstate(all="ignore"):
        write(f"{t.name}.blocks", blocks)
        write(f"{t.name}.f32", gguf.quants.dequantize(blocks, t).astype("<f4"))

x = rng.normal(size=(40, 32)).astype(np.float32)
x[0] = 0
x[1] = 1.5  # constant
x[2] = np.linspace(-1, 1, 32)  # ties of magnitude: the first one wins
x[3] = -np.linspace(-1, 1, 32)
x[4, 1:] = 0  # one value
x[5] *= 1e-6  # the F16 scale is subnormal
x[6] *= 1e-9  # the F16 scale underflows to 0
x[7] *= 1e4
x[8] = rng.integers(-127, 128, 32) / 2  # halves to round once scaled
x[9] = 63.5
x[9, :16] = np.arange(16) - 8.5
x[10] = np.arange(32) % 16  # exactly representable levels
x[11] = np.where(np.arange(32) % 2, 65504, -65504)
x[12:20] *= np.exp(rng.normal(size=(8, 32))).astype(np.float32)
write("quantise.f32", x)
for t in (T.Q8_0, T.Q4_0, T.Q4_1, T.BF16, T.F16):
    write(f"quantise_{t.name}.blocks", gguf.quants.quantize(x, t))
