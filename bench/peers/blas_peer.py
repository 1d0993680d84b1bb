"""OpenBLAS through NumPy's and SciPy's bindings, for the suite gemm.

No call copies an operand. Products go through numpy.matmul with out= and transposed views, which NumPy hands to cblas_?gemm and
cblas_?gemv as they are; syrk and trsm through scipy.linalg.blas on Fortran-ordered views of the same memory: column-major
the upper triangle of a row-major matrix is the lower one of its transpose, and so on.
"""

import numpy as np
import scipy
import scipy.linalg.blas as fblas

from driver import checksum, noise, serve
from openblas import set_threads


def setup(request):
    m, n, k, dtype = request["m"], request["n"], request["k"], np.dtype(request["dtype"])
    make = lambda rows, cols, seed: noise(rows * cols, seed).astype(dtype).reshape(rows, cols)
    routine = request["routine"]
    version = set_threads(request["threads"], np if routine in ("gemm", "gemv") else scipy)
    if routine == "gemm":
        a = make(k, m, 1).T if request["trans_a"] else make(m, k, 1)
        b = make(n, k, 2).T if request["trans_b"] else make(k, n, 2)
        c = np.empty((m, n), dtype)
        call = lambda: np.matmul(a, b, out=c)
        result = lambda: c
    elif routine == "gemv":
        a = make(m, n, 1)
        x, y = noise(n, 2).astype(dtype), np.empty(m, dtype)
        a = a.T if request["trans_a"] else a
        call = lambda: np.matmul(a, x, out=y)
        result = lambda: y
    elif routine == "syrk":
        a = make(k, n, 1).T  # n x k, Fortran order: the row-major k x n matrix
        c = np.zeros((n, n), dtype, order="F")
        f = fblas.ssyrk if dtype == np.float32 else fblas.dsyrk
        call = lambda: f(1, a, beta=0, c=c, trans=0, lower=1, overwrite_c=1)
        result = lambda: c.T  # its upper triangle
    elif routine == "trsm":
        a = (make(n, n, 1) / n).astype(dtype).T  # the transpose of the lower triangle, an upper one
        b = make(n, n, 2).T  # X A' = B' column-major is A X = B row-major
        f = fblas.strsm if dtype == np.float32 else fblas.dtrsm
        call = lambda: f(1, a, b, side=1, lower=0, trans_a=0, diag=1, overwrite_b=1)
        result = lambda: b.T
    else:
        raise ValueError(f"unknown routine {routine!r}")
    call()
    return call, {"library": "openblas", "version": version, **checksum(result())}


serve(setup)
