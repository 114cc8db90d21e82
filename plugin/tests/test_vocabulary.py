"""Every family of tokenizers gives the bytes that its tokens add to the text."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from checkstream_vllm.vocabulary import (
    CONTROL,
    END,
    TEXT,
    UNUSED,
    Vocabulary,
    VocabularyError,
    from_tokenizer,
    make_vocabulary,
)

SHARED = Path(
    os.environ.get("CHECKSTREAM_DATA", Path(__file__).resolve().parents[2] / "../shared/data")
)


class Backend:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def to_str(self) -> str:
        return json.dumps(self.document)


class Fast:
    def __init__(self, document: dict[str, Any]) -> None:
        self.backend_tokenizer = Backend(document)


def texts(v: Vocabulary) -> list[bytes]:
    at, out = 0, []
    for length in v.lengths.tolist():
        out.append(v.data[at : at + length])
        at += length
    return out


def added(index: int, content: str, special: bool) -> dict[str, Any]:
    return {"id": index, "content": content, "special": special}


def test_a_byte_level_vocabulary_spells_bytes_and_keeps_plain_added_tokens_as_text() -> None:
    document = {
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {"Ġhi": 0, "Ã": 1, "Ċ": 2}},
        "added_tokens": [added(3, "<|end|>", True), added(4, "<tool_call>", False)],
    }
    v = from_tokenizer(Fast(document), 7, {3})
    assert list(v.kinds) == [TEXT, TEXT, TEXT, END, TEXT, UNUSED, UNUSED]
    assert texts(v) == [b" hi", b"\xc3", b"\n", b"", b"<tool_call>", b"", b""]


def test_a_sentencepiece_vocabulary_knows_spaces_and_byte_fallback() -> None:
    document = {
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "vocab": {"<unk>": 0, "<s>": 1, "▁the": 2, "<0xE2>": 3, "é": 4, "<0xZZ>": 5},
        },
        "added_tokens": [added(1, "<s>", True)],
    }
    v = from_tokenizer(Fast(document), 6, set())
    assert list(v.kinds) == [CONTROL, CONTROL, TEXT, TEXT, TEXT, TEXT]
    assert texts(v)[2:] == [b" the", b"\xe2", "é".encode(), b"<0xZZ>"]


def test_a_unigram_vocabulary_is_a_list_and_names_its_unknown_by_index() -> None:
    document = {
        "decoder": {"type": "Metaspace"},
        "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["▁a", -1.0]]},
    }
    v = from_tokenizer(Fast(document), 2, set())
    assert list(v.kinds) == [CONTROL, TEXT]
    assert texts(v)[1] == b" a"


def test_a_word_piece_vocabulary_separates_whole_words() -> None:
    document = {"decoder": {"type": "WordPiece"}, "model": {"vocab": {"play": 0, "##ing": 1}}}
    assert texts(from_tokenizer(Fast(document), 2, set())) == [b" play", b"ing"]


class Tiktoken:
    n_vocab = 5
    _special_tokens: dict[str, int] = {"<|end|>": 4}  # noqa: RUF012

    def decode_single_token_bytes(self, index: int) -> bytes:
        return {0: b"a", 1: b"\xf0\x9f", 2: b" b"}[index]


class Wrapper:
    def __init__(self, model: Any) -> None:
        self.model = model


def test_a_tiktoken_vocabulary_has_raw_bytes_and_holes() -> None:
    v = from_tokenizer(Wrapper(Tiktoken()), 6, set())
    assert list(v.kinds) == [TEXT, TEXT, TEXT, UNUSED, CONTROL, UNUSED]
    assert v.names == (b"<|end|>",)
    assert texts(v)[:3] == [b"a", b"\xf0\x9f", b" b"]


class SentencePiece:
    pieces = ("<unk>", "<s>", "▁x", "<0x41>")

    def get_piece_size(self) -> int:
        return len(self.pieces)

    def id_to_piece(self, index: int) -> str:
        return self.pieces[index]

    def is_control(self, index: int) -> bool:
        return index == 1

    def is_unknown(self, index: int) -> bool:
        return index == 0

    def is_unused(self, index: int) -> bool:
        return False

    def is_byte(self, index: int) -> bool:
        return index == 3


def test_a_slow_sentencepiece_tokenizer_is_read_through_its_model() -> None:
    class Slow:
        sp_model = SentencePiece()

    v = from_tokenizer(Slow(), 4, set())
    assert list(v.kinds) == [CONTROL, CONTROL, TEXT, TEXT]
    assert texts(v)[2:] == [b" x", b"A"]
    assert v.names == (b"<unk>", b"<s>")


class Tekken:
    """As mistral_common's: special tokens first, then bytes."""

    num_special_tokens, n_words = 3, 5
    texts = ("<s>", "</s>", "[TOOL_CALLS]", "a", "b")

    def id_to_piece(self, index: int) -> str:
        return self.texts[index]

    def id_to_byte_piece(self, index: int) -> bytes:
        return b"" if index < 3 else self.texts[index].encode()


