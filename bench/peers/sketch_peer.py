"""Truncated singular value decompositions of Python's libraries with their defaults, for the suite sketch: scikit-learn's
randomized_svd, fbpca's pca, torch's svd_lowrank (with ten columns more than the rank, as its documentation advises), ARPACK
through SciPy's svds. The answer to a setup has the error ||A - U S V'|| / ||A|| of the product.
"""

import fbpca
import numpy as np
import scipy
import scipy.sparse
import scipy.sparse.linalg
import sklearn
import torch
from sklearn.utils.extmath import randomized_svd

from driver import noise, serve
from openblas import set_threads

matrices = {}


def cosines(rows, cols, seed):
    """The first columns of the orthogonal cosine transform, with rows of random sign."""
    i, j = np.arange(rows)[:, None], np.arange(cols)[None, :]
    scale = np.where(j == 0, np.sqrt(1 / rows), np.sqrt(2 / rows))
    signs = np.where(np.signbit(noise(rows, seed)), -1.0, 1.0)[:, None]
    return signs * scale * np.cos(np.pi * (j * (2 * i + 1) % (4 * rows)) / (2 * rows))


def harmonic(m, n):
    return (cosines(m, n, 1) / np.arange(1, n + 1)) @ cosines(n, n, 2).T


def skewed(m, n, per_row=20):
    x = noise(m * per_row, 3) + 0.5
    a = scipy.sparse.csr_array(
        (noise(m * per_row, 4) + 1, (n * (x * x * x)).astype(np.int32), np.arange(0, m * per_row + 1, per_row)), shape=(m, n)
    )
    a.sum_duplicates()
    return a


def error(a, u, s, vt):
    square = (a.data**2).sum() if scipy.sparse.issparse(a) else (a**2).sum()
    inner = (u * (a @ vt.T)).sum(axis=0)
    return float(np.sqrt(max(0.0, square + (s * s).sum() - 2 * (s * inner).sum()) / square))


def setup(request):
    set_threads(request["threads"], scipy)
    torch.set_num_threads(request["threads"])
    key = request["kind"], request["m"], request["n"]
    if key not in matrices:
        matrices.clear()
        matrices[key] = (harmonic if key[0] == "dense" else skewed)(*key[1:])
    a, k, routine = matrices[key], request["rank"], request["routine"]
    if routine == "scikit-learn":
        library, version = "scikit-learn", sklearn.__version__
        call = lambda: randomized_svd(a, k, random_state=0)
    elif routine == "fbpca":
        library, version = "fbpca", "1.0"
        call = lambda: fbpca.pca(a, k, raw=True)
    elif routine == "ARPACK":
        library, version = "ARPACK", f"scipy {scipy.__version__}"
        start = noise(min(a.shape), 5)
        call = lambda: scipy.sparse.linalg.svds(a, k=k, v0=start)
    elif routine == "torch":
        library, version = "torch", torch.__version__
        if key[0] == "sparse":
            t = torch.sparse_csr_tensor(
                torch.from_numpy(a.indptr.astype(np.int64)), torch.from_numpy(a.indices.astype(np.int64)), torch.from_numpy(a.data), a.shape
            )
        else:
            t = torch.from_numpy(a)

        def call():
            u, s, v = torch.svd_lowrank(t, q=k + 10)
            return u[:, :k].numpy(), s[:k].numpy(), v[:, :k].numpy().T

        torch.manual_seed(0)
    else:
        raise ValueError(f"unknown routine {routine!r}")
    out = call()
    return call, {"library": library, "version": version, "distance": error(a, *out)}


serve(setup)
