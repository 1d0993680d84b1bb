#!/usr/bin/env python3
"""Writes the fixtures of this folder with NumPy, SciPy, scikit-learn and PyArrow: $ECKART_PEERS/bin/python make.py

Every matrix holds values that follow from their place, so that the tests need no second file: element (i, j) of the m x n
matrix is value(i, j), see there; the tests have the same formula.
"""

import gzip
import io
import pathlib
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import scipy.io
import scipy.sparse
import sklearn.datasets

here = pathlib.Path(__file__).parent
M, N = 7, 5


def value(i, j):
    """A number that half precision, int8 and text all hold exactly."""
    return (3 * i + 5 * j) % 11 - 4


dense = np.array([[value(i, j) for j in range(N)] for i in range(M)], dtype=np.float64)


def fixed_npz(path, **arrays):
    """np.savez with a fixed time stamp, so that the file is the same every time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, a in arrays.items():
            buf = io.BytesIO()
            np.save(buf, a)
            z.writestr(zipfile.ZipInfo(name + ".npy"), buf.getvalue(), zipfile.ZIP_DEFLATED)


def fixed_gzip(path, data):
    path.write_bytes(gzip.compress(data, mtime=0))


for dtype in ["<f8", ">f8", "<f4", ">f4", "<f2", "<i8", ">i4", "<i2", "i1"]:
    order = {"<": "little-", ">": "big-"}.get(dtype[0], "")
    np.save(here / f"{order}{dtype.lstrip('<>')}.npy", dense.astype(dtype))
np.save(here / "bool.npy", dense > 0)
np.save(here / "unsigned.npy", (dense + 4).astype("<u2"))
np.save(here / "fortran.npy", np.asfortranarray(dense))
hole = dense.copy()
hole[2, 3] = np.nan
np.save(here / "nan.npy", hole)
np.save(here / "nan-fortran.npy", np.asfortranarray(hole))
np.save(here / "vector.npy", dense[:, 0].copy())
np.save(here / "complex.npy", dense.astype(np.complex128))
np.save(here / "cube.npy", np.zeros((2, 3, 4)))
for version in [(1, 0), (2, 0), (3, 0)]:
    with open(here / f"version{version[0]}.npy", "wb") as f:
        np.lib.format.write_array(f, dense, version=version)
fixed_npz(here / "one.npz", a=dense)
fixed_npz(here / "two.npz", a=dense, b=dense.T.copy())

# value(i, j) with its zeros left out
sparse = scipy.sparse.coo_array(dense)
for fmt in ["csr", "csc", "coo"]:
    scipy.sparse.save_npz(here / f"{fmt}.npz", sparse.asformat(fmt))

square = dense[:N, :N]
symmetric = square + square.T
skew = square - square.T
scipy.io.mmwrite(here / "array.mtx", dense)
scipy.io.mmwrite(here / "coordinate.mtx", sparse)
scipy.io.mmwrite(here / "integer.mtx", scipy.sparse.coo_array(dense.astype(np.int64)))
scipy.io.mmwrite(here / "pattern.mtx", sparse, field="pattern")
scipy.io.mmwrite(here / "symmetric.mtx", scipy.sparse.coo_array(symmetric), symmetry="symmetric")
scipy.io.mmwrite(here / "symmetric-array.mtx", symmetric, symmetry="symmetric")
scipy.io.mmwrite(here / "skew.mtx", scipy.sparse.coo_array(skew), symmetry="skew-symmetric")
scipy.io.mmwrite(here / "skew-array.mtx", skew, symmetry="skew-symmetric")
fixed_gzip(here / "coordinate.mtx.gz", (here / "coordinate.mtx").read_bytes())

np.savetxt(here / "commas.csv", dense, delimiter=",", header=",".join(f"x{j}" for j in range(N)), comments="")
np.savetxt(here / "tabs.tsv", dense, delimiter="\t")
np.savetxt(here / "blanks.txt", dense, header="written by NumPy")
fixed_gzip(here / "commas.csv.gz", (here / "commas.csv").read_bytes())

labels = np.arange(M) % 3 - 1
csr = scipy.sparse.csr_matrix(dense)
sklearn.datasets.dump_svmlight_file(csr, labels, str(here / "one.svm"), zero_based=False)
sklearn.datasets.dump_svmlight_file(csr, labels, str(here / "zero.svm"), zero_based=True, query_id=np.arange(M), comment="ranking")
fixed_gzip(here / "one.svm.gz", (here / "one.svm").read_bytes())

types = [pa.float64(), pa.float32(), pa.int64(), pa.int16(), pa.int8()]
numbers = {f"x{j}": pa.array(dense[:, j]).cast(t) for j, t in enumerate(types)}
text = {"name": pa.array([f"row {i}" for i in range(M)]), "day": pa.array(range(M), pa.int32()).cast(pa.date32())}
table = pa.table({"name": text["name"], **numbers, "day": text["day"]})
pa.parquet.write_table(table, here / "snappy.parquet", row_group_size=3)
pa.parquet.write_table(table, here / "pages2.parquet", compression="zstd", data_page_version="2.0", use_dictionary=False)
pa.parquet.write_table(pa.table({"flag": pa.array([True, False]), "big": pa.array([1, 2**32 - 1], pa.uint32())}), here / "kinds.parquet")
pa.parquet.write_table(pa.table({"a": [1.0, 2.0, 3.0], "b": [4, 5, None]}), here / "missing.parquet")
pa.parquet.write_table(pa.table({"id": [1, 2**60]}), here / "inexact.parquet")
pa.parquet.write_table(pa.table({"name": ["x", "y"]}), here / "words.parquet")
print("written by numpy", np.__version__, "scipy", scipy.__version__, "scikit-learn", sklearn.__version__, "and pyarrow", pa.__version__)