def test_a_tekken_vocabulary_names_its_special_tokens() -> None:
    v = from_tokenizer(Wrapper(Tekken()), 6, {1})
    assert list(v.kinds) == [CONTROL, END, CONTROL, TEXT, TEXT, UNUSED]
    assert v.names == (b"<s>", b"</s>", b"[TOOL_CALLS]")


class MistralPieces:
    """As mistral_common's wrapper of a SentencePiece model."""

    n_words, unk_id = 4, 0
    pieces = ("<unk>", "[TOOL_CALLS]", "▁x", "<0x41>")

    def id_to_piece(self, index: int) -> str:
        return self.pieces[index]

    def is_special(self, index: int) -> bool:
        return index == 1


def test_a_sentencepiece_tokenizer_of_mistral_common_names_its_control_tokens() -> None:
    v = from_tokenizer(Wrapper(MistralPieces()), 4, set())
    assert list(v.kinds) == [CONTROL, CONTROL, TEXT, TEXT]
    assert (texts(v)[2:], v.names) == ([b" x", b"A"], (b"<unk>", b"[TOOL_CALLS]"))


def test_an_unknown_tokenizer_is_refused_by_its_name() -> None:
    with pytest.raises(VocabularyError, match="object"):
        from_tokenizer(object(), 4, set())


def test_the_digest_is_over_kinds_lengths_and_bytes() -> None:
    document = {"decoder": {"type": "ByteLevel"}, "model": {"vocab": {"a": 0, "bc": 1}}}
    v = from_tokenizer(Fast(document), 3, set())
    wanted = b"checkstream-vocabulary/1\n" + (3).to_bytes(4, "little") + bytes([0, 0, 2])
    wanted += b"".join(n.to_bytes(4, "little") for n in (1, 2, 0)) + b"abc"
    assert v.digest == hashlib.sha256(wanted).digest()


def test_a_second_digest_covers_the_names_of_control_tokens() -> None:
    document = {
        "decoder": {"type": "ByteLevel"},
        "model": {"vocab": {"a": 0}},
        "added_tokens": [added(1, "[TOOL_CALLS]", True), added(2, "</s>", True)],
    }
    v = from_tokenizer(Fast(document), 4, {2})
    assert v.names == (b"[TOOL_CALLS]", b"</s>")
    assert v.digest == make_vocabulary([b"a", None, None, None], bytearray(v.kinds)).digest
    sizes = b"".join(n.to_bytes(4, "little") for n in (12, 4))
    wanted = b"checkstream-vocabulary/2\n" + v.digest + sizes + b"[TOOL_CALLS]</s>"
    assert v.full_digest == hashlib.sha256(wanted).digest()


def test_without_names_both_digests_are_the_same() -> None:
    v = make_vocabulary([b"a", None], bytearray([TEXT, CONTROL]))
    assert (v.names, v.full_digest) == ((), v.digest)


def test_chunks_put_together_are_the_vocabulary() -> None:
    vocab = {f"{i}" + "x" * (i % 50): i for i in range(30_000)}
    marks = [added(i, f"<{i}>", True) for i in range(30_000, 45_000, 2)]
    document = {"decoder": {"type": "ByteLevel"}, "model": {"vocab": vocab}, "added_tokens": marks}
    v = from_tokenizer(Fast(document), 45_005, {44_998})
    kinds, lengths, data, names, next_id = b"", [], b"", (), 0
    for chunk in v.chunks():
        assert chunk.first == next_id
        assert len(chunk.data) <= 1024 * 1024
        assert len(chunk.names) == sum(k in (CONTROL, END) for k in chunk.kinds)
        kinds, lengths, data = kinds + chunk.kinds, lengths + chunk.lengths, data + chunk.data
        names, next_id = names + chunk.names, next_id + len(chunk.kinds)
    assert (kinds, lengths, data) == (v.kinds, v.lengths.tolist(), v.data)
    assert names == v.names == tuple(f"<{i}>".encode() for i in range(30_000, 45_000, 2))


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data folder")
def test_gpt2_has_every_byte_and_its_end_of_text() -> None:
    path = SHARED / "tokenizers/tok_gpt2/encoder.json.gz"
    vocab = json.loads(gzip.decompress(path.read_bytes()))
    document = {"decoder": {"type": "ByteLevel"}, "model": {"vocab": vocab}}
    v = from_tokenizer(Fast(document), 50_257, {50_256})
    assert v.kinds[50_256] == END
    assert {t for t in texts(v) if len(t) == 1} == {bytes([b]) for b in range(256)}
