"""Makes smollm2.json: what PyTorch (transformers, the GGUF dequantised to float32) computes from SmolLM2-135M-Instruct Q4_1.

    $ECKART_PEERS/bin/python make_smollm2.py SmolLM2-135M-Instruct.Q4_1.gguf wiki.test.raw
    (torch, transformers, gguf)
"""
import json
import math
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPT = "The Eckart-Young theorem says that the best rank-k approximation of a matrix is"
HERE = os.path.dirname(os.path.abspath(__file__))
folder, name = os.path.split(os.path.abspath(sys.argv[1]))
torch.set_num_threads(2)
torch.set_grad_enabled(False)
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)


def nll(tokens, start):
    """Negative log-likelihoods of tokens[start:], each after all before it."""
    logits = model(torch.tensor([tokens])).logits[0].double()
    logp = torch.log_softmax(logits, -1)
    return [-logp[j - 1, tokens[j]].item() for j in range(start, len(tokens))]


def protocol(windows, start):
    values = [v for w in windows for v in nll(w, start)]
    mean = sum(values) / len(values)
    var = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return {"tokens": len(values), "mean_nll": mean, "std_err": math.sqrt(var / len(values)), "perplexity": math.exp(mean)}


prompt = tokenizer(PROMPT)["input_ids"]
logits = model(torch.tensor([prompt])).logits[0]
greedy = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=24, eos_token_id=None)[0][len(prompt):]
with open(sys.argv[2], encoding="utf-8", newline="") as f:
    text = tokenizer(f.read()[:40000])["input_ids"]
n = 512
windows = [text[i * n:(i + 1) * n] for i in range(3)]
bos = [[1] + w[1:] for w in windows]
out = {
    "prompt": PROMPT,
    "tokens": prompt,
    "norm": logits.double().norm().item(),                      # of all logits
    "every": 61,                                                # the last token's logits of token 0, every, 2*every, ...
    "last": [round(v, 6) for v in logits[-1][::61].tolist()],
    "largest": [round(v, 6) for v in logits.max(-1).values.tolist()],  # of every token
    "argmax": logits.argmax(-1).tolist(),
    "greedy": greedy.tolist(),
    "wikitext_first_tokens": text[:16],
    "blocks": protocol(windows, 1),
    "second_half": protocol(windows, n // 2 + 1),
    "second_half_bos": protocol(bos, n // 2 + 1),
}
with open(os.path.join(HERE, "smollm2.json"), "w") as f:
    json.dump(out, f)
print({k: v for k, v in out.items() if k not in ("last", "largest", "argmax")})
print(tokenizer.decode(greedy))
