"""CheckStream with a stopwatch, for `npm run bench:vllm`: writes one line a step to
CHECKSTREAM_BENCH_TIMES: rows, microseconds that our hooks added, microseconds of them spent waiting,
and microseconds of processor time. On a busy machine the first has the others' turns in it.
"""

import os
import time

from checkstream_vllm import CheckStream


class Timed(CheckStream):
    def __init__(self, *args):
        super().__init__(*args)
        self._file = open(os.environ["CHECKSTREAM_BENCH_TIMES"], "a", buffering=1 << 12)
        self._before = self._worked = 0.0

    def update_state(self, batch_update):
        began, worked = time.perf_counter(), time.thread_time()
        super().update_state(batch_update)
        self._before = time.perf_counter() - began
        self._worked = time.thread_time() - worked

    def apply(self, logits, *context):
        waited = self._runner._stats.wait.total
        began, worked = time.perf_counter(), time.thread_time()
        out = super().apply(logits, *context)
        took = (self._before + time.perf_counter() - began) * 1e6
        worked = (self._worked + time.thread_time() - worked) * 1e6
        waited = self._runner._stats.wait.total - waited
        self._file.write(f"{logits.shape[0]} {took:.1f} {waited:.1f} {worked:.1f}\n")
        return out
