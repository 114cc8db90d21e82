"""Writes the model's folder: weights, configuration, tokenizer, graph, and the golden file.

    python export.py --run RUN --to ../../models/demo-lm

The golden file is made here, by PyTorch in float32, from the stored (float16) weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

import graph
import train

HERE = Path(__file__).parent
TOKENS, CASES, SMALLEST_GAP = 100, 20, 0.005


def store(run: Path, to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    model = train.Run(run).model
    model.half().save_pretrained(to)
    (to / "model.safetensors").chmod(0o644)
    # Older readers (transformers 4, older vLLM) look for the base at the top level.
    config = json.loads((to / "config.json").read_text("utf-8"))
    config["rope_theta"] = config["rope_parameters"]["rope_theta"]
    (to / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    shutil.copy(run / "chat_template.jinja", to / "chat_template.jinja")
    free_reserved(run, to)
    generation = {"eos_token_id": [2, 0], "pad_token_id": 0, "do_sample": True, "temperature": 0.7, "top_p": 0.95}
    (to / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n", "utf-8")
    graph.write_graph(to)


def free_reserved(run: Path, to: Path) -> None:
    """The reserved ids lose their names: no text can spell them, and a host sees unused ids."""
    tokenizer = json.loads((run / "tokenizer.json").read_text("utf-8"))
    reserved = [entry["content"] for entry in tokenizer["added_tokens"] if "reserved" in entry["content"]]
    for name in reserved:
        del tokenizer["model"]["vocab"][name]
    tokenizer["added_tokens"] = [entry for entry in tokenizer["added_tokens"] if entry["content"] not in reserved]
    config = json.loads((run / "tokenizer_config.json").read_text("utf-8"))
    config["additional_special_tokens"] = [n for n in config["additional_special_tokens"] if n not in reserved]
    (to / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False) + "\n", "utf-8")
    (to / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")


def prompt_ids(coder: AutoTokenizer, prompt: str | dict) -> list[int]:
    if isinstance(prompt, str):
        return coder.encode(prompt, add_special_tokens=False)
    text = coder.apply_chat_template(prompt["messages"], tools=prompt.get("tools"), add_generation_prompt=True, tokenize=False)
    return coder.encode(text, add_special_tokens=False)


@torch.inference_mode()
def greedy(model: LlamaForCausalLM, ids: list[int]) -> tuple[list[int], float]:
    """The continuation, end tokens ignored, and the smallest gap between first and second logit."""
    out, past, fed, gap = [], None, torch.tensor([ids]), float("inf")
    for _ in range(TOKENS):
        result = model(fed, past_key_values=past, use_cache=True)
        past, values = result.past_key_values, result.logits[0, -1].topk(2).values.tolist()
        gap = min(gap, values[0] - values[1])
        out.append(int(result.logits[0, -1].argmax()))
        fed = torch.tensor([[out[-1]]])
    return out, gap


def golden(folder: Path) -> dict:
    """The first twenty prompts at which no choice is so close that rounding could turn it."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    coder = AutoTokenizer.from_pretrained(folder)
    cases = []
    for prompt in json.loads((HERE / "golden-prompts.json").read_text("utf-8")):
        ids = prompt_ids(coder, prompt)
        out, gap = greedy(model, ids)
        print(f"{gap:.4f} {coder.decode(out[:60])!r}")
        if gap >= SMALLEST_GAP and len(cases) < CASES:
            text = coder.decode(out, skip_special_tokens=False)
            cases.append({"prompt": prompt, "prompt_ids": ids, "output_ids": out, "gap": round(gap, 4), "text": text})
    assert len(cases) == CASES, f"only {len(cases)} prompts are decided clearly enough"
    return {"tokens": TOKENS, "dtype": "float32", "smallest_gap": SMALLEST_GAP, "cases": cases}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=HERE / "run")
    parser.add_argument("--to", type=Path, default=HERE.parents[1] / "models" / "demo-lm")
    options = parser.parse_args()
    store(options.run, options.to)
    made = golden(options.to)
    (options.to / "golden.json").write_text(json.dumps(made, ensure_ascii=False) + "\n", "utf-8")
    (options.to / "SHA256SUMS").write_text(digests(options.to), "utf-8")


def digests(folder: Path) -> str:
    """In the form of sha256sum, for the files that an engine reads."""
    names = ["chat_template.jinja", "config.json", "generation_config.json", "model.onnx", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    lines = (f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    return "".join(lines)


if __name__ == "__main__":
    main()
