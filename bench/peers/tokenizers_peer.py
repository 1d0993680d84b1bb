"""Hugging Face tokenizers, one thread, as a peer of package tokenizer (tokenizer/bench_test.go); see driver.py for the protocol.

A setup request names tokenizer (a tokenizer.json, or a .gguf with a byte-level vocabulary and SmolLM's splitter), documents
(a JSON file, a list of strings) and method: "encode", one document at a time, or "batch", encode_batch_fast, which computes
no offsets. A call encodes all documents. The answer has ids, their number, and cold, the seconds of the first pass.
"""

import json
import os
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers  # noqa: E402
from driver import serve  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: E402


def load(path):
    if not path.endswith(".gguf"):
        t = Tokenizer.from_file(path)
        t.no_truncation()
        t.no_padding()
        return t
    import gguf

    r = gguf.GGUFReader(path)
    get = lambda key: r.fields["tokenizer.ggml." + key].contents()
    tokens = get("tokens")
    t = Tokenizer(models.BPE({tok: i for i, tok in enumerate(tokens)}, [tuple(m.split(" ")) for m in get("merges")]))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([tok for tok, kind in zip(tokens, get("token_type")) if kind == 3])
    return t


def setup(request):
    t = load(request["tokenizer"])
    with open(request["documents"]) as f:
        documents = json.load(f)
    if request["method"] == "batch":
        call = lambda: t.encode_batch_fast(documents)
    else:
        call = lambda: [t.encode(d) for d in documents]
    start = time.perf_counter()
    ids = sum(len(e.ids) for e in call())
    return call, {"library": "tokenizers", "version": tokenizers.__version__, "ids": ids, "cold": time.perf_counter() - start}


serve(setup)
