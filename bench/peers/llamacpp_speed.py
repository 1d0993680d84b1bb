#!/usr/bin/env python
"""Tokens per second of llama.cpp on a GGUF file: prompt processing and decoding with the KV cache.

    llamacpp_speed.py MODEL.gguf [--prompt 512] [--decode 64] [--threads 2] [--rounds 5]

One JSON object with the median seconds and tokens/s of each. It calls llama_decode through llama-cpp-python's bindings on
fixed token ids, so that no sampling or detokenising is in the clock.
"""

import argparse
import json
import statistics

from driver import timed
from ids import token_ids
from llamacpp_runner import Runner


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model")
    args.add_argument("--prompt", type=int, default=512, help="tokens of the prompt, one batch")
    args.add_argument("--decode", type=int, default=64, help="tokens decoded one by one")
    args.add_argument("--context", type=int, default=128, help="tokens in the cache before decoding")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--rounds", type=int, default=5)
    args = args.parse_args()
    runner = Runner(args.model, args.threads, max(args.prompt, args.context + args.decode))
    ids = token_ids(max(args.prompt, args.context + args.decode))

    def prompt():
        runner.keep(0)
        runner.eval(ids[:args.prompt])

    def decode():
        runner.keep(args.context)
        for t in ids[args.context:args.context + args.decode]:
            runner.eval([t])

    median = lambda f: statistics.median(timed(f, 1) for _ in range(args.rounds))
    prompt_s = median(prompt)
    runner.keep(0)
    runner.eval(ids[:args.context])
    decode_s = median(decode)
    print(json.dumps({"library": "llama.cpp", "version": runner.version, "threads": args.threads,
                      "prompt_tokens": args.prompt, "prompt_s": prompt_s, "prompt_tokens_per_s": args.prompt / prompt_s,
                      "decode_tokens": args.decode, "decode_s": decode_s, "decode_tokens_per_s": args.decode / decode_s}))


if __name__ == "__main__":
    main()
