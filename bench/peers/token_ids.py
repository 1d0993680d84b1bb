#!/usr/bin/env python
"""Writes the token ids of a text as a JSON array, for the scripts that take ids.

    token_ids.py MODEL TEXT OUT.json [--limit N]

MODEL is a GGUF file or a Hugging Face folder; TEXT may be gzipped. No special tokens are added.
"""

import argparse
import gzip
import json
import os

from transformers import AutoTokenizer


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model")
    args.add_argument("text")
    args.add_argument("out")
    args.add_argument("--limit", type=int, help="only the first N ids")
    args = args.parse_args()
    folder, name = os.path.split(os.path.abspath(args.model))
    source = {"pretrained_model_name_or_path": args.model}
    if name.endswith(".gguf"):
        source = {"pretrained_model_name_or_path": folder, "gguf_file": name}
    opener = gzip.open if args.text.endswith(".gz") else open
    with opener(args.text, "rt", encoding="utf-8") as f:
        text = f.read()
    ids = AutoTokenizer.from_pretrained(**source)(text, add_special_tokens=False).input_ids
    with open(args.out, "w") as f:
        json.dump(ids[:args.limit], f)


if __name__ == "__main__":
    main()
