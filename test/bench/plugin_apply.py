"""What a token program costs in the plugin: 64 rows, beside one dense masked_fill_ of that shape.

Prints one JSON object. Arguments: the blob, logits width, then the folder of the plugin.
"""

import json
import sys
import time

import numpy as np
import torch

sys.path.insert(0, sys.argv[3])
from checkstream_vllm.fill import fill  # noqa: E402
from checkstream_vllm.program import TokenProgram  # noqa: E402

ROWS = 64
torch.set_num_threads(1)
program = TokenProgram(open(sys.argv[1], "rb").read())
width = int(sys.argv[2])
logits = torch.randn(ROWS, width)
mask = torch.zeros(ROWS, width, dtype=torch.bool)
mask[:, np.random.default_rng(1).permutation(width)[:1500]] = True
array = logits.numpy()
rows = np.arange(ROWS)
fresh = np.full((ROWS, program.columns), -1, dtype=np.int64)
fresh[:, 0] = program.start
states = fresh.copy()
random = np.random.default_rng(2)


def median_us(work, repeats=200):
    for _ in range(10):
        work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return float(np.median(times) * 1e6)


def apply():
    global states
    after = program.advance(states, random.integers(0, width, ROWS))
    dead = after[:, :1] // program.blob.carries == program.blob.dead
    states = np.where(dead, fresh, after)
    fill(array, rows, program, states)


print(
    json.dumps(
        {
            "plugin_apply_us_p50": median_us(apply),
            "dense_us_p50": median_us(lambda: logits.masked_fill_(mask, float("-inf")), 60),
        }
    )
)
