#!/usr/bin/env python
"""Opens what eckart wrote in the libraries that people use, and prints their logits for given token ids.

    loads_elsewhere.py MODEL --ids IDS.json [--reference LOGITS.json] [--tolerance 0.01]

A Hugging Face folder is opened by transformers, a GGUF file by llama-cpp-python. One JSON object: library, version, shape,
the logits of the last position. With --reference, a JSON array of our logits at the last position (or an object with
"logits"), also the largest difference relative to the largest logit, and exit code 1 when it is above the tolerance.
llama.cpp multiplies quantised weights with activations that it rounds to 8 bits, so that its logits differ from those of
dequantised weights by about a percent.
"""

import argparse
import json
import os
import sys

import numpy as np


def transformers_logits(path, ids):
    import torch
    import transformers

    import torch_llama as llama
    logits = llama.load(path)(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float().numpy()
    return "transformers", transformers.__version__, logits


def llamacpp_logits(path, ids):
    import llama_cpp
    model = llama_cpp.Llama(path, n_ctx=len(ids), n_batch=len(ids), logits_all=True, verbose=False)
    model.eval(ids)
    return "llama-cpp-python", llama_cpp.__version__, np.array(model.scores[:len(ids)], dtype=np.float32)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model", help="a Hugging Face folder or a .gguf file")
    args.add_argument("--ids", required=True, help="token ids, a JSON array, or the file of eckart verify --logits")
    args.add_argument("--reference", help="our logits at the last position, JSON")
    args.add_argument("--tolerance", type=float, default=0.01, help="largest relative difference that passes")
    args = args.parse_args()
    with open(args.ids) as f:
        ids = json.load(f)
    if isinstance(ids, dict):  # what `eckart verify A B --logits FILE` writes: both in one
        ids = ids["ids"]
        args.reference = args.reference or args.ids
    read = transformers_logits if os.path.isdir(args.model) else llamacpp_logits
    library, version, logits = read(args.model, ids)
    last = logits[-1]
    result = {"library": library, "version": version, "shape": list(logits.shape), "finite": bool(np.isfinite(logits).all()),
              "top": np.argsort(-last)[:5].tolist()}
    status = 0 if result["finite"] else 1
    if args.reference:
        with open(args.reference) as f:
            ours = json.load(f)
        ours = np.array(ours["logits"] if isinstance(ours, dict) else ours, dtype=np.float64)
        if ours.shape != last.shape:
            sys.exit(f"{args.reference}: {ours.shape} logits, the model has {last.shape}")
        difference = float(np.abs(ours - last).max() / np.abs(last).max())
        result.update(difference=difference, agrees=difference <= args.tolerance, same_token=bool(ours.argmax() == last.argmax()))
        status = max(status, int(not result["agrees"]))
    result["logits"] = last.tolist()
    print(json.dumps(result))
    sys.exit(status)


if __name__ == "__main__":
    main()
