"""Token id to bytes, from whatever tokenizer the engine has loaded.

A ban is a statement about bytes, so each id is told as the bytes that it adds to the text, or as
one that adds none: a control token, an end of text, or an id that no token has (logits rows are
often wider than the tokenizer). What a control token is called (`[TOOL_CALLS]`) is told beside it: no
ban can match there, but tool calls are recognised by it. Knows tokenizers by their attributes and
imports none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

TEXT, CONTROL, UNUSED, END = 0, 1, 2, 3
MAX_ENTRIES = 262_144
CHUNK_BYTES = 1024 * 1024


class VocabularyError(ValueError):
    """The tokenizer cannot be told apart into bytes; the message says what was looked for."""


class Chunk(NamedTuple):
    """A run of ids; `names` are those of its control and end tokens."""

    first: int
    kinds: bytes
    lengths: list[int]
    data: bytes
    names: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`kinds` has one byte an id; `data` is the bytes of all text tokens, one after the other.

    `names` has the text of each control and end token in the order of ids, empty where the tokenizer
    does not tell it. `digest` is over the texts alone, `full_digest` over the names too; they are the
    same when there are no names.
    """

    kinds: bytes
    lengths: np.ndarray[Any, np.dtype[np.uint32]]
    data: bytes
    digest: bytes
    names: tuple[bytes, ...] = ()
    full_digest: bytes = b""

    def chunks(self) -> Iterator[Chunk]:
        """Chunks in order, without gaps, at most about 1 MiB each."""
        first = at = named = 0
        size = len(self.kinds)
        ends = np.cumsum(self.lengths, dtype=np.int64)
        while first < size:
            room = at + CHUNK_BYTES // 2
            last = int(np.searchsorted(ends, room, side="right"))
            last = min(max(last, first + 1), first + CHUNK_BYTES // 16, size)
            end = int(ends[last - 1])
            lengths = self.lengths[first:last].tolist()
            kinds = self.kinds[first:last]
            until = named + kinds.count(CONTROL) + kinds.count(END)
            yield Chunk(first, kinds, lengths, self.data[at:end], self.names[named:until])
            first, at, named = last, end, until


def make_vocabulary(
    entries: list[bytes | None], kinds: bytearray, names: Mapping[int, bytes] | None = None
) -> Vocabulary:
    """Assumes one kind an entry. Every entry that is not text, and an empty text, has no bytes.

    `names`: UTF-8 texts of control and end tokens by id; those of other ids are not told.
    """
    size = len(entries)
    if not 1 <= size <= MAX_ENTRIES or len(kinds) != size:
        raise VocabularyError(f"vocabulary: wanted 1 to {MAX_ENTRIES} entries, got {size}")
    texts = [e or b"" if k == TEXT else b"" for e, k in zip(entries, kinds, strict=True)]
    for index, text in enumerate(texts):
        if kinds[index] == TEXT and not text:
            kinds[index] = UNUSED
    lengths = np.array([len(t) for t in texts], dtype="<u4")
    data = b"".join(texts)
    digest = hashlib.sha256(b"checkstream-vocabulary/1\n" + size.to_bytes(4, "little"))
    for part in (bytes(kinds), lengths.tobytes(), data):
        digest.update(part)
    known = names or {}
    named = tuple(known.get(i, b"") for i, kind in enumerate(kinds) if kind in (CONTROL, END))
    short = digest.digest()
    if not any(named):
        return Vocabulary(bytes(kinds), lengths, data, short, (), short)
    sizes = np.array([len(name) for name in named], dtype="<u4").tobytes()
    full = hashlib.sha256(b"checkstream-vocabulary/2\n" + short + sizes + b"".join(named)).digest()
    return Vocabulary(bytes(kinds), lengths, data, short, named, full)


def from_tokenizer(tokenizer: Any, width: int, end_ids: set[int]) -> Vocabulary:
    """The vocabulary of the engine's tokenizer, padded to the width of its logits rows.

    Assumes `end_ids` are the tokens that end a generation. Guarantees `width` entries; an id past
    the tokenizer is unused. Raises VocabularyError for a tokenizer of no known family.
    """
    entries: list[bytes | None] = [None] * width
    kinds = bytearray([UNUSED]) * width
    for index, text, control in _tokens(tokenizer):
        if not 0 <= index < width:
            continue
        kinds[index] = CONTROL if control else TEXT
        entries[index] = text
    for index in end_ids:
        if 0 <= index < width:
            kinds[index] = END
    names = {i: entries[i] or b"" for i, kind in enumerate(kinds) if kind in (CONTROL, END)}
    return make_vocabulary(entries, kinds, names)


# Id, its bytes (of a control token: its name), and whether it is a control token.
Token = tuple[int, bytes, bool]


def _tokens(tokenizer: Any) -> Iterator[Token]:
    backend = getattr(tokenizer, "backend_tokenizer", None) or getattr(
        tokenizer, "_tokenizer", None
    )
    if backend is not None and hasattr(backend, "to_str"):
        return _fast(json.loads(backend.to_str()))
    for inner in _inside(tokenizer):
        if hasattr(inner, "id_to_byte_piece"):
            return _tekken(inner)
        if hasattr(inner, "id_to_piece") and hasattr(inner, "is_special"):
            return _mistral_pieces(inner)
        if hasattr(inner, "decode_single_token_bytes") and hasattr(inner, "n_vocab"):
            return _tiktoken(inner)
        if hasattr(inner, "id_to_piece") and hasattr(inner, "is_byte"):
            return _sentencepiece(inner)
    raise VocabularyError(
        f"tokenizer {type(tokenizer).__name__}: no tokenizer.json, SentencePiece, tekken or "
        "tiktoken model found in it"
    )


def _inside(tokenizer: Any) -> Iterator[Any]:
    yield tokenizer
    for name in ("tokenizer", "sp_model", "model", "instruct", "encoding"):
        inner = getattr(tokenizer, name, None)
        if inner is None or isinstance(inner, str):
            continue
        yield inner
        if name in ("instruct", "tokenizer"):
            deeper = getattr(inner, "tokenizer", None)
            if deeper is not None:
                yield deeper


def _fast(document: dict[str, Any]) -> Iterator[Token]:
    """A Hugging Face tokenizer.json: the decoder says how a piece is spelled."""
    spell = _speller(document)
    added = {entry["id"]: entry for entry in document.get("added_tokens", [])}
    model = document.get("model", {})
    vocab = model.get("vocab", {})
    unknown = model.get("unk_token") if isinstance(vocab, dict) else model.get("unk_id")
    pairs = (
        ((index, piece) for piece, index in vocab.items())
        if isinstance(vocab, dict)
        else ((index, piece[0]) for index, piece in enumerate(vocab))
    )
    for index, piece in pairs:
        if index not in added:
            yield index, spell(piece), piece == unknown or index == unknown
    for index, entry in added.items():
        yield index, str(entry["content"]).encode(), bool(entry.get("special"))


def _speller(document: dict[str, Any]) -> Callable[[str], bytes]:
    kinds = {d.get("type") for d in _flat(document.get("decoder"), "decoders")}
    pieces = {p.get("type") for p in _flat(document.get("pre_tokenizer"), "pretokenizers")}
    model = document.get("model", {})
    if "ByteLevel" in kinds or ("ByteLevel" in pieces and not kinds & {"ByteFallback"}):
        return _byte_level
    if kinds & {"ByteFallback", "Metaspace", "Replace"} or model.get("byte_fallback"):
        return _metaspace
    if "WordPiece" in kinds or model.get("type") == "WordPiece":
        prefix = str(model.get("continuing_subword_prefix", "##"))
        return lambda piece: _word_piece(piece, prefix)
    if model.get("type") in ("BPE", "Unigram"):
        return _metaspace
    raise VocabularyError(f"tokenizer.json: no known decoder among {sorted(map(str, kinds))}")


def _flat(node: Any, key: str) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.get(key, []):
            yield from _flat(child, key)


def _byte_table() -> dict[str, int]:
    """GPT-2's spelling of bytes: printable ones as themselves, the others from U+0100 on."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(b): b for b in own}
    rest = (b for b in range(256) if b not in set(own))
    return table | {chr(256 + i): b for i, b in enumerate(rest)}


BYTE_OF = _byte_table()


def _byte_level(piece: str) -> bytes:
    try:
        return bytes(BYTE_OF[c] for c in piece)
    except KeyError:
        return piece.encode()  # an entry that was added without byte-level spelling


def _metaspace(piece: str) -> bytes:
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        try:
            return bytes([int(piece[3:5], 16)])
        except ValueError:
            pass
    return piece.replace("\u2581", " ").encode()


def _word_piece(piece: str, prefix: str) -> bytes:
    return piece[len(prefix) :].encode() if piece.startswith(prefix) else b" " + piece.encode()


def _sentencepiece(model: Any) -> Iterator[Token]:
    for index in range(model.get_piece_size()):
        quiet = model.is_control(index) or model.is_unknown(index) or model.is_unused(index)
        piece = model.id_to_piece(index)
        yield index, piece.encode() if quiet else _metaspace(piece), bool(quiet)


def _tekken(model: Any) -> Iterator[Token]:
    """mistral_common's tekken tokenizers: special tokens come first."""
    special = int(getattr(model, "num_special_tokens", 0))
    for index in range(int(model.n_words)):
        if index < special:
            yield index, str(model.id_to_piece(index)).encode(), True
            continue
        piece = bytes(model.id_to_byte_piece(index))
        yield index, piece, not piece


def _mistral_pieces(model: Any) -> Iterator[Token]:
    """mistral_common's SentencePiece tokenizers."""
    for index in range(int(model.n_words)):
        piece = str(model.id_to_piece(index))
        quiet = bool(model.is_special(index)) or index == model.unk_id
        yield index, piece.encode() if quiet else _metaspace(piece), quiet


def _tiktoken(model: Any) -> Iterator[Token]:
    special = {i: name for name, i in getattr(model, "_special_tokens", {}).items()}
    for index in range(model.n_vocab):
        if index in special:
            yield index, str(special[index]).encode(), True
            continue
        try:
            yield index, model.decode_single_token_bytes(index), False
        except KeyError:
            continue  # a hole in the ranks stays unused
