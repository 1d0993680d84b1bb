#!/usr/bin/env python
"""Low-rank compression of a whole Llama-family model in PyTorch: the peer of `eckart compress`.

    svdllm_torch.py MODEL --calib IDS.json --method svdllm --keep 0.8 [--eval IDS.json --block 256] [--threads 2]

MODEL is a GGUF file or a Hugging Face folder; the ids are token ids as JSON, so that both sides see the same data. One JSON
object on standard output: parameters, seconds of each phase, peak resident bytes, per-layer errors, perplexity.

Methods, for layers y = W x with W m x n and S = sum of x xᵀ over all calibration tokens (float64), at rank
floor(keep m n / (m + n)) unless said otherwise:

    svd        truncated SVD of W
    asvd       of W diag(mean|x|^1/2 + 1e-6)           (ASVD, arXiv 2312.05821; uniform ranks, alpha 0.5)
    svdllm     of W L, S = L Lᵀ                        (SVD-LLM whitening, arXiv 2403.07378)
    svdllm-wu  the same, then B refitted by least squares on the inputs that the compressed model produces (W+U)
    svdllm2    of W S^1/2 by the eigenvectors of S, ranks by loss within each layer type   (SVD-LLM v2, arXiv 2503.12340)
    lord       principal components of the outputs, with a bias       (LoRD, arXiv 2309.14021; AFM)

The code is our own, written from the papers. It is meant to be a fair peer: one forward pass for all layers of a block,
layers with the same input share one S, one block's statistics in memory at a time, LAPACK's divide and conquer in float32
for the SVD of the whitened weight (as the released SVD-LLM does) after a float64 Cholesky, triangular solves instead of
inverses.
"""

import argparse
import json
import math
import sys
import time

import torch

import torch_llama as llama

METHODS = ("svd", "asvd", "svdllm", "svdllm-wu", "svdllm2", "lord")


