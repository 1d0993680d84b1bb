"""A Llama-family model in transformers, as the peers' scripts use it: loaded in float32, run block by block, measured."""

import json
import os
import resource
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM

# The linear layers of a decoder block in the order they are used, and which of them read the same input.
LINEARS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
INPUTS = (("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), ("self_attn.o_proj",),
          ("mlp.gate_proj", "mlp.up_proj"), ("mlp.down_proj",))


def load(path):
    """Opens a Hugging Face folder or a GGUF file (dequantised) in float32, for inference."""
    transformers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    torch.set_grad_enabled(False)
    if path.endswith(".gguf"):
        folder, name = os.path.split(os.path.abspath(path))
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    else:
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    return model.eval()


def read_ids(path):
    """Reads token ids: a JSON array of ids, or of arrays of ids (sequences)."""
    with open(path) as f:
        ids = json.load(f)
    if not isinstance(ids, list) or not ids:
        sys.exit(f"{path}: want a JSON array of token ids, or of arrays of them")
    return ids


def sequences(ids, length):
    """Cuts a flat list into sequences of length ids, dropping the rest; a list of sequences is taken as it is."""
    if isinstance(ids[0], list):
        return ids
    return [ids[i:i + length] for i in range(0, len(ids) - length + 1, length)]


def peak_bytes():
    """The largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def embed(model, batch):
    """The first block's input for a list of sequences of one length, and the rotary embedding for all blocks."""
    hidden = model.model.embed_tokens(torch.tensor(batch))
    positions = torch.arange(hidden.shape[1])[None]
    return hidden, model.model.rotary_emb(hidden, positions)


def run_block(block, hidden, rotary):
    """One decoder block with causal attention."""
    out = block(hidden, attention_mask=None, position_embeddings=rotary)
    return out[0] if isinstance(out, tuple) else out


def block_nll(model, batch):
    """Negative log likelihoods (nats) of the tokens after the first in each sequence, all positions of the batch."""
    ids = torch.tensor(batch)
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
    return torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1), reduction="none")


def perplexity(model, blocks):
    """Perplexity over contiguous blocks, each predicted from its own first token only (the GPTQ and SVD-LLM protocol)."""
    nll = torch.cat([block_nll(model, [block]).double() for block in blocks])
    mean = nll.mean().item()
    return {"ppl": float(torch.tensor(mean).double().exp()), "nll": mean, "tokens": nll.numel(),
            "blocks": len(blocks), "stderr": (nll.std() / nll.numel()**0.5).item()}
