"""What llguidance costs for the same phrases and vocabulary: one compile, then masks.

Prints one JSON object. Argument: a file of JSON {"phrases": [...], "tokens": [hex, ...]}. The grammar
is text in valid UTF-8 without the phrases, as its syntax document writes it. Exact bytes only, without
folds, so it does less than the programs it stands beside. Its automaton grows while masks are asked
for, and its default limits stop that; here they are raised. The tokens are random, as beside XGrammar;
`again` is the same walk once more, when it knows every state on the way.
"""

import json
import re
import sys
import time

import llguidance as ll
import llguidance.numpy as masks
import numpy as np

given = json.loads(open(sys.argv[1]).read())
tokens = [bytes.fromhex(token) for token in given["tokens"]]


class Tokenizer:
    eos_token_id, bos_token_id, special_token_ids = len(tokens) - 1, None, [len(tokens) - 1]

    def __init__(self) -> None:
        self.tokens = tokens

    def __call__(self, text: bytes | str) -> list[int]:
        raise NotImplementedError  # only for tokens that follow without a choice


def literal(phrase: str) -> str:
    return re.sub(r"[^0-9A-Za-z \x80-\U0010ffff]", lambda found: "\\" + found[0], phrase)


any_of = "|".join(literal(phrase) for phrase in given["phrases"])
grammar = f"start: TEXT\nTEXT: /(?s:.*)/ & ~/(?s:.*)({any_of})(?s:.*)/\n"
limits = ll.LLParserLimits(
    initial_lexer_fuel=10**10, step_lexer_fuel=10**9, max_lexer_states=10**7
)


def fill() -> float:
    """Seconds for the mask of the state that the matcher is in."""
    began = time.perf_counter()
    masks.fill_next_token_bitmask(matcher, mask)
    return time.perf_counter() - began


tokenizer = ll.LLTokenizer(ll.TokenizerWrapper(Tokenizer()))
mask = masks.allocate_token_bitmask(1, len(tokens))
began = time.perf_counter()
matcher = ll.LLMatcher(tokenizer, grammar, limits=limits)
if matcher.is_error():
    raise SystemExit(matcher.get_error())
fill()
compile_ms = (time.perf_counter() - began) * 1e3

random = np.random.default_rng(1)
walk: list[int] = []
fills, again = [], []
while len(walk) < 300:
    # 32 tokens a word, bit set = allowed.
    bits = np.unpackbits(mask.view(np.uint8).reshape(-1), bitorder="little")
    walk.append(int(random.choice(np.flatnonzero(bits[: len(tokens) - 1]))))
    if not matcher.consume_token(walk[-1]):
        raise SystemExit(f"llguidance: {matcher.get_error()}")
    fills.append(fill())
matcher.reset()
for token in walk:
    matcher.consume_token(token)
    again.append(fill())
print(
    json.dumps(
        {
            "llguidance_compile_ms": round(compile_ms, 1),
            "llguidance_fill_us": round(float(np.median(fills)) * 1e6, 1),
            "llguidance_fill_again_us": round(float(np.median(again)) * 1e6, 1),
        }
    )
)
