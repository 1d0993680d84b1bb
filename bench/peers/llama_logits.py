#!/usr/bin/env python
"""Reference logits and perplexity of transformers, to compare ours with.

    llama_logits.py MODEL --ids IDS.json [--out LOGITS.npz] [--block 256]
    llama_logits.py MODEL --prompt "The capital of France is"

MODEL is a GGUF file (dequantised to float32) or a Hugging Face folder. Prints one JSON object: ids, the logits of the last
position (all of them with --all), the five largest per position, and with --block the perplexity over contiguous blocks of
the ids. --out writes the logits of every position as float32 (positions x vocabulary).
"""

import argparse
import json
import os
import sys

import numpy as np
import torch
from transformers import AutoTokenizer

import torch_llama as llama


def tokenize(path, prompt):
    folder, name = os.path.split(os.path.abspath(path))
    source = {"pretrained_model_name_or_path": folder, "gguf_file": name} if name.endswith(".gguf") else {"pretrained_model_name_or_path": path}
    return AutoTokenizer.from_pretrained(**source)(prompt, add_special_tokens=False).input_ids


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model")
    args.add_argument("--ids", help="token ids, a JSON array")
    args.add_argument("--prompt", help="text to tokenise instead, without special tokens")
    args.add_argument("--all", action="store_true", help="print the logits of all positions")
    args.add_argument("--out", help="write all logits to this .npz file, with the ids")
    args.add_argument("--block", type=int, help="also print the perplexity over blocks of so many tokens")
    args.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = args.parse_args()
    if (args.ids is None) == (args.prompt is None):
        sys.exit("want one of --ids and --prompt")
    torch.set_num_threads(args.threads)
    model = llama.load(args.model)
    ids = llama.read_ids(args.ids) if args.ids else tokenize(args.model, args.prompt)
    result = {"library": "transformers", "torch": torch.__version__}
    if args.block:
        result["perplexity"] = llama.perplexity(model, llama.sequences(ids, args.block))
    else:
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float().numpy()
        top = np.argsort(-logits, axis=1)[:, :5]
        result.update(ids=ids, top=top.tolist(), logits=(logits if args.all else logits[-1]).tolist())
        if args.out:
            np.savez_compressed(args.out, ids=np.array(ids), logits=logits)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
