"""The Python side of `npm run bench:step`: the plugin's own client against a running sidecar.

step_client.py SOCKET ECHO ROUNDS ROWS… prints one JSON object: {"rows_64": {round_trip_us_p50, …}, …}.
A round is one awaited Step with one token for every row, as the engine waits for it; each is followed
by as many bytes to the socket ECHO and back, as the least that a round trip costs on this machine.
"""

import json
import socket
import sys
import time

import numpy as np

from checkstream_vllm import events, protocol
from checkstream_vllm.client import Client, step_message
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


class Echo:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)

    def round_trip(self, size):
        """Microseconds until so many bytes came back."""
        message, left = size.to_bytes(4, "big") + bytes(size), size + 4
        began = time.perf_counter()
        self.socket.sendall(message)
        while left:
            left -= len(self.socket.recv(left))
        return (time.perf_counter() - began) * 1e6


def main(address, echo, rounds, sizes):
    client = Client(f"unix:{address}", hello, VOCABULARY, Stats())
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
        results[f"rows_{rows}"] = measure(client, outbox, program, rows, rounds, turn, echo)
    print(json.dumps(results))
    client.close()


def measure(client, outbox, program, rows, rounds, turn, echo):
    slot = np.arange(rows)
    generation = np.full(rows, turn + 1)
    for n in range(rows):
        outbox.open(n, opened(n, turn, program), 0.0)
    state = np.full(rows, program.start)
    token = np.full(rows, TOKEN)
    times, bare = [], []
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
        bare.append(echo.round_trip(len(step_message(parcel))))
        time.sleep(0.002)
    for n in range(rows):
        outbox.close(n, turn + 1, rounds + 50, 0.0)
    return {
        "round_trip_us_p50": round(float(np.percentile(times, 50)), 1),
        "round_trip_us_p99": round(float(np.percentile(times, 99)), 1),
        "echo_us_p50": round(float(np.percentile(bare, 50)), 1),
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


main(sys.argv[1], Echo(sys.argv[2]), int(sys.argv[3]), [int(n) for n in sys.argv[4:]])
