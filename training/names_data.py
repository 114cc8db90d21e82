"""Rows for the tagger of names and addresses: (text, spans), spans are (start, end, label).

Three kinds: real sentences with labels (wikigold, Broad Twitter Corpus, WNUT17), templates filled with
invented people (Presidio's templates and our own, values by Faker), and text without people. A fifth
of Presidio's templates is held out, wherever its sentences occur, so that a figure on them is honest.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from faker import Faker

from sources import data_root, jsonl, open_text

LABELS = ["O", "PER", "ADDRESS", "LOC", "ORG"]
# What the product calls them: `pii_detector` reports the first two.
PRODUCT = {"O": "O", "PER": "name", "ADDRESS": "address", "LOC": "place", "ORG": "organisation"}
Span = tuple[int, int, str]
Row = tuple[str, list[Span]]

PRESIDIO = {"PERSON": "PER", "STREET_ADDRESS": "ADDRESS", "ADDRESS": "ADDRESS", "GPE": "LOC", "LOCATION": "LOC", "ORGANIZATION": "ORG"}
CONLL = {"PER": "PER", "person": "PER", "LOC": "LOC", "location": "LOC", "ORG": "ORG", "corporation": "ORG", "group": "ORG"}
LOCALES = ["en_US", "en_GB", "en_IN", "en_AU", "en_CA", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "sv_SE", "da_DK", "no_NO", "fi_FI",
           "pt_BR", "pt_PT", "cs_CZ", "hu_HU", "ro_RO", "tr_TR", "hr_HR", "sl_SI", "es_MX", "de_AT", "de_CH", "fr_CA", "en_IE", "en_NZ", "lt_LT", "el_GR", "ru_RU"]
ENGLISH = ["en_US", "en_GB", "en_IN", "en_AU", "en_CA", "en_IE", "en_NZ"]

# {P} a person, {F} a first name, {A} a full address, {S} a street address, {L} a place, {O} an organisation,
# {D} a date, {N} a number, {E} an e-mail address, {T} a phone number.
OURS = [
    "Hi, I'm {P} and I need help with my account.", "My name is {P}.", "my name's {P}, can you check my order?", "This is {F} speaking.", "{F} here, quick question about invoice {N}.",
    "Dear {P},\n\nThank you for your letter of {D}.", "Dear Mr. {P},", "Dear Ms {P}, we received your complaint.", "Kind regards,\n{P}", "Best,\n{F}", "Yours sincerely,\n\n{P}\n{O}", "Cheers, {F}",
    "Customer: {P}\nAddress: {A}\nPhone: {T}", "Name: {P}\nEmail: {E}\nDate of birth: {D}", "Patient {P}, born {D}, was admitted on {D}.", "The patient's name is {P} and she lives at {A}.", '{"name": "{P}", "email": "{E}", "address": "{A}"}',
    '{"customer": {"first_name": "{F}", "city": "{L}"}, "amount": {N}}', "{P} <{E}>", "From: {P} <{E}>\nTo: {P} <{E}>\nSubject: Your order {N}", "{P},{E},{T},{A}", "id;name;city\n{N};{P};{L}\n{N};{P};{L}",
    "Please ship it to {A}.", "My new address is {A}, please update it.", "I live at {S} in {L}.", "I moved from {S} to {S} last week.", "The delivery for {P} goes to {A}.", "Can you pick me up at {S}?", "He was last seen near {S}.",
    "Our office: {A}", "Send the card to {P}, {A}.", "Ship to:\n{P}\n{A}", "{P}\n{O}\n{A}", "Meet {F} at {S} at 10:30.", "Billing address is {A} and the phone number is {T}.", "The account holder is {P}, not {P}.",
    "{P} called about the loan and asked for {F}.", "I spoke with {P} from {O} yesterday.", "{P} works for {O} in {L}.", "According to {P}, the merger with {O} is off.", "{F} and {F} are flying to {L} next week.", "Tell {F} that I'm late.",
    "Could you write a reference for {P}?", "Draft an email to {P} about the meeting on {D}.", "Transfer {N} euros to {P}.", "Please add {P} as a joint owner.", "Is {P} still your manager?", "I, {P}, authorise {P} to act for me.",
    "Ich heiße {P} und wohne in {A}.", "Mein Name ist {P}.", "Sehr geehrte Frau {P},", "Je m'appelle {P}, j'habite {A}.", "Bonjour {F}, comment allez-vous ?", "Me llamo {P} y vivo en {A}.", "Hola {F}, ¿qué tal?", "Mi chiamo {P}, abito in {A}.",
    "Ik ben {P} en ik woon op {A}.", "Meu nome é {P}.", "Witness: {P}. Judge: {P}. Court: {L}.", "{P} v. {P}, decided on {D}", "Employee {P} ({N}) reports to {P}.", "User: hi\nAgent: Hello {F}, how can I help?\nUser: my address is {A}",
    "{P} was born in {L} in {N}.", "{P}'s laptop is broken, says {F}.", "The will names {P}, {P} and {P}.", "Dr. {P} will see you at {S}.", "Professor {P} teaches in {L}.", "Mrs. {P} paid on {D}.", "{F}, please send {N} copies to {O}.",
    "We visited {L} and {L} in {N}.", "The weather in {L} is fine.", "{O} opened a branch in {L}.", "How do I call {O} from {L}?", "Flights from {L} to {L} cost {N}.", "Shares of {O} rose by {N} percent on {D}.", "What is the capital of {L}?",
    "Order {N} of {D} has not arrived.", "Call {T} or write to {E}.", "Invoice {N}: {N} pieces at {N} each, due {D}.", "Ticket {N} was closed on {D} after {N} days.", "Suite {N} is on floor {N}.", "The file has {N} lines and {N} pages.",
]
TITLES = ["Mr. ", "Mrs. ", "Ms. ", "Dr. ", "Mr ", "Prof. ", "Miss "]


def template_of(text: str, spans: list[Span]) -> str:
    """The sentence with its values taken out: rows of one template give the same string."""
    out, at = "", 0
    for start, end, _ in sorted(spans):
        if start >= at:
            out += text[at:start] + "{}"
            at = end
    return re.sub(r"(\{\}\W*)+", "{} ", re.sub(r"\s+", " ", (out + text[at:]).lower())).strip()


def is_held_out(template: str) -> bool:
    return zlib.crc32(template.encode()) % 5 == 0


def presidio(path: Path) -> Iterator[tuple[str, list[Span], list[Span], str]]:
    """(text, spans that we label, all spans with their own names, template)."""
    opened = gzip.open(path, "rt", encoding="utf8") if path.suffix == ".gz" else path.open(encoding="utf8")
    with opened as f:
        for row in json.load(f):
            every = [(s["start_position"], s["end_position"], s["entity_type"]) for s in row["spans"]]
            ours = [(a, b, PRESIDIO[t]) for a, b, t in every if t in PRESIDIO]
            yield row["full_text"], ours, every, template_of(row["full_text"], every)


class People:
    """Invented values by kind, of many locales, English ones more often."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        Faker.seed(rng.randrange(1 << 30))
        self.fakers = {name: Faker(name) for name in LOCALES}

    def faker(self) -> Faker:
        return self.fakers[self.rng.choice(ENGLISH if self.rng.random() < 0.45 else LOCALES)]

    def person(self) -> str:
        f, k = self.faker(), self.rng.random()
        first, last = f.first_name(), f.last_name()
        if k < 0.5:
            return f"{first} {last}"
        if k < 0.6:
            return f"{first} {self.rng.choice('ABCDEFGHJKLMNPRSTW')}{self.rng.choice(['.', ''])} {last}"
        if k < 0.67:
            return f"{first} {f.first_name()} {last}"
        if k < 0.72:
            return f"{last}, {first}"
        return last if k < 0.8 else first if k < 0.95 else f"{first[0]}. {last}"

    def street(self) -> str:
        f = self.faker()
        text = f.street_address()
        k = self.rng.random()
        if k < 0.2:
            text += self.rng.choice([" Apt. {}", ", Apt {}", " Suite {}", ", Unit {}", "\n Apt. {}", " #{}", ", Flat {}"]).format(self.rng.randrange(1, 999))
        return re.sub(r"\s*\n\s*", lambda m: self.rng.choice([", ", "\n", " "]), text)

    def address(self) -> str:
        f, k = self.faker(), self.rng.random()
        if k < 0.45:
            text = f.address()
        else:
            parts = [self.street(), f.city()]
            if k < 0.8:
                parts.append(f.postcode())
            if k > 0.6:
                parts.append(self.fakers["en_US"].country())
            text = self.rng.choice([", ", "\n", " ", ",\n", "\n "]).join(parts)
        if self.rng.random() < 0.6:
            text = text.replace("\n", self.rng.choice([", ", " ", ", "]))
        return text

    def value(self, kind: str) -> tuple[str, str]:
        """(text, label)."""
        f = self.faker()
        match kind:
            case "P" | "PERSON":
                return self.person(), "PER"
            case "F":
                return f.first_name(), "PER"
            case "A" | "STREET_ADDRESS" | "ADDRESS":
                return (self.address() if self.rng.random() < 0.8 else self.street()), "ADDRESS"
            case "S":
                return self.street(), "ADDRESS"
            case "L" | "GPE" | "LOCATION":
                return (f.city() if self.rng.random() < 0.6 else self.fakers["en_US"].country()), "LOC"
            case "O" | "ORGANIZATION":
                return f.company(), "ORG"
            case "D" | "DATE_TIME":
                return f.date(self.rng.choice(["%d/%m/%Y", "%Y-%m-%d", "%B %d, %Y", "%d %B", "%A"])), "O"
            case "E" | "EMAIL_ADDRESS":
                return f.email(), "O"
            case "T" | "PHONE_NUMBER":
                return f.phone_number(), "O"
            case "NRP":
                return self.rng.choice(["Mexican", "German", "Catholic", "Jewish", "Republican", "Swiss", "Kenyan"]), "O"
            case "DOMAIN_NAME":
                return f.domain_name(), "O"
            case "TITLE":
                return self.rng.choice(TITLES).strip(), "O"
            case _:
                return str(self.rng.randrange(1, 10 ** self.rng.randrange(1, 9))), "O"


