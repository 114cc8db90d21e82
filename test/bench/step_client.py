"""The Python side of `npm run bench:step`: the plugin's own client against a running sidecar.

step_client.py SOCKET ECHO ROUNDS ROWS… prints one JSON object: {"rows_64": {round_trip_us_p50, …}, …}.
A round is one awaited Step with one token for every row, as the engine waits for it. Beside the steps
go as many bytes to the socket ECHO and back, the least that a round trip costs on this machine.
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
WARM_UP, BLOCK, PAUSE_S = 200, 50, 0.002


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
    size, position = 0, 0

    def step():
        """Microseconds until the sidecar has answered."""
        nonlocal state, size, position
        state = program.advance(state, token)
        outbox.add(Entries(slot, generation, np.full(rows, position), token, state), 0.0)
        position += 1
        began = time.perf_counter()
        parcel = outbox.take(awaited=True)
        if not client.send(parcel, client.stream) or not client.wait(parcel.sequence, 2.0):
            raise SystemExit(f"the sidecar did not answer: {client._stats.last_error}")
        took = (time.perf_counter() - began) * 1e6
        client.drain()
        size = len(step_message(parcel))
        return took

    steps, echoes, paced, paced_echoes = [], [], [], []
    for _ in range(WARM_UP):
        step()
    for _ in range(rounds // BLOCK):
        steps += [step() for _ in range(BLOCK)]
        echoes += [echo.round_trip(size) for _ in range(BLOCK)]
    for _ in range(rounds // 2):
        time.sleep(PAUSE_S)
        paced.append(step())
        time.sleep(PAUSE_S)
        paced_echoes.append(echo.round_trip(size))
    for n in range(rows):
        outbox.close(n, turn + 1, position, 0.0)
    return {
        "round_trip_us_p50": percentile(steps, 50),
        "round_trip_us_p99": percentile(steps, 99),
        "echo_us_p50": percentile(echoes, 50),
        "paced_us_p50": percentile(paced, 50),
        "paced_echo_us_p50": percentile(paced_echoes, 50),
    }


def percentile(times, rank):
    return round(float(np.percentile(times, rank)), 1)


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
