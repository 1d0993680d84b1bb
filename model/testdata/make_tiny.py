"""Makes the tiny random models of this folder and their logits, by a plain NumPy implementation in float64 (below), which is
first checked against Hugging Face transformers (it rounds norms and angles to float32, so only to about 1e-5).

    $ECKART_PEERS/bin/python make_tiny.py      (torch, transformers, safetensors)

Each model stresses something: tiny-llama3 grouped queries, Llama-3's RoPE scaling and an untied head; tiny-qwen2 biases of q, k
and v and a tied head; tiny-mistral a sliding window shorter than the text, linear RoPE scaling and heads whose width is
not hidden/heads.
"""
import json
import math
import os

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
COMMON = dict(vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
              attn_implementation="eager")
MODELS = {
    "tiny-llama3": (LlamaForCausalLM, LlamaConfig(
        **COMMON, tie_word_embeddings=False, rope_theta=10000.0,
        rope_scaling=dict(rope_type="llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
                          original_max_position_embeddings=16))),
    "tiny-qwen2": (Qwen2ForCausalLM, Qwen2Config(**COMMON, tie_word_embeddings=True, rope_theta=1000000.0)),
    "tiny-mistral": (MistralForCausalLM, MistralConfig(
        **COMMON, tie_word_embeddings=False, head_dim=6, sliding_window=7, rope_theta=10000.0,
        rope_scaling=dict(rope_type="linear", factor=2.0))),
}


def frequencies(c, d):
    p = c.rope_parameters
    out = []
    for i in range(0, d, 2):
        f = p["rope_theta"] ** (-i / d)
        if p["rope_type"] == "linear":
            f /= p["factor"]
        elif p["rope_type"] == "llama3":
            turns = p["original_max_position_embeddings"] * f / (2 * math.pi)
            kept = (turns - p["low_freq_factor"]) / (p["high_freq_factor"] - p["low_freq_factor"])
            kept = min(1.0, max(0.0, kept))
            f = kept * f + (1 - kept) * f / p["factor"]
        out.append(f)
    return np.array(out)


def forward(c, w, tokens):
    """Logits (tokens x vocabulary) in float64 from the weights w, by name."""
    n, h, kv = len(tokens), c.num_attention_heads, c.num_key_value_heads
    d = getattr(c, "head_dim", None) or c.hidden_size // h
    window = getattr(c, "sliding_window", None) or n
    angle = np.outer(np.arange(n), frequencies(c, d))[:, None, :]

    def norm(x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + c.rms_norm_eps) * w[name]

    def linear(x, name):
        return x @ w[name + ".weight"].T + w.get(name + ".bias", 0)

    def rotate(x):
        a, b = x[..., : d // 2], x[..., d // 2:]
        return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], -1)

    x = w["model.embed_tokens.weight"][tokens]
    for i in range(c.num_hidden_layers):
        p = f"model.layers.{i}."
        y = norm(x, p + "input_layernorm.weight")
        q = rotate(linear(y, p + "self_attn.q_proj").reshape(n, h, d))
        k = rotate(linear(y, p + "self_attn.k_proj").reshape(n, kv, d))
        v = linear(y, p + "self_attn.v_proj").reshape(n, kv, d)
        out = np.zeros((n, h, d))
        for head in range(h):
            for t in range(n):
                seen = slice(max(0, t - window + 1), t + 1)
                score = k[seen, head * kv // h] @ q[t, head] / math.sqrt(d)
                weight = np.exp(score - score.max())
                out[t, head] = weight @ v[seen, head * kv // h] / weight.sum()
        x = x + linear(out.reshape(n, h * d), p + "self_attn.o_proj")
        y = norm(x, p + "post_attention_layernorm.weight")
        gate = linear(y, p + "mlp.gate_proj")
        x = x + linear(gate / (1 + np.exp(-gate)) * linear(y, p + "mlp.up_proj"), p + "mlp.down_proj")
    head = "model.embed_tokens.weight" if c.tie_word_embeddings else "lm_head.weight"
    return norm(x, "model.norm.weight") @ w[head].T


for seed, (name, (cls, config)) in enumerate(MODELS.items()):
    torch.manual_seed(seed)
    model = cls(config).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            p.normal_(0, 0.4)
            if key.endswith("norm.weight"):
                p.add_(1)
    folder = os.path.join(HERE, name)
    model.save_pretrained(folder)
    os.path.exists(gen := os.path.join(folder, "generation_config.json")) and os.remove(gen)
    tokens = torch.randint(0, config.vocab_size, (20,)).tolist()
    weights = {k: v.double().numpy() for k, v in model.state_dict().items()}
    logits = forward(config, weights, tokens)
    # A float32 evaluation is the exact one of slightly different numbers: every product of n terms has a relative backward
    # error of at most n * 2^-24 (Higham 2002, section 3.1), n = 24 being the largest here. How far that moves a logit:
    rng = np.random.default_rng(seed)
    moved = max(np.abs(forward(config, {k: v * (1 + 24 * 2.0**-24 * rng.uniform(-1, 1, v.shape)) for k, v in weights.items()},
                               tokens) - logits).max() for _ in range(32))
    with torch.no_grad():
        theirs = model.double()(torch.tensor([tokens])).logits[0].numpy()
    assert np.abs(logits - theirs).max() < 1e-5, name
    with open(folder + ".json", "w") as f:
        json.dump({"tokens": tokens, "moved": moved, "logits": [[round(v, 9) for v in row] for row in logits.tolist()]}, f)
    print(name, sum(p.numel() for p in model.parameters()), "largest logit", np.abs(logits).max(),
          "moved", moved, "from transformers", np.abs(logits - theirs).max())
