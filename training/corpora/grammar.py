"""A tiny generation grammar: `{slot}` names a list, `[a|b]` is a choice, both nest.

Guarantee: same rng and same grammar give the same texts. Duplicates are dropped by the caller.
"""

from __future__ import annotations

import random
import re

_INNER = re.compile(r"\[([^\[\]]*)\]|\{([a-z_0-9]+)\}")


def expand(rng: random.Random, template: str, slots: dict[str, list[str]]) -> str:
    """Replaces innermost choices and slots until none is left."""
    for _ in range(64):
        match = _INNER.search(template)
        if match is None:
            return " ".join(template.split(" ")).strip()
        if match.group(1) is not None:
            value = rng.choice(match.group(1).split("|"))
        else:
            value = rng.choice(slots[match.group(2)])
        template = template[: match.start()] + value + template[match.end() :]
    raise ValueError(f"grammar does not end: {template[:80]}")


def many(
    rng: random.Random, templates: list[str], slots: dict[str, list[str]], count: int
) -> list[str]:
    """`count` distinct texts, templates in turn; fewer when the grammar runs dry."""
    seen: dict[str, None] = {}
    tries = 0
    while len(seen) < count and tries < count * 12:
        text = expand(rng, templates[tries % len(templates)], slots)
        if text:
            text = text[0].upper() + text[1:]
        seen.setdefault(text)
        tries += 1
    return list(seen)


def distinct_ngrams(texts: list[str], n: int = 3) -> tuple[int, float]:
    """How varied a corpus is: distinct word n-grams, and their share of all n-grams."""
    grams: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        words = text.lower().split()
        for i in range(len(words) - n + 1):
            grams.add(tuple(words[i : i + n]))
            total += 1
    return len(grams), (len(grams) / total if total else 0.0)
