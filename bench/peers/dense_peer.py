"""LAPACK on OpenBLAS through SciPy's low-level bindings, for the suite dense.

Inputs are kept, so each call copies its matrix, as ours does. Matrices are in Fortran order from the start.
"""

import numpy as np
import scipy
import scipy.linalg.lapack as lapack

from driver import checksum, noise, serve
from openblas import set_threads


def setup(request):
    version = set_threads(request["threads"], scipy)
    n, routine = request["n"], request["routine"]
    x = noise(n * n, 1).reshape(n, n)
    sym = np.asfortranarray((x + x.T) / 2)
    if routine in ("eigen", "values"):
        vectors = int(routine == "eigen")
        lwork, liwork = (int(w) for w in lapack.dsyevd_lwork(n, compute_v=vectors)[:2])
        call = lambda: lapack.dsyevd(sym, compute_v=vectors, lower=1, lwork=lwork, liwork=liwork, overwrite_a=0)
        result = lambda out: out[0]
    elif routine == "cholesky":
        spd = np.asfortranarray(sym + n * np.eye(n))
        call = lambda: lapack.dpotrf(spd, lower=1, clean=0, overwrite_a=0)
        result = lambda out: np.tril(out[0])
    elif routine == "qr":
        a = np.asfortranarray(x)
        lwork = int(lapack.dgeqrf_lwork(n, n)[0])
        call = lambda: lapack.dgeqrf(a, lwork=lwork, overwrite_a=0)
        result = lambda out: np.abs(np.triu(out[0]))
    else:
        raise ValueError(f"unknown routine {routine!r}")
    out = call()
    if out[-1] != 0:
        raise ArithmeticError(f"LAPACK's info is {out[-1]}")
    return call, {"library": "lapack", "version": version, **checksum(result(out))}


serve(setup)
