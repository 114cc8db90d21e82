"""CheckStream with a stopwatch, for `npm run bench:vllm`: writes one line a step to
CHECKSTREAM_BENCH_TIMES: rows, microseconds that our hooks added, microseconds of them spent waiting.
"""

import os
import time

from checkstream_vllm import CheckStream


class Timed(CheckStream):
    def __init__(self, *args):
        super().__init__(*args)
        self._file = open(os.environ["CHECKSTREAM_BENCH_TIMES"], "a", buffering=1 << 12)
        self._before = 0.0

    def update_state(self, batch_update):
        began = time.perf_counter()
        super().update_state(batch_update)
        self._before = time.perf_counter() - began

    def apply(self, logits, *context):
        waited = self._runner._stats.wait.total
        began = time.perf_counter()
        out = super().apply(logits, *context)
        took = (self._before + time.perf_counter() - began) * 1e6
        waited = self._runner._stats.wait.total - waited
        self._file.write(f"{logits.shape[0]} {took:.1f} {waited:.1f}\n")
        return out
