package main

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/lapack"
)

// The suite "dense": float64 factorisations of package lapack against LAPACK on OpenBLAS, called through SciPy's low-level
// bindings (bench/peers/dense_peer.py), and, where it does not take minutes, gonum's on its own BLAS.

// gonumOrder is the largest order that gonum is asked for.
const gonumOrder = 512

func denseCases() ([]benchCase, error) {
	var cases []benchCase
	for _, n := range []int{256, 512, 1024, 2048} {
		x := float64(n)
		add := func(name, routine string, flops float64, prepare func(n int) *prepared) {
			cases = append(cases, benchCase{
				name: fmt.Sprintf("%s n=%d", name, n), work: flops, unit: "flop", tol: 1e-11, peer: "dense",
				request: map[string]any{"routine": routine, "n": n},
				prepare: func() (*prepared, error) { return prepare(n), nil },
			})
		}
		// Nominal counts, as usual in LAPACK benchmarks: deflation makes the real one of the eigenproblem smaller.
		add("eigen vectors", "eigen", 4*x*x*x, func(n int) *prepared { return prepareEigen(n, true) })
		add("eigen values", "values", 4./3*x*x*x, func(n int) *prepared { return prepareEigen(n, false) })
		add("Cholesky", "cholesky", x*x*x/3, prepareCholesky)
		add("QR", "qr", 4./3*x*x*x, prepareQR)
	}
	return cases, nil
}

// symmetric is the matrix of order n that both sides factorise: noise made symmetric, plus shift on the diagonal.
func symmetric(n int, shift float64) []float64 {
	x := noise[float64](n*n, 1)
	a := make([]float64, n*n)
	for i := range n {
		for j := range n {
			a[i*n+j] = (x[i*n+j] + x[j*n+i]) / 2
		}
		a[i*n+i] += shift
	}
	return a
}

func prepareEigen(n int, vectors bool) *prepared {
	a := symmetric(n, 0)
	var e lapack.SymEigen[float64]
	p := &prepared{checksum: func() (float64, float64) { return checksumOf(e.Values())() }}
	p.ours = func() error {
		if vectors {
			return e.Factorize(blas.Upper, n, a, n)
		}
		return e.FactorizeValues(blas.Upper, n, a, n)
	}
	if n <= gonumOrder {
		sym := mat.NewSymDense(n, a)
		p.gonum = func() error {
			var g mat.EigenSym
			if !g.Factorize(sym, vectors) {
				return fmt.Errorf("gonum's eigendecomposition failed")
			}
			return nil
		}
	}
	return p
}

func prepareCholesky(n int) *prepared {
	a, f := symmetric(n, float64(n)), make([]float64, n*n)
	p := &prepared{checksum: func() (float64, float64) {
		for i := range n { // the other triangle is left as it was
			clear(f[i*n+i+1 : i*n+n])
		}
		return checksumOf(f)()
	}}
	p.ours = func() error {
		copy(f, a)
		return lapack.Cholesky(blas.Lower, n, f, n)
	}
	if n <= gonumOrder {
		sym := mat.NewSymDense(n, a)
		p.gonum = func() error {
			var c mat.Cholesky
			if !c.Factorize(sym) {
				return fmt.Errorf("gonum's Cholesky failed")
			}
			return nil
		}
	}
	return p
}

func prepareQR(n int) *prepared {
	a := noise[float64](n*n, 1)
	var q lapack.QR[float64]
	p := &prepared{
		ours: func() error { q.Factorize(n, n, a, n); return nil },
		checksum: func() (float64, float64) {
			r := make([]float64, n*n)
			q.RTo(r, n)
			for i, v := range r { // signs of rows are a matter of convention
				r[i] = math.Abs(v)
			}
			return checksumOf(r)()
		},
	}
	if n <= gonumOrder {
		dense := mat.NewDense(n, n, a)
		p.gonum = func() error {
			var q mat.QR
			q.Factorize(dense)
			return nil
		}
	}
	return p
}