class Statistics:
    """Moments of one layer input over the calibration tokens, accumulated in float64."""

    def __init__(self, n, method):
        self.count, self.sum, self.abs = 0, torch.zeros(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
        self.gram = None if method in ("svd", "asvd") else torch.zeros(n, n, dtype=torch.float64)

    def add(self, x):
        x = x.reshape(-1, x.shape[-1]).double()
        self.count += x.shape[0]
        self.sum += x.sum(0)
        self.abs += x.abs().sum(0)
        if self.gram is not None:
            self.gram.addmm_(x.T, x)


def collect(block, states, rotary, method):
    """Runs the block on all batches; returns the statistics of its layers' inputs and its outputs."""
    stats, hooks = {}, []
    for names in llama.INPUTS:
        layer = block.get_submodule(names[0])
        s = Statistics(layer.weight.shape[1], method)
        stats.update((name, s) for name in names)
        hooks.append(layer.register_forward_pre_hook(lambda _, args, s=s: s.add(args[0])))
    outputs = [llama.run_block(block, h, rotary) for h in states]
    for hook in hooks:
        hook.remove()
    return stats, outputs


def rank_of(m, n, keep):
    return max(1, math.floor(keep * m * n / (m + n)))


def truncate(u, s, vt, r):
    """B and A of the leading r triplets, the singular values split evenly."""
    root = s[:r].sqrt()
    return (u[:, :r] * root).float(), (root[:, None] * vt[:r]).float()


def cholesky(gram):
    """L with L Lᵀ = S. A singular S is raised by the amount that SVD-LLM's code uses."""
    low, info = torch.linalg.cholesky_ex(gram)
    if info == 0:
        return low
    least = torch.linalg.eigvalsh(gram)[0]
    ridge = max(1e-6 - least.item(), 1e-12 * gram.diagonal().mean().item())
    return torch.linalg.cholesky(gram + ridge * torch.eye(len(gram), dtype=gram.dtype))


# The SVD's arithmetic, and what factors are rounded to before they are used; main sets them from the command line.
ARITHMETIC = {"svd": torch.float32, "factors": torch.float32}


def svd(a):
    return torch.linalg.svd(a.to(ARITHMETIC["svd"]), full_matrices=False)


class Whitener:
    """Factorisations of one S, shared by the layers that read the same input."""

    def __init__(self):
        self.cache = {}

    def cholesky(self, stats):
        key = ("cholesky", id(stats))
        if key not in self.cache:
            self.cache[key] = cholesky(stats.gram)
        return self.cache[key]

    def root(self, stats):
        """S^1/2 and its inverse in the eigenbasis: U diag(sqrt lambda), diag(1/sqrt lambda) Uᵀ, without null directions."""
        key = ("root", id(stats))
        if key not in self.cache:
            values, vectors = torch.linalg.eigh(stats.gram)
            good = values > len(values) * 2**-52 * values[-1]
            values, vectors = values[good].sqrt(), vectors[:, good]
            self.cache[key] = (vectors * values, vectors.T / values[:, None])
        return self.cache[key]


def factorise(w, stats, method, white):
    """Full-rank factors U, s, Vt of the weighted W with the weight undone in Vt, to be truncated at any rank."""
    if method == "svd":
        return svd(w)
    if method == "asvd":
        scale = (stats.abs / stats.count).sqrt().to(ARITHMETIC["svd"]) + 1e-6
        u, s, vt = svd(w.to(ARITHMETIC["svd"]) * scale)
        return u, s, vt / scale
    w = w.double()
    if method == "svdllm2":
        root, back = white.root(stats)
        u, s, vt = svd(w @ root)
        return u, s, (vt.double() @ back).float()
    low = white.cholesky(stats)
    u, s, vt = svd(w @ low)
    return u, s, torch.linalg.solve_triangular(low, vt.double(), upper=False, left=False).float()


def afm(w, stats, r):
    """LoRD: the leading eigenvectors of the outputs' covariance, and the bias that restores their mean."""
    w, mean = w.double(), stats.sum / stats.count
    cov = w @ (stats.gram / stats.count - torch.outer(mean, mean)) @ w.T
    _, vectors = torch.linalg.eigh((cov + cov.T) / 2)
    u = vectors[:, -r:]
    out = w @ mean
    return u.float(), (u.T @ w).float(), (out - u @ (u.T @ out)).float()


def refit(w, a, stats):
    """B that minimises the output error of B A on the inputs with this S: W S Aᵀ (A S Aᵀ)⁻¹, a small ridge for safety."""
    w, a = w.double(), a.double()
    sa = stats.gram @ a.T
    normal = a @ sa
    normal.diagonal().add_(1e-6 * normal.diagonal().mean())
    return torch.cholesky_solve((w @ sa).T, torch.linalg.cholesky(normal)).T.float()


def error_of(w, b, a, bias, stats):
    """Squared output error of B A on the calibration tokens, and the squared size of the outputs. The bias of LoRD takes the
    mean out of the error."""
    if stats.gram is None:
        return None, None
    gram = stats.gram
    if bias is not None:
        gram = gram - torch.outer(stats.sum, stats.sum) / stats.count
    d, w = w.double() - b.double() @ a.double(), w.double()
    return ((d @ gram) * d).sum().item(), ((w @ stats.gram) * w).sum().item()


def replace(block, name, b, a, bias=None):
    """Puts x -> B (A x) + bias in the place of a linear layer."""
    old = block.get_submodule(name)
    if old.bias is not None:
        bias = old.bias.data if bias is None else bias + old.bias.data
    down = torch.nn.Linear(a.shape[1], a.shape[0], bias=False)
    up = torch.nn.Linear(b.shape[1], b.shape[0], bias=bias is not None)
    down.weight.data, up.weight.data = (x.to(ARITHMETIC["factors"]).float().contiguous() for x in (a, b))
    if bias is not None:
        up.bias.data = bias
    parent, leaf = name.rsplit(".", 1)
    setattr(block.get_submodule(parent), leaf, torch.nn.Sequential(down, up))


PAPER_TOKENS = 256 * 2048  # SVD-LLM's calibration set, over which its losses are summed


def allocate(losses, keep, sizes):
    """SVD-LLM v2's keep ratios of the layers of one type: compression in proportion to 1/log(loss).

    Losses are sums over PAPER_TOKENS tokens; those below 1.5 count as 1.5, so that every logarithm is positive. Ratios are
    clipped to [0, 0.9] and scaled until the parameters removed are those of the uniform ratio.
    """
    weights = [1 / math.log(max(1.5, x)) for x in losses]
    total, cut, scale = sum(sizes), 1 - keep, 1.0
    mean = sum(w * s for w, s in zip(weights, sizes)) / total
    for _ in range(100):
        ratios = [min(0.9, max(0.0, scale * cut * w / mean)) for w in weights]
        have = sum(r * s for r, s in zip(ratios, sizes)) / total
        if abs(have - cut) < 1e-9:
            break
        scale *= cut / have
    return [1 - r for r in ratios]


def compress(model, batches, method, keep):
    """Replaces the linear layers of all blocks; returns the layers' records and the seconds of each phase."""
    seconds = {"calibrate": 0.0, "factor": 0.0}
    layers, spectra, clock = [], {}, time.perf_counter()

    def lap(phase):
        nonlocal clock
        now = time.perf_counter()
        seconds[phase] += now - clock
        clock = now

    states, rotary = [], None
    for batch in batches:
        hidden, rotary = llama.embed(model, batch)
        states.append(hidden)
    compressed = states  # what the compressed blocks produce, for W+U
    for i, block in enumerate(model.model.layers):
        stats, states_out = collect(block, states, rotary, method)
        if method == "svdllm-wu":
            moved, _ = collect(block, compressed, rotary, method)
        lap("calibrate")
        white = Whitener()
        for name in llama.LINEARS:
            w, s = block.get_submodule(name).weight.data, stats[name]
            m, n = w.shape
            r, bias = rank_of(m, n, keep), None
            if method == "lord":  # the bias is paid from the ratio
                b, a, bias = afm(w, s, math.floor((keep * m * n - m) / (m + n)))
                r = a.shape[0]
            else:
                u, sigma, vt = factorise(w, s, method, white)
                if method == "svdllm2":  # truncated when all losses are known
                    spectra[i, name] = (u, sigma, vt)
                    continue
                b, a = truncate(u, sigma, vt, r)
                if method == "svdllm-wu":
                    b = refit(w, a, moved[name])
            error, size = error_of(w, b, a, bias, s)
            replace(block, name, b, a, bias)
            layers.append({"name": f"model.layers.{i}.{name}", "rank": r, "error": error, "size": size})
        lap("factor")
        states = states_out
        if method == "svdllm-wu":
            compressed = [llama.run_block(block, h, rotary) for h in compressed]
            lap("calibrate")
    if method == "svdllm2":
        layers = truncate_by_loss(model, spectra, keep, sum(len(ids) for batch in batches for ids in batch))
        lap("factor")
    return layers, seconds


def truncate_by_loss(model, spectra, keep, tokens):
    """Cuts all layers at the ranks of allocate; their spectra come from sums over tokens calibration tokens."""
    blocks = range(len(model.model.layers))
    shapes = {key: tuple(model.model.layers[key[0]].get_submodule(key[1]).weight.shape) for key in spectra}
    ranks = {}
    for name in llama.LINEARS:
        m, n = shapes[0, name]
        uniform = rank_of(m, n, keep)
        losses = [(spectra[i, name][1][uniform:].double().square().sum() * (PAPER_TOKENS / tokens)).sqrt().item() for i in blocks]
        for i, ratio in zip(blocks, allocate(losses, keep, [m * n] * len(losses))):
            ranks[i, name] = min(rank_of(m, n, ratio), len(spectra[i, name][1]))
    # what rounding down left over buys one more rank, from the first layer on
    left = int(keep * sum(m * n for m, n in shapes.values())) - sum(r * sum(shapes[key]) for key, r in ranks.items())
    layers = []
    for key in ((i, name) for i in blocks for name in llama.LINEARS):
        m, n = shapes[key]
        if ranks[key] < (m * n - 1) // (m + n) and m + n <= left:
            ranks[key] += 1
            left -= m + n
        u, s, vt = spectra.pop(key)
        r = ranks[key]
        replace(model.model.layers[key[0]], key[1], *truncate(u, s, vt, r))
        energy = s.double().square()
        layers.append({"name": f"model.layers.{key[0]}.{key[1]}", "rank": r, "error": energy[r:].sum().item(), "size": energy.sum().item()})
    return layers


def count(model):
    """Parameters of the decoder blocks' linear layers, and of the whole model (tied weights once)."""
    linear = sum(p.numel() for block in model.model.layers for name in llama.LINEARS for p in block.get_submodule(name).parameters())
    return linear, sum(p.numel() for p in model.parameters())


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model")
    args.add_argument("--calib", required=True, help="token ids (JSON): sequences, or a flat list to cut by --length")
    args.add_argument("--length", type=int, default=256, help="length of a calibration sequence in a flat list")
    args.add_argument("--batch", type=int, default=4, help="calibration sequences at a time")
    args.add_argument("--method", choices=METHODS, default="svdllm")
    args.add_argument("--keep", type=float, default=0.8, help="share of the layers' parameters to keep")
    args.add_argument("--eval", help="token ids (JSON) to measure perplexity on")
    args.add_argument("--block", type=int, default=256, help="tokens of an evaluation block")
    args.add_argument("--dense", action="store_true", help="measure perplexity before compression too")
    args.add_argument("--svd-dtype", choices=("float32", "float64"), default="float32", help="arithmetic of the SVD, as the authors' code has it")
    args.add_argument("--factors", choices=("float32", "float16"), default="float32", help="what factors are rounded to; eckart stores float16")
    args.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = args.parse_args()
    if not 0 < args.keep < 1:
        sys.exit(f"--keep {args.keep}: want a share between 0 and 1")
    torch.set_num_threads(args.threads)
    ARITHMETIC.update(svd=getattr(torch, args.svd_dtype), factors=getattr(torch, args.factors))

    start = time.perf_counter()
    model = llama.load(args.model)
    loaded, loaded_peak = time.perf_counter() - start, llama.peak_bytes()
    calib = llama.sequences(llama.read_ids(args.calib), args.length)
    batches = [calib[i:i + args.batch] for i in range(0, len(calib), args.batch)]
    blocks = llama.sequences(llama.read_ids(args.eval), args.block) if args.eval else []
    linear_before, total_before = count(model)
    result = {"method": args.method, "keep": args.keep, "threads": args.threads, "torch": torch.__version__,
              "calibration_tokens": sum(map(len, calib))}
    if args.dense and blocks:
        result["dense"] = llama.perplexity(model, blocks)

    start = time.perf_counter()
    layers, seconds = compress(model, batches, args.method, args.keep)
    seconds = {"load": loaded, **seconds, "compress": time.perf_counter() - start}
    linear, total = count(model)
    result.update(linear_params=linear, linear_share=linear / linear_before, params=total, share=total / total_before,
                  seconds=seconds, peak_bytes=llama.peak_bytes(), peak_bytes_loaded=loaded_peak)
    if blocks:
        start = time.perf_counter()
        result["compressed"] = llama.perplexity(model, blocks)
        seconds["evaluate"] = time.perf_counter() - start
    result["layers"] = layers
    print(json.dumps(result))


if __name__ == "__main__":
    main()
