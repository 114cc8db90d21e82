"""Makes a trained encoder narrower: fewer heads and fewer inner units in every layer.

What is left out is what the layer's output misses least on real text, and the rest of the matrix is
set so that it makes up for it (optimal brain surgeon on the second matrix of each half layer).
Layers are done in order, each on what the layers before it now give.
"""

from __future__ import annotations

import torch
from torch import nn

DAMPING = 1e-3
Batch = tuple[torch.Tensor, torch.Tensor]


def leave_out(weight: torch.Tensor, gram: torch.Tensor, size: int, keep: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Drops blocks of `size` inputs until `keep` blocks are left: kept inputs, and the new matrix.

    `weight` is [out, in]; `gram` [in, in] is the sum of x xT over the inputs x that were seen.
    """
    count = len(gram)
    gram = gram.double() + DAMPING * gram.diagonal().mean().double() * torch.eye(count, dtype=torch.float64)
    inverse, weight = torch.linalg.inv(gram), weight.detach().double().clone()
    blocks = list(range(count // size))

    def loss(block: int) -> float:
        own = slice(block * size, (block + 1) * size)
        part = weight[:, own]
        return float((part * torch.linalg.solve(inverse[own, own], part.T).T).sum())

    while len(blocks) > keep:
        if size == 1:
            at = torch.tensor(blocks)
            gone = blocks[int((weight[:, at].square().sum(0) / inverse.diagonal()[at]).argmin())]
        else:
            gone = min(blocks, key=loss)
        own = slice(gone * size, (gone + 1) * size)
        column = inverse[:, own].clone()
        share = torch.linalg.solve(inverse[own, own], column.T)
        weight -= weight[:, own] @ share
        inverse -= column @ share
        weight[:, own] = inverse[:, own] = 0
        inverse[own, :] = 0
        blocks.remove(gone)
    kept = torch.tensor([block * size + i for block in blocks for i in range(size)])
    return kept, weight[:, kept].float()


def narrow_outputs(layer: nn.Linear, kept: torch.Tensor) -> None:
    layer.weight, layer.bias = nn.Parameter(layer.weight[kept].clone()), nn.Parameter(layer.bias[kept].clone())


def cut(body: nn.Module, heads: int, inner: int) -> None:
    """The shape that `thin` leaves, with the first heads and units of every layer; weights come afterwards."""
    for layer in body.encoder.layer:
        own, out, first, second = layer.attention.self, layer.attention.output.dense, layer.intermediate.dense, layer.output.dense
        kept = torch.arange(heads * own.attention_head_size)
        for part in (own.query, own.key, own.value):
            narrow_outputs(part, kept)
        narrow_outputs(first, torch.arange(inner))
        out.weight, second.weight = nn.Parameter(out.weight[:, kept].clone()), nn.Parameter(second.weight[:, :inner].clone())
        own.all_head_size, own.num_attention_heads = len(kept), heads


def gram_of(values: list[torch.Tensor], batches: list[Batch]) -> torch.Tensor:
    width = values[0].shape[-1]
    gram = torch.zeros(width, width)
    for value, (_, mask) in zip(values, batches, strict=True):
        rows = value[mask.bool()]
        gram += rows.T @ rows
    return gram


@torch.no_grad()
def thin(body: nn.Module, batches: list[Batch], heads: int, inner: int) -> None:
    """Leaves `heads` heads and `inner` inner units in every layer of a BERT, in place."""
    act = nn.functional.gelu
    values = [body.embeddings(input_ids=ids) for ids, _ in batches]
    for layer in body.encoder.layer:
        attention, first, second = layer.attention, layer.intermediate.dense, layer.output.dense
        own, out = attention.self, attention.output.dense
        width = own.attention_head_size

        def split(value: torch.Tensor) -> torch.Tensor:
            return value.unflatten(-1, (-1, width)).transpose(1, 2)

        contexts = [
            nn.functional.scaled_dot_product_attention(split(own.query(x)), split(own.key(x)), split(own.value(x)), attn_mask=mask[:, None, None].bool())
            .transpose(1, 2).flatten(2)
            for x, (_, mask) in zip(values, batches, strict=True)
        ]
        kept, weight = leave_out(out.weight, gram_of(contexts, batches), width, heads)
        out.weight = nn.Parameter(weight)
        for part in (own.query, own.key, own.value):
            narrow_outputs(part, kept)
        own.all_head_size, own.num_attention_heads = len(kept), heads
        values = [attention.output.LayerNorm(out(context[..., kept]) + x) for context, x in zip(contexts, values, strict=True)]
        kept, weight = leave_out(second.weight, gram_of([act(first(x)) for x in values], batches), 1, inner)
        second.weight = nn.Parameter(weight)
        narrow_outputs(first, kept)
        values = [layer.output.LayerNorm(second(act(first(x))) + x) for x in values]