def fill(text: str, slots: list[Span], people: People) -> Row:
    """Replaces every slot (start, end, kind) by a fresh value."""
    out, spans, at = "", [], 0
    for start, end, kind in sorted(slots):
        if start < at:
            continue
        value, label = people.value(kind)
        out += text[at:start]
        if label != "O":
            spans.append((len(out), len(out) + len(value), label))
        out += value
        at = end
    return out + text[at:], spans


def fill_ours(count: int, people: People) -> Iterator[Row]:
    for i in range(count):
        text = OURS[i % len(OURS)]
        yield fill(text, [(m.start(), m.end(), m.group()[1]) for m in re.finditer(r"\{[A-Z]\}", text)], people)


def conll(path: Path) -> list[Row]:
    rows: list[Row] = []
    text, spans, last = "", [], ""
    with open_text(path) as f:
        for line in [*f, "\n"]:
            parts = line.split()
            if len(parts) < 2:
                if text and not text.startswith("-DOCSTART-"):
                    rows.append((text, spans))
                text, spans, last = "", [], ""
                continue
            word, tag = parts[0], parts[-1]
            glued = text == "" or re.fullmatch(r"[.,!?;:)\]%]|'\w{1,2}|n't", word) is not None or text[-1] in "(["
            start = len(text) + (0 if glued else 1)
            text += ("" if glued else " ") + word
            label = CONLL.get(tag.split("-", 1)[-1], "O")
            if label != "O":
                if label == last and tag[0] == "I" and spans:
                    spans[-1] = (spans[-1][0], len(text), label)
                else:
                    spans.append((start, len(text), label))
            last = label
    return rows


