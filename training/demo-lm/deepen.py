"""A first layer that looks at the previous token, put under a trained model.

To copy an address from the context a model needs two steps: know which token came before each one,
then look for the place where the present token came before. A model this small finds the first step
only after far more text than half an hour allows, so that step is given to it: six heads whose
score depends on the distance alone and is highest at one token back. The rest it learns.
"""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

PAIRS, SHARPNESS, SHARE = 7, 8.0, 0.5


def constant_direction(embedding: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """v such that v · normed(e) is close to 1 for every token (least squares, a little ridge);
    closer for tokens that are frequent."""
    normed = embedding / embedding.pow(2).mean(1, keepdim=True).sqrt()
    weighted = normed * (0.3 + counts.sqrt()).square()[:, None]
    gram = weighted.T @ normed + 0.1 * torch.eye(normed.shape[1])
    return torch.linalg.solve(gram, weighted.sum(0))


def deepen(model: LlamaForCausalLM, counts: torch.Tensor, seed: int) -> LlamaForCausalLM:
    config = LlamaConfig(**{**model.config.to_dict(), "num_hidden_layers": model.config.num_hidden_layers + 1})
    config._attn_implementation = "sdpa"
    torch.manual_seed(seed)
    deeper = LlamaForCausalLM(config)
    state = {}
    for name, value in model.state_dict().items():
        if name.startswith("model.layers."):
            _, _, layer, rest = name.split(".", 3)
            name = f"model.layers.{int(layer) + 1}.{rest}"
        state[name] = value
    deeper.load_state_dict(state, strict=False)
    with torch.no_grad():
        previous_token_layer(deeper, model.model.embed_tokens.weight, counts)
    return deeper


def previous_token_layer(deeper: LlamaForCausalLM, embedding: torch.Tensor, counts: torch.Tensor) -> None:
    layer, config = deeper.model.layers[0], deeper.config
    dim, half, kv_heads = config.head_dim, config.head_dim // 2, config.num_key_value_heads
    theta = deeper.model.rotary_emb.inv_freq
    size = (SHARPNESS * dim**0.5) ** 0.5
    query, key = torch.zeros(dim), torch.zeros(dim)
    for i in range(PAIRS):
        # (R_n q) · (R_m k) = size² cos(theta (n - m - 1)): highest at one token back.
        query[i] = size
        key[i], key[i + half] = size * torch.cos(theta[i]), size * torch.sin(theta[i])
    direction = constant_direction(embedding, counts)
    attention = layer.self_attn
    attention.q_proj.weight.copy_(torch.outer(query.repeat(config.num_attention_heads), direction))
    attention.k_proj.weight.copy_(torch.outer(key.repeat(kv_heads), direction))
    # What was said one token back, written beside what is said here.
    basis = torch.linalg.qr(torch.randn(config.hidden_size, 2 * kv_heads * dim))[0]
    attention.v_proj.weight.copy_(basis[:, : kv_heads * dim].T)
    attention.o_proj.weight.zero_()
    group = config.num_attention_heads // kv_heads
    scale = SHARE * embedding.norm(dim=1).mean() / (kv_heads * dim) ** 0.5
    for head in range(kv_heads):
        columns = slice(head * group * dim, (head * group + 1) * dim)
        attention.o_proj.weight[:, columns] = scale * basis[:, (kv_heads + head) * dim : (kv_heads + head + 1) * dim]
    layer.mlp.down_proj.weight.zero_()
