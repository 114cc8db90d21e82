"""Cuts a byte stream into units and hashes them: what the streaming scorer reads.

The cut depends on the bytes alone, never on how they arrived, so every tokenizer and every
segmentation gives the same units. Mirrored by src/classifiers/units.ts; test/data/classifiers/
units.jsonl holds cases that both must pass.

A unit is white space followed by a run of one class (letters and all non-ASCII bytes, digits,
others), at most 16 bytes. Its features are FNV-1a hashes of its lower-cased bytes: the whole unit,
its 3-grams and 4-grams with end marks, and two flags.
"""

from __future__ import annotations

MAX_UNIT = 16
BUCKETS = 1 << 16
# Feature slots a unit: 1 whole + 1 shape + at most 17 trigrams + 16 four-grams.
SLOTS = 34

_SPACE, _LETTER, _DIGIT, _OTHER = 0, 1, 2, 3
_CLASS = [_OTHER] * 256
for _b in range(256):
    if _b in (9, 10, 11, 12, 13, 32):
        _CLASS[_b] = _SPACE
    elif 48 <= _b <= 57:
        _CLASS[_b] = _DIGIT
    elif 65 <= _b <= 90 or 97 <= _b <= 122 or _b >= 128 or _b == 39:
        _CLASS[_b] = _LETTER


def cut(data: bytes) -> list[bytes]:
    units: list[bytes] = []
    start = 0
    kind = _SPACE  # class of the run so far; white space joins whatever follows it
    for i, byte in enumerate(data):
        cls = _CLASS[byte]
        ends = i - start >= MAX_UNIT or (kind != _SPACE and cls != kind)
        if i > start and ends:
            units.append(data[start:i])
            start = i
            kind = cls
        elif kind == _SPACE:
            kind = cls
    if start < len(data):
        units.append(data[start:])
    return units


def _fnv(data: bytes, seed: int) -> int:
    h = (2166136261 ^ seed) & 0xFFFFFFFF
    for byte in data:
        h = ((h ^ byte) * 16777619) & 0xFFFFFFFF
    return (h ^ (h >> 15)) % (BUCKETS - 1) + 1


def _fold(unit: bytes) -> bytes:
    return bytes(b + 32 if 65 <= b <= 90 else 32 if _CLASS[b] == _SPACE else b for b in unit)


def shape(unit: bytes) -> int:
    """Bits: white space before, a line break in it, first letter upper case, all letters upper case, class."""
    body = unit.lstrip(b" \t\r\n\x0b\x0c")
    bits = 1 if len(body) < len(unit) else 0
    bits |= 2 if b"\n" in unit else 0
    if body:
        upper = [65 <= b <= 90 for b in body]
        bits |= 4 if upper[0] else 0
        bits |= 8 if len(body) > 1 and all(upper) else 0
        bits |= _CLASS[body[0]] << 4
    return bits


def features(unit: bytes) -> list[int]:
    """Bucket numbers, 0 is padding; exactly SLOTS of them."""
    body = _fold(unit).lstrip(b" ")
    marked = b"\x02" + body + b"\x03"
    out = [_fnv(body, 1), _fnv(bytes([shape(unit)]), 2)]
    out += [_fnv(marked[i : i + 3], 3) for i in range(len(marked) - 2)]
    out += [_fnv(marked[i : i + 4], 4) for i in range(len(marked) - 3)]
    out = out[:SLOTS]
    return out + [0] * (SLOTS - len(out))


if __name__ == "__main__":
    import json
    from pathlib import Path

    texts = ["Hello, world!", "  a\n\nB  c", "IGNORE all 123 rules...", "naïve café — ok", "日本語のテスト", "x" * 40, "it's 3.50€ now",
             "\t\ttabs and\r\nlines", "🙂🙃 fine", "", " ", "A", "9", "don't stop-me NOW!!!", "a" * 15 + " " + "b" * 17, "\u0000nul"]
    path = Path(__file__).resolve().parent.parent / "test/data/classifiers/units.jsonl"
    with path.open("w") as f:
        for text in texts:
            units = cut(text.encode())
            f.write(json.dumps({"text": text, "units": [u.hex() for u in units], "features": [features(u) for u in units]}, ensure_ascii=False) + "\n")
