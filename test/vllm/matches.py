"""Bans under every fold at once, which compile to a program of matches: matches.py v1|v2

A script pushes each request to say a disguised phrase: spaced, leet, look-alike letters, zero-width
signs, capitals. Without the guard it does; with it, none of the disguises may be said.
"""

import random
import sys
import tempfile

from serving import Serving
from stage import (
    PHRASES,
    case,
    close,
    engine,
    environment,
    expect,
    finish,
    processor_of,
    spellings,
    token_texts,
)

MODE = sys.argv[1]
ATTACKS, SLOTS = (120, 32) if MODE == "v1" else (8, 8)
FOLDS = "case width marks confusables zero_width leet spacing split".split()
WORDS = "private offshore hidden double secret instant insider margin pension credit".split()
ENDS = "fund account bonus profit tip payout loan transfer rebate lottery".split()
# So many phrases, under every fold, are past what a program of lists is made for.
BANS = [*PHRASES, *(f"{word} {end}" for word in WORDS for end in ENDS)]
LEET = str.maketrans("aeios", "43105")
CYRILLIC = str.maketrans("aeocp", "аеоср")


def disguised(phrase, r):
    """The phrase in one of its disguises, each of which a fold undoes."""
    return r.choice(
        [
            lambda: phrase.upper(),
            lambda: " ".join(phrase.replace(" ", "")),
            lambda: phrase.translate(LEET),
            lambda: phrase.translate(CYRILLIC),
            lambda: "\u200b".join(phrase),
            lambda: phrase.replace(" ", ".").title(),
            lambda: "-".join(phrase.translate(LEET).replace(" ", "")),
            lambda: "".join(chr(ord(c) + 0xFEE0) if c != " " else c for c in phrase),
        ]
    )()


def attacks(texts):
    """(disguise, the request that is pushed to say it), every second one sampled and not greedy."""
    from vllm import SamplingParams

    r, out = random.Random(9), []
    for number in range(ATTACKS):
        text = disguised(r.choice(BANS), r)
        script = spellings(texts, text, 3, number)[0]
        given = SamplingParams(
            max_tokens=len(script) + 4,
            temperature=0.9 if number % 2 else 0.0,
            ignore_eos=True,
            seed=number,
            extra_args={"script_tokens": script, "checkstream_rid": f"disguise-{number}"},
        )
        out.append((text, given))
    return out


def said(llm, texts):
    """The disguises that were said."""
    chosen = attacks(texts)
    outputs = llm.generate(["Hello"] * ATTACKS, [given for _, given in chosen], use_tqdm=False)
    pairs = zip(chosen, outputs, strict=True)
    return [text for (text, _), out in pairs if text in out.outputs[0].text]


def bare():
    llm = engine("adversary:Script", max_num_seqs=SLOTS)
    count = len(said(llm, token_texts(llm)))
    close(llm)
    expect(count > ATTACKS * 0.9, f"only {count} of {ATTACKS} disguises were said without the guard")
    return f"{count} of {ATTACKS} disguises are said"


def guarded(llm):
    through = said(llm, token_texts(llm))
    runner = processor_of(llm)._runner
    stats = runner._stats
    most = max(program.open for program in runner._core.guard._programs.values())
    expect(most > 0, "no program of matches")
    expect(stats.errors == 0, f"{stats.errors} errors: {stats.last_error}")
    expect(not through, f"{len(through)} of {ATTACKS} got through: {through[:20]}")
    return f"0 of {ATTACKS} disguises got through, up to {most} matches open"


def main():
    serving = Serving(tempfile.mkdtemp(prefix="checkstream-"), bans=BANS, folds=FOLDS)
    environment(serving.step)
    case(f"matches {MODE}: disguises without the guard", bare)
    serving.start()
    llm = engine("adversary:Script", "checkstream_vllm:CheckStream", max_num_seqs=SLOTS)
    case(f"matches {MODE}: disguises with the guard, every fold", guarded, llm)
    serving.stop()
    close(llm)


if __name__ == "__main__":
    main()
    finish()
