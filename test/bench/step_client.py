"""The Python side of `npm run bench:step`: the plugin's own client against a running sidecar.

step_client.py SOCKET ROUNDS ROWS… prints one JSON object: {"rows_64": {round_trip_us_p50, …}, …}.
A round is one awaited Step with one token for every row, as the engine waits for it.
"""

import json
import sys
import time

import numpy as np

from checkstream_vllm import events, protocol
from checkstream_vllm.client import Client
from checkstream_vllm.outbox import Entries, Outbox
from checkstream_vllm.stats import Stats
from checkstream_vllm.vocabulary import CONTROL, END, TEXT, make_vocabulary

WIDTH = 258
TOKEN = ord("x")


def hello(held):
    return protocol.Hello(
        protocol_major=1,
        engine_id="bench/1/dp0",
        engine_name="vllm",
        engine_version="bench",
        runner="v1",
        model="bench",
        logits_width=WIDTH,
        vocabulary_digest=VOCABULARY.digest,
        end_token_ids=[257],
        slots=1024,
        tensor_parallel_size=1,
        capabilities=["adapt", "force", "stop", "deny"],
        held_programs=held,
    )


VOCABULARY = make_vocabulary(
    [bytes([b]) for b in range(256)] + [None, None], bytearray([TEXT] * 256 + [CONTROL, END])
)


def main(socket, rounds, sizes):
    client = Client(f"unix:{socket}", hello, VOCABULARY, Stats())
    client.start(lambda: None)
    if not client.wait_bound(60):
        raise SystemExit("no program from the sidecar")
    while not client.stream:
        time.sleep(0.01)
    time.sleep(0.5)
    programs = [e.program for e in client.drain() if isinstance(e, events.ProgramReady)]
    program = programs[0]
    outbox = Outbox()
    results = {}
    for turn, rows in enumerate(sizes):
        results[f"rows_{rows}"] = measure(client, outbox, program, rows, rounds, turn)
    print(json.dumps(results))
    client.close()


def measure(client, outbox, program, rows, rounds, turn):
    slot = np.arange(rows)
    generation = np.full(rows, turn + 1)
    for n in range(rows):
        outbox.open(n, opened(n, turn, program), 0.0)
    state = np.full(rows, program.start)
    token = np.full(rows, TOKEN)
    times = []
    for position in range(rounds + 50):
        state = program.advance(state, token)
        outbox.add(Entries(slot, generation, np.full(rows, position), token, state), 0.0)
        began = time.perf_counter()
        parcel = outbox.take(awaited=True)
        if not client.send(parcel, client.stream) or not client.wait(parcel.sequence, 2.0):
            raise SystemExit(f"the sidecar did not answer: {client._stats.last_error}")
        if position >= 50:
            times.append((time.perf_counter() - began) * 1e6)
        client.drain()
        time.sleep(0.002)  # the forward pass in between
    for n in range(rows):
        outbox.close(n, turn + 1, rounds + 50, 0.0)
    return {
        "round_trip_us_p50": round(float(np.percentile(times, 50)), 1),
        "round_trip_us_p99": round(float(np.percentile(times, 99)), 1),
    }


def opened(slot, turn, program):
    def make():
        return protocol.Opened(
            slot=slot,
            generation=turn + 1,
            request_id=f"bench-{turn}-{slot}",
            program=bytes.fromhex(program.digest),
            prompt_length=8,
            sampling=protocol.SamplingParameters(temperature=1.0, top_p=1.0, stop_token=256),
        )

    return make


main(sys.argv[1], int(sys.argv[2]), [int(n) for n in sys.argv[3:]])
