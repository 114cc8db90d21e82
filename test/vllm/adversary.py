"""Test-only logits processors, loaded beside CheckStream.

Adversary, listed before it: per request, `adversary_tokens` in extra_args are the tokens that spell
a banned phrase in one segmentation; each gets +50 when its turn comes, which beats any model.
Script, likewise: `script_tokens` are pushed position by position, -1 leaves a position to the model.
Where something behind it forces other tokens, it goes on after the next of its own that is said.
Witness, listed after it: writes down a digest of which logits were denied, by rank.
"""

import hashlib
import os

import torch
from checkstream_vllm import _bases

PUSH = 50.0


def wanted(tokens, last, before):
    """The token to push after `before`, `last`: the next of the phrase, or its first."""
    for k in range(len(tokens) - 1, 0, -1):
        if tokens[k - 1] == last and (k == 1 or tokens[k - 2] == before):
            return tokens[k]
    return tokens[0]


class Adversary(*_bases()):
    def __init__(self, vllm_config, where, *rest):
        self.states = None if rest else where
        self.rows = {}

    def is_argmax_invariant(self):
        return False

    def update_state(self, update):
        if update is None:
            return
        for index in update.removed:
            self.rows.pop(index, None)
        for index, params, _, output in update.added:
            tokens = (params.extra_args or {}).get("adversary_tokens")
            self.rows[index] = (tokens, output)
        for a, b, how in update.moved:
            one, two = self.rows.pop(a, None), self.rows.pop(b, None)
            if one is not None:
                self.rows[b] = one
            if how.name == "SWAP" and two is not None:
                self.rows[a] = two

    def add_request(self, slot, params):
        self.rows[slot] = (params.extra_args or {}).get("adversary_tokens")
        return True

    def apply_staged_writes(self):
        pass

    def apply(self, logits, context=None):
        if context is None:
            for index, (tokens, output) in self.rows.items():
                if tokens and index < len(logits):
                    last = output[-1] if output else -1
                    before = output[-2] if len(output) > 1 else -1
                    logits[index, wanted(tokens, last, before)] += PUSH
            return logits
        slots = context.expanded_idx_mapping.tolist()
        fed, at = context.input_ids.tolist(), context.pos.tolist()
        for row, slot in enumerate(slots):
            tokens = self.rows.get(slot)
            if tokens:
                before = fed[row - 1] if row and slots[row - 1] == slot else -1
                if before < 0 and at[row] > 0:
                    before = int(self.states.all_token_ids.gpu[slot, at[row] - 1])
                logits[row, wanted(tokens, fed[row], before)] += PUSH
        return logits


def scripted(script, output):
    """The token to push after `output`, or -1."""
    at = 0
    for token in output:
        if at < len(script) and script[at] in (token, -1):
            at += 1
        elif token in script[at:]:
            at = script.index(token, at) + 1
    return script[at] if at < len(script) else -1


class Script(Adversary):
    def update_state(self, update):
        if update is None:
            return
        for _, params, _, _ in update.added:
            extra = params.extra_args or {}
            params.extra_args = {**extra, "adversary_tokens": extra.get("script_tokens")}
        super().update_state(update)

    def add_request(self, slot, params):
        self.rows[slot] = (params.extra_args or {}).get("script_tokens")
        return True

    def apply(self, logits, context=None):
        if context is None:
            for index, (script, output) in self.rows.items():
                if script and index < len(logits):
                    self.push(logits[index], scripted(script, output))
            return logits
        fed, at = context.input_ids.tolist(), context.pos.tolist()
        for row, slot in enumerate(context.expanded_idx_mapping.tolist()):
            if self.rows.get(slot):
                first = int(self.states.prompt_len.np[slot])
                said = self.states.all_token_ids.gpu[slot, first : at[row]].tolist()
                said += [fed[row]] if at[row] >= first else []
                self.push(logits[row], scripted(self.rows[slot], said))
        return logits

    def push(self, row, token):
        if token >= 0:
            row[token] += PUSH


class Witness(*_bases()):
    def __init__(self, vllm_config, where, *rest):
        from vllm.distributed import get_tensor_model_parallel_rank

        folder = os.environ["CHECKSTREAM_TEST_WITNESS"]
        rank = get_tensor_model_parallel_rank()
        self.file = open(os.path.join(folder, f"rank{rank}.txt"), "w", buffering=1)

    def is_argmax_invariant(self):
        return False

    def update_state(self, update):
        pass

    def add_request(self, slot, params):
        return True

    def apply_staged_writes(self):
        pass

    def apply(self, logits, context=None):
        denied = torch.isneginf(logits).numpy().tobytes()
        self.file.write(hashlib.sha256(denied).hexdigest() + f" {int(denied.count(1))}\n")
        return logits
