"""What every driver of bench shares: the protocol (see peer.go) and the numbers both sides start from."""

import json
import sys
import time

import numpy as np


def noise(n, seed):
    """The sequence of bench's noise: uniform in [-1/2, 1/2), from a hash of index and seed, exact in float32."""
    with np.errstate(over="ignore"):
        h = np.arange(n, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(seed * 40503 % 2**32)
        h ^= h >> np.uint32(15)
        h *= np.uint32(2246822519)
        h ^= h >> np.uint32(13)
    return (h >> np.uint32(8)).astype(np.float64) / 2**24 - 0.5


def checksum(c):
    """Inner product of a result (row-major) with noise, and the sum of its absolute values."""
    flat = np.ascontiguousarray(c).ravel().astype(np.float64)
    return {"sum": float(flat @ noise(flat.size, 7)), "size": float(np.abs(flat).sum())}


def serve(setup):
    """Answers requests until standard input ends.

    setup(request) builds a case and returns (call, answer): a function without arguments that does the work once, and a
    dictionary with library, version and, where results can be compared, sum and size.
    """
    out, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints must not look like an answer
    call = None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if request["op"] == "setup":
                call = None  # frees the last case
                call, answer = setup(request)
            elif request["op"] == "run":
                answer = {"seconds": timed(call, request["calls"], request.get("warm", 0))}
            else:
                raise ValueError(f"unknown op {request['op']!r}")
        except Exception as e:  # the other side decides what a failure means
            answer = {"error": f"{type(e).__name__}: {e}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


def timed(call, calls, warm=0):
    """Seconds of calls calls, after untimed ones for warm seconds, one at least."""
    start = time.perf_counter()
    while True:
        call()
        if time.perf_counter() - start >= warm:
            break
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start
