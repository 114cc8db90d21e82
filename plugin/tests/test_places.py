"""Places: rows in the same state share one, what is known is what the program says, and it is bounded."""

from __future__ import annotations

import random

import pytest

from checkstream_vllm import places
from checkstream_vllm.batch import Row
from checkstream_vllm.places import NOWHERE, Place, follow, walk
from checkstream_vllm.program import TokenProgram
from checkstream_vllm.track import Track, start_over
from reference import Reference, random_matches, random_program, to_blob

WIDTH = 40


def plain(seed: int) -> tuple[Reference, TokenProgram]:
    p = random_program(seed, WIDTH, carries=1 + seed % 3)
    return Reference(p), TokenProgram(to_blob(p))


@pytest.mark.parametrize("known", [places.MAX_KNOWN, 16])
def test_rows_of_several_programs_go_where_each_leads(
    known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MAX_KNOWN", known)
    r = random.Random(3)
    matches = random_matches(4, carries=2)
    both = [plain(1), plain(2), (Reference(matches), TokenProgram(to_blob(matches)))]
    rows = [both[i % 3] for i in range(30)]
    at: list[Place] = [program.places.start for _, program in rows] + [NOWHERE]
    wanted = [[program.start] for _, program in rows]
    for _ in range(200):
        tokens = [r.randrange(program.width + 2) for _, program in rows] + [7]
        at = follow(at, tokens)
        for i, (slow, program) in enumerate(rows):
            if tokens[i] >= program.width:
                wanted[i] = [program.dead]
            elif program.open:
                wanted[i] = slow.step(wanted[i], tokens[i])
            else:
                wanted[i] = [slow.advance(wanted[i][0], tokens[i])]
        assert [list(place.numbers) for place in at[:-1]] == wanted
        assert at[-1] is NOWHERE
    for place, (slow, program) in zip(at, rows, strict=False):
        denied = program.denied(place.key)
        told = {t for some in denied.values() for t in some.tolist()} if denied is not None else None
        said = slow.denied_by(list(place.numbers))
        assert told == said or (told is None and len(said) == program.width)


def test_what_is_kept_is_bounded_and_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_KNOWN", 50)
    slow, program = plain(5)
    r = random.Random(1)
    row, state = program.places.start, program.start
    for _ in range(2_000):
        token = r.randrange(WIDTH)
        row, state = walk(row, [token]), slow.advance(state, token)
        assert row.numbers == (state,)
        made = program.places._made
        assert sum(map(len, made.values())) <= 50
    again = program.places._at(program._filled([row.numbers]))
    assert again == program.places._at(program._filled([row.numbers]))


@pytest.mark.parametrize("placeholders", [False, True])
def test_a_track_reads_any_growth_as_a_row_alone_would(placeholders: bool) -> None:
    r = random.Random(7)
    slow, program = plain(6)
    rows = [Row(i, 1, None, [], None) for i in range(9)]  # type: ignore[arg-type]
    for row in rows:
        start_over(row, program if row.slot else None)
    track = Track(rows, placeholders)
    told: dict[int, list[tuple[int, int, int]]] = {row.slot: [] for row in rows}
    for turn in range(300):
        how = r.random()
        for row in rows:
            size = 1 if how < 0.5 else r.choice([0, 1]) if how < 0.8 else r.choice([0, 1, 2])
            if how > 0.95 and row.output:
                del row.output[r.randrange(len(row.output)) :]
                continue
            row.output += [r.randrange(WIDTH) for _ in range(size)]
        for some in track.read():
            columns = (some.slot, some.position, some.token, some.state)
            for slot, position, token, state in zip(*columns, strict=True):
                del told[int(slot)][int(position) :]
                told[int(slot)].append((int(position), int(token), int(state)))
        if turn % 20 == 19:
            track.save()
            track = Track(rows, placeholders)
    for row in rows:
        state, said = slow.p["start"], []
        for position, token in enumerate(row.output):
            state = slow.advance(state, token)
            said.append((position, token, state if row.slot else 0))
        assert told[row.slot] == said
