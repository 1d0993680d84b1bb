// Package blas implements gonum's BLAS interfaces on Eckart's SIMD kernels, in pure Go.
//
// Implementation satisfies blas.Float32 and blas.Float64 of gonum.org/v1/gonum/blas, and the complex interfaces too, so
// that it can replace gonum's own wherever one is registered:
//
//	blas64.Use(blas.Implementation{})
//	blas32.Use(blas.Implementation{})
//
// or, in one line, import _ "github.com/eckart-go/eckart/blas/use". Everything in gonum that is built on BLAS (mat, lapack,
// stat, optimize) then runs on these kernels.
//
// # What is fast
//
// Level 3 runs at the speed of the matrix product: Gemm, Syrk and Trsm are kernels of internal/simd, and Trmm, Symm and
// Syr2k are recursive, so that all but O(n²) blocks of their work are products. Of levels 1 and 2, Dot, Axpy, Scal, Asum,
// Nrm2, Gemv, Ger, Symv, Trmv, Trsv, Syr and Syr2 are vectorised for any increment. Banded, packed and complex routines
// and plane rotations are gonum's own, by embedding.
//
// # What is the same as in gonum
//
// Storage is row-major and the meaning of every argument is gonum's. Arguments that gonum rejects are handed to gonum's
// implementation, so panics carry its messages. With beta = 0 the old content of C or y is never read, and the triangle of
// a symmetric or triangular matrix that is not referenced may hold anything, NaN included.
//
// Results do not depend on GOMAXPROCS: work is cut by fixed rules and each piece is written by one worker. They differ
// from gonum's by rounding, because sums are formed in another order.
package blas
