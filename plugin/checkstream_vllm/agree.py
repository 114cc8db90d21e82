"""How the ranks of a tensor-parallel group come to the same decisions.

Every rank samples for itself from the same logits, so ranks that mask differently diverge silently.
What a ban denies is a pure function of the tokens, which every rank has. What the sidecar says comes
to rank 0 only: it is broadcast as events over the group's CPU channel, at moments that every rank
derives from what all of them know (a count of steps, a row that opens, a row that is waited for).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

# With no row opening and none awaited, events travel this often, in steps.
EVERY_STEPS = 8


class Alone:
    """One rank: events take effect as soon as they are there."""

    leads = True

    def due(self, step: int, asked: bool) -> bool:
        return True

    def exchange(self, collect: Callable[[], list[Any]]) -> list[Any]:
        return collect()


class Group:
    """Several ranks. `due` has to be asked with the same values on each."""

    def __init__(self, leads: bool, broadcast: Callable[[bytes | None], bytes]) -> None:
        """`broadcast` gives rank 0's bytes to all and returns them everywhere."""
        self.leads = leads
        self._broadcast = broadcast

    def due(self, step: int, asked: bool) -> bool:
        return asked or step % EVERY_STEPS == 0

    def exchange(self, collect: Callable[[], list[Any]]) -> list[Any]:
        """Rank 0 collects, and must not raise before the others have their answer."""
        if not self.leads:
            got: list[Any] = pickle.loads(self._broadcast(None))
            return got
        try:
            events, problem = collect(), None
        except Exception as error:
            events, problem = [], error
        again: list[Any] = pickle.loads(self._broadcast(pickle.dumps(events)))
        if problem is not None:
            raise problem
        # Rank 0 keeps its own objects: its programs are parsed already.
        return events if len(again) == len(events) else again


def over_gloo(group: Any, first: int, leads: bool) -> Callable[[bytes | None], bytes]:
    """A broadcast of bytes over a torch.distributed CPU group; `first` is its rank 0, globally."""
    import torch
    import torch.distributed as dist

    # Nearly always there is nothing to say, which is one small message.
    inline = 4_096

    def broadcast(data: bytes | None) -> bytes:
        head = torch.zeros(inline + 8, dtype=torch.uint8)
        if leads and data is not None:
            head[:8] = torch.tensor(list(len(data).to_bytes(8, "little")), dtype=torch.uint8)
            start = bytearray(data[:inline])
            head[8 : 8 + len(start)] = torch.frombuffer(start, dtype=torch.uint8)
        dist.broadcast(head, src=first, group=group)
        size = int.from_bytes(bytes(head[:8].tolist()), "little")
        if size <= inline:
            return bytes(head[8 : 8 + size].numpy().tobytes())
        body = torch.zeros(size, dtype=torch.uint8)
        if leads and data is not None:
            body.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        dist.broadcast(body, src=first, group=group)
        return bytes(body.numpy().tobytes())

    return broadcast
