"""LAPACK on OpenBLAS through SciPy's low-level bindings, for the suite dense.

Inputs are kept, so each call copies its matrix, as ours does. Matrices are in Fortran order from the start. Of the two drivers
for eigenvectors, divide and conquer (evd) and relatively robust representations (evr), the faster at the case's size runs.
"""

import numpy as np
import scipy
import scipy.linalg.lapack as lapack

from driver import checksum, noise, serve, timed
from openblas import set_threads


def routine(letter, name):
    return getattr(lapack, letter.lower() + name)


def eigen(letter, sym, vectors):
    """The faster driver: a call whose result has the eigenvalues first, and the driver's name."""
    n = len(sym)
    lwork, liwork = (int(w) for w in routine(letter, "syevd_lwork")(n, compute_v=vectors)[:2])
    evd = lambda: routine(letter, "syevd")(sym, compute_v=vectors, lower=1, lwork=lwork, liwork=liwork, overwrite_a=0)
    lwork_r, liwork_r = (int(w) for w in routine(letter, "syevr_lwork")(n, lower=1)[:2])
    evr = lambda: routine(letter, "syevr")(sym, compute_v=vectors, lower=1, lwork=lwork_r, liwork=liwork_r, overwrite_a=0)
    seconds = {driver: min(timed(call, 1, 0.05) for _ in range(2)) for driver, call in (("evd", evd), ("evr", evr))}
    best = min(seconds, key=seconds.get)
    return {"evd": evd, "evr": evr}[best], best


def factor_and_generate(letter, a):
    """QR and Q; the result has R's matrix first."""
    n = len(a)
    geqrf, orgqr = routine(letter, "geqrf"), routine(letter, "orgqr")
    lwork = int(routine(letter, "geqrf_lwork")(n, n)[0])
    lwork_q = int(orgqr(a, a[0], lwork=-1)[1][0])

    def call():
        qr, tau, _, info = geqrf(a, lwork=lwork, overwrite_a=0)
        call.r = qr if call.keep else None
        q, _, info_q = orgqr(qr, tau, lwork=lwork_q, overwrite_a=int(not call.keep))
        return q, info or info_q

    call.keep = False
    return call


def setup(request):
    version = set_threads(request["threads"], scipy)
    letter, name, m, n = request["type"], request["routine"], request["m"], request["n"]
    dtype = {"S": np.float32, "D": np.float64}[letter]
    x = noise(m * n, 1).reshape(m, n).astype(dtype)
    a, sym = np.asfortranarray(x), np.asfortranarray((x + x.T) / 2 if m == n else x)
    if name in ("syev", "values"):
        call, driver = eigen(letter, sym, int(name == "syev"))
        version += f", {driver}"
        result = lambda out: out[0]
    elif name == "potrf":
        spd = np.asfortranarray(sym + n * np.eye(n, dtype=dtype))
        potrf = routine(letter, "potrf")
        call = lambda: potrf(spd, lower=1, clean=0, overwrite_a=0)
        result = lambda out: np.tril(out[0])
    elif name == "getrf":
        getrf = routine(letter, "getrf")
        call = lambda: getrf(a, overwrite_a=0)
        result = lambda out: np.log(np.abs(np.diag(out[0]).astype(np.float64))).sum()[np.newaxis]
    elif name == "geqrf":
        call = factor_and_generate(letter, a)
        call.keep = True
        call()
        r = np.abs(np.triu(call.r))
        call.keep = False
        result = lambda out: r
    elif name == "gesvd":
        gesdd = routine(letter, "gesdd")
        lwork = int(routine(letter, "gesdd_lwork")(m, n, compute_uv=1, full_matrices=0)[0])
        call = lambda: gesdd(a, compute_uv=1, full_matrices=0, lwork=lwork, overwrite_a=0)
        result = lambda out: out[1]
    else:
        raise ValueError(f"unknown routine {name!r}")
    out = call()
    if out[-1] != 0:
        raise ArithmeticError(f"LAPACK's info is {out[-1]}")
    return call, {"library": "lapack", "version": version, **checksum(result(out))}


serve(setup)