def plain(rng: random.Random, count: int) -> list[Row]:
    """Text without people: nothing in it but sentence starts is upper case, or it is about banks."""
    root = data_root() / "train"
    texts = [str(r["content"])[:600] for r in jsonl(root / "tau2_banking/documents.jsonl.gz")]
    for path in sorted((root / "gpteacher").rglob("*.json*")) + sorted((root / "self_instruct").rglob("*.jsonl*")):
        with open_text(path) as f:
            for found in re.findall(r'"(?:response|output|instruction)": ?"((?:[^"\\]|\\.){30,900})"', f.read(4_000_000)):
                text = json.loads(f'"{found}"')
                if not re.search(r"[\w,;] [A-Z](?!\W)", text):
                    texts.append(text[:400])
    for path in sorted((root / "banking77").rglob("*.csv*")):
        with open_text(path) as f:
            texts += [line.rsplit(",", 1)[0].strip('"') for line in f][1:2500]
    rng.shuffle(texts)
    return [(t, []) for t in texts[:count]]


def vary(row: Row, rng: random.Random) -> Row:
    """Case is no evidence one can rely on; title case without people must not become names."""
    text, spans = row
    k = rng.random()
    if k < 0.15:
        changed = text.lower()
    elif k < 0.2:
        changed = text.upper()
    elif k < 0.27 and not spans:
        changed = re.sub(r"\b[a-z]", lambda m: m.group().upper(), text)
    else:
        return row
    return (changed, spans) if len(changed) == len(text) else row


def held_out_tail(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    at = int(len(rows) * 0.85)
    return rows[:at], rows[at:]


def build(seed: int, scale: float) -> tuple[list[Row], dict[str, list[Row]]]:
    """Training rows, and held-out rows by set."""
    rng = random.Random(seed)
    people = People(rng)
    root = data_root() / "train"
    train: list[Row] = []
    held: dict[str, list[Row]] = {"templates": []}
    for text, ours, every, template in presidio(root / "presidio_research/synth_dataset_v2.json.gz"):
        if is_held_out(template):
            held["templates"].append((text, ours))
            continue
        train.append((text, ours))
        train += [fill(text, every, people) for _ in range(round(5 * scale))]
    train += fill_ours(round(6000 * scale), people)
    for name, path in (("wikigold", "wikigold.conll.txt.gz"), ("btc_b", "BTC_b.conll.gz"), ("btc_a", "BTC_a.conll.gz"), ("wnut17", "wnut17train.conll.gz")):
        first, held[name] = held_out_tail(conll(root / "ner" / path))
        train += first[: round(len(first) * scale)]
    train += plain(rng, round(5000 * scale))
    rng.shuffle(train)
    return [vary(row, rng) for row in train], held
