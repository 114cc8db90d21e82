"""A small text grammar: {a|b} chooses, {5*a|b} chooses by weight, $name is a slot.

A slot keeps its value within one document, so that an answer can speak of the same amount as
its question. Everything random comes from the `random.Random` that the caller passes.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent / "grammar"
SLOT = re.compile(r"\$([a-z]+\d?)")
WEIGHT = re.compile(r"^(\d+)\*")


def split_top(text: str, separator: str = "|") -> list[str]:
    """Splits at the separators that stand outside every brace."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
        elif char == separator and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def weighted(alternatives: list[str], rng: random.Random) -> str:
    weights, texts = [], []
    for alternative in alternatives:
        match = WEIGHT.match(alternative)
        weights.append(int(match[1]) if match else 1)
        texts.append(alternative[match.end() :] if match else alternative)
    return rng.choices(texts, weights)[0]


def choose(text: str, rng: random.Random) -> str:
    """Resolves the choices, innermost last."""
    out, i = [], 0
    while i < len(text):
        if text[i] != "{":
            out.append(text[i])
            i += 1
            continue
        depth, j = 1, i + 1
        while depth:
            depth += {"{": 1, "}": -1}.get(text[j], 0)
            j += 1
        out.append(choose(weighted(split_top(text[i + 1 : j - 1]), rng), rng))
        i = j
    return "".join(out)


@dataclass
class Block:
    """One exchange: users[i] may be followed by any of answers[i]; i > 0 are follow-ups."""

    name: str
    weight: int
    users: list[list[str]] = field(default_factory=lambda: [[], []])
    answers: list[list[str]] = field(default_factory=lambda: [[], []])
    texts: list[str] = field(default_factory=list)


def load_blocks(name: str) -> list[Block]:
    blocks: list[Block] = []
    for line in (HERE / f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("== "):
            _, title, weight = line.split()
            blocks.append(Block(title, int(weight)))
            continue
        kind, _, text = line.partition(": ")
        if kind in ("U", "A", "U2", "A2"):
            side = blocks[-1].users if kind[0] == "U" else blocks[-1].answers
            side[len(kind) - 1].append(text)
        elif kind == "T":
            blocks[-1].texts.append(text)
    return blocks


def load_facts() -> dict[str, list[str]]:
    lines = (HERE / "facts.txt").read_text("utf-8").splitlines()
    return {name: values.split(" | ") for name, _, values in (x.partition(": ") for x in lines) if values}


class Slots:
    """The values of one document, drawn when first used."""

    def __init__(self, rng: random.Random, facts: dict[str, list[str]], words: list[str]):
        self.rng, self.facts, self.words, self.values = rng, facts, words, {}

    def value(self, name: str) -> str:
        if name not in self.values:
            self.values[name] = self._draw(name)
        return self.values[name]

    def expand(self, text: str) -> str:
        return SLOT.sub(lambda m: self.value(m[1]), choose(text, self.rng)).strip()

    def _draw(self, name: str) -> str:
        rng = self.rng
        if name in self.facts:
            return rng.choice(self.facts[name])
        base = name.rstrip("23456789")
        if base in self.facts:
            return rng.choice(self.facts[base])
        match base:
            case "amount":
                return f"${rng.choice([rng.randint(2, 99) * 100, rng.randint(1, 40) * 1000]):,}"
            case "number":
                return str(rng.randint(1, 120))
            case "small":
                return str(rng.randint(1, 12))
            case "sum":
                return str(int(self.value("small")) + int(self.value("small2")))
            case "date":
                return f"{rng.randint(1, 28)} {rng.choice(self.facts['month'])} {rng.randint(2018, 2026)}"
            case "ref":
                return rng.choice("ABCDEFGHKLMNPRSTVX") + rng.choice(["-", ""]) + str(rng.randint(1000, 999999))
            case "random":
                return " ".join(rng.choice(self.words) for _ in range(rng.randint(2, 8)))
            case "email":
                return self._email()
        raise KeyError(f"facts.txt: no slot named {name}")

    def _email(self) -> str:
        rng = self.rng
        syllables = "ba be bo da de do fa fi ga go ka ki la le li lo ma me mi mo na ne no pa pe ra ri ro sa se si so ta te ti to va vi wa ze zo".split()
        word = lambda low, high: "".join(rng.choice(syllables) for _ in range(rng.randint(low, high)))
        first, last = self.value("first").lower(), self.value("last").lower()
        local = rng.choice([f"{first}.{last}", f"{first[0]}.{last}", f"{first}{rng.randint(1, 99)}", word(2, 3), f"{word(1, 2)}.{word(2, 3)}"])
        domain = rng.choice(["mail", "post", "office", "home", "fast" + word(1, 1), word(2, 3), f"{word(2, 2)}-{word(1, 2)}"])
        return f"{local}@{domain}.{rng.choice(['com', 'example', 'net', 'org', 'io'])}"
