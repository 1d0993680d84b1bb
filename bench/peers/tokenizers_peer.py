"""Hugging Face tokenizers on one thread, for the suite model."""

import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import numpy as np
import tokenizers
from transformers import AutoTokenizer

from driver import checksum, serve


def setup(request):
    if request["routine"] != "encode" or request["threads"] != 1:
        raise ValueError("this driver encodes, on one thread")
    folder, name = os.path.split(request["model"])
    tok = AutoTokenizer.from_pretrained(folder, gguf_file=name).backend_tokenizer
    with open(request["text"], encoding="utf-8", newline="") as f:
        docs = f.read().split(" \n \n = ")
    docs = [d + " \n \n = " for d in docs[:-1]] + docs[-1:]
    # The faster of the library's two ways; both give the same ids.
    call = lambda: tok.encode_batch_fast(docs, add_special_tokens=False)
    ids = np.concatenate([np.array(e.ids, dtype=np.float64) for e in call()])
    return call, {"library": "tokenizers", "version": f"tokenizers {tokenizers.__version__}", **checksum(ids)}


serve(setup)
