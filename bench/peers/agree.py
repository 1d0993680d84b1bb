#!/usr/bin/env python
"""Do Eckart and PyTorch find the same? Perplexities of compressed models from both, on the same token ids.

    agree.py MODEL --calib TEXT --data TEXT [--eckart ./eckart] [--keep 0.8] [--windows 16] [--context 256]

Runs `eckart compare` with every method, and svdllm_torch.py on the sequences that `eckart tokenize` prints for the same seed.
Both round factors to float16, as Eckart stores them: where perplexity is in the millions, that alone moves it by a per cent.
One JSON object on standard output: for every method both perplexities and their ratio; status 1 if a ratio is further from 1
than --tolerance.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

# Eckart's name of a method and svdllm_torch.py's
METHODS = {"svd": "svd", "asvd": "asvd", "svdllm": "svdllm", "svdllm-u": "svdllm-wu", "svdllm2": "svdllm2", "lord": "lord"}


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}")
    return done.stdout


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model")
    args.add_argument("--calib", required=True, help="calibration text, as for eckart compress")
    args.add_argument("--data", required=True, help="held-out text")
    args.add_argument("--eckart", default="./eckart", help="the command")
    args.add_argument("--keep", default="0.8")
    args.add_argument("--windows", default="16", help="sequences to calibrate on and to measure on")
    args.add_argument("--context", default="256", help="tokens of each")
    args.add_argument("--methods", default=",".join(METHODS))
    args.add_argument("--tolerance", type=float, default=0.01)
    args = args.parse_args()

    methods = args.methods.split(",")
    shape = ["-c", args.context, "--seed", "1"]
    table = json.loads(run([args.eckart, "compare", args.model, "--methods", args.methods, "--budget", args.keep, "--calib", args.calib,
                            "--data", args.data, "--sequences", args.windows, "--limit", args.windows, "--json", "-q", *shape]))
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "svdllm_torch.py")
    results, agree = {"dense": {"eckart": table["baseline_ppl"]}}, True
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name, text, flag in (("calib", args.calib, "--sequences"), ("eval", args.data, "--blocks")):
            files[name] = os.path.join(folder, name + ".json")
            with open(files[name], "wb") as f:
                f.write(run([args.eckart, "tokenize", args.model, text, flag, args.windows, "--json", *shape]))
        for row, method in zip(table["runs"], methods):
            peer = json.loads(run([sys.executable, script, args.model, "--calib", files["calib"], "--eval", files["eval"], "--dense",
                                   "--length", args.context, "--block", args.context, "--keep", args.keep, "--method", METHODS[method],
                                   "--factors", "float16"]))
            results["dense"]["torch"] = peer["dense"]["ppl"]
            results[method] = {"eckart": row["ppl"], "torch": peer["compressed"]["ppl"]}
    for r in results.values():
        r["ratio"] = r["eckart"] / r["torch"]
        agree = agree and abs(r["ratio"] - 1) <= args.tolerance
    print(json.dumps({"tolerance": args.tolerance, "agree": agree, "perplexity": results}, indent=2))
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
