"""Text as the encoder reads it: emoji become words, space is collapsed. Mirrored by src/classifiers/text.ts.

BERT's vocabulary turns every emoji into [UNK]; its Unicode name carries the meaning.
"""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

RANGES = [(0x2190, 0x21FF), (0x2300, 0x27BF), (0x2B00, 0x2BFF), (0x1F000, 0x1FAFF)]
MODIFIERS = {0x200D: "", 0xFE0F: "", 0x20E3: ""}


def emoji_names() -> dict[str, str]:
    names: dict[str, str] = {}
    for low, high in RANGES:
        for code in range(low, high + 1):
            name = unicodedata.name(chr(code), "")
            if not name:
                continue
            if name.startswith("EMOJI MODIFIER"):
                names[chr(code)] = ""
            elif name.startswith("REGIONAL INDICATOR SYMBOL LETTER"):
                names[chr(code)] = name[-1].lower()
            else:
                names[chr(code)] = name.lower()
    for code, name in MODIFIERS.items():
        names[chr(code)] = name
    return names


NAMES = emoji_names()
PATTERN = re.compile("[" + "".join(re.escape(c) for c in NAMES) + "]")
SPACE = re.compile(r"\s+")


def _name(match: re.Match[str]) -> str:
    name = NAMES[match.group()]
    return f" {name} " if name else ""


def clean(text: str) -> str:
    return SPACE.sub(" ", PATTERN.sub(_name, text)).strip()


if __name__ == "__main__":
    out = Path(__file__).resolve().parent.parent / "models/encoder/emoji.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(NAMES, ensure_ascii=False, separators=(",", ":")))
    print(len(NAMES), out.stat().st_size)
