"""What XGrammar's `excludes` costs for the same phrases and vocabulary: one compile, then mask fills.

Prints one JSON object. Argument: a file of JSON {"phrases": [...], "tokens": [hex, ...]}. Exact bytes
only: it has no folds, so it does less than the programs it stands beside.
"""

import json
import sys
import time

import numpy as np
import xgrammar as xgr

given = json.loads(open(sys.argv[1]).read())
tokens = [bytes.fromhex(token) for token in given["tokens"]]
info = xgr.TokenizerInfo(tokens, vocab_size=len(tokens), stop_token_ids=[len(tokens) - 1])
compiler = xgr.GrammarCompiler(info, max_threads=1, cache_enabled=False)
tag = xgr.StructuralTag(format={"type": "any_text", "excludes": given["phrases"]})
began = time.perf_counter()
compiled = compiler.compile_structural_tag(tag)
compile_ms = (time.perf_counter() - began) * 1e3

matcher = xgr.GrammarMatcher(compiled)
mask = xgr.allocate_token_bitmask(1, len(tokens))
random = np.random.default_rng(1)
fills = []
for _ in range(300):
    began = time.perf_counter()
    matcher.fill_next_token_bitmask(mask)
    fills.append(time.perf_counter() - began)
    # 32 tokens a word, bit set = allowed.
    bits = np.unpackbits(mask.numpy().view(np.uint8).reshape(-1), bitorder="little")
    allowed = np.flatnonzero(bits[: len(tokens) - 1])
    if not matcher.accept_token(int(random.choice(allowed))):
        break
print(
    json.dumps(
        {
            "xgrammar_compile_ms": round(compile_ms, 1),
            "xgrammar_fill_us": round(float(np.median(fills)) * 1e6, 1),
        }
    )
)
