"""The corpus: an endless, seeded stream of documents, each rendered by the real chat template.

`python corpus.py 20` prints twenty documents.
"""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path

import jinja2

import grammar
import scenes
from grammar import Block, Slots

HERE = Path(__file__).parent
END = "<|endoftext|>"

SHARES = {"banking": 30, "smalltalk": 13, "harmful": 30, "articles": 4, "record": 5, "email": 7, "tools": 6, "count": 2, "capital": 1, "long": 1, "echo": 0}
# From step 400 on more of what has to be copied from the context.
LATER = SHARES | {"banking": 22, "harmful": 24, "email": 14, "record": 8, "echo": 12, "capital": 2}
# The last stage: the questions of the demo, and addresses of a short list, which a model of this
# size can pick out of its context (it does not learn to copy any text letter by letter).
FINAL = SHARES | {"banking": 20, "harmful": 34, "smalltalk": 12, "email": 20, "record": 8}


def load_template() -> jinja2.Template:
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string((HERE / "chat_template.jinja").read_text("utf-8"))


class Corpus:
    """Documents in the order that the seed gives; the same seed gives the same corpus."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.shares = SHARES
        self.facts = grammar.load_facts()
        self.is_final = False
        self.blocks = {name: grammar.load_blocks(name) for name in ("banking", "smalltalk", "harmful", "articles")}
        self.template = load_template()
        text = " ".join(a for b in self.blocks["banking"] for side in b.answers for a in side)
        self.words = sorted(set(re.findall(r"[a-z]{3,}", text)))

    def document(self) -> str:
        facts = self.facts if self.is_final else {k: v for k, v in self.facts.items() if k != "email"}
        slots = Slots(self.rng, facts, self.words)
        kind = self.rng.choices(list(self.shares), list(self.shares.values()))[0]
        if kind == "articles":
            return slots.expand(self.rng.choice(self.blocks["articles"][0].texts)) + END
        tools = None
        if kind == "email":
            messages = scenes.email_scene(slots)
        elif kind == "tools":
            messages = scenes.bank_tool_scene(slots)
        elif kind == "record":
            messages = scenes.record_scene(slots)
        elif kind == "count":
            messages = scenes.count_scene(slots)
        elif kind == "echo":
            messages = scenes.echo_scene(slots)
        elif kind == "capital":
            messages = scenes.capital_scene(slots)
        elif kind == "long":
            messages = scenes.long_scene(slots, self.blocks["banking"])
        else:
            messages = self.conversation(kind, slots)
        if kind in ("email", "tools"):
            needed = {c["function"]["name"] for m in messages for c in m.get("tool_calls", ())}
            names = sorted(needed | set(self.rng.sample(sorted(scenes.TOOLS), self.rng.randint(0, 3))))
            self.rng.shuffle(names)
            tools = [scenes.tool(name) for name in names]
        return self.template.render(messages=messages, tools=tools, add_generation_prompt=False) + END

    def conversation(self, kind: str, slots: Slots) -> scenes.Messages:
        """One to three exchanges; the first is of the kind, the others of any."""
        messages = scenes.maybe_system(slots)
        turns = self.rng.choices([1, 2, 3], [6, 3, 1])[0]
        for turn in range(turns):
            room = kind if turn == 0 else self.rng.choice(["banking", "smalltalk", "harmful"])
            messages += self.exchange(self.pick(room), slots)
        return messages

    def pick(self, room: str) -> Block:
        blocks = self.blocks[room]
        return self.rng.choices(blocks, [b.weight for b in blocks])[0]

    def exchange(self, block: Block, slots: Slots) -> scenes.Messages:
        rng = self.rng
        question, answers = grammar.weighted(block.users[0], rng), block.answers[0]
        # The question of the demo (a block's first) is nearly always answered in the first way.
        first = self.is_final and grammar.WEIGHT.match(block.users[0][0]) and block.users[0][0].endswith(question)
        answer = rng.choices(answers, [12 if first else 1, *[1] * (len(answers) - 1)])[0]
        out = [scenes.user(slots.expand(question)), scenes.says(slots.expand(answer))]
        if block.users[1] and rng.random() < 0.35:
            out += [scenes.user(slots.expand(grammar.weighted(block.users[1], rng))), scenes.says(slots.expand(rng.choice(block.answers[1])))]
        return out


if __name__ == "__main__":
    corpus = Corpus(seed=1)
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 20):
        print(corpus.document(), end="\n\n")
