package main

import (
	"fmt"
	"math"
	"unsafe"

	"gonum.org/v1/gonum/blas"
	gonumlapack "gonum.org/v1/gonum/lapack"
	gonum "gonum.org/v1/gonum/lapack/gonum"

	"github.com/eckart-go/eckart/lapack"
)

// The suite "dense": factorisations of package lapack against LAPACK on OpenBLAS, called through SciPy's low-level bindings
// (bench/peers/dense_peer.py), and, where it does not take minutes, gonum's on its own BLAS. In float64 ours are the methods
// that gonum calls, in float32 the functions and types behind them. Matrices are copied in every call, on all sides.

// Largest orders that gonum is asked for.
const (
	gonumFactor = 2048 // Dpotrf, Dgetrf, Dgeqrf
	gonumValues = 512  // eigenvalues and singular values
)

// denseRoutine is a factorisation of a matrix of m x n.
type denseRoutine[T scalar] struct {
	name, peer string
	flops      func(m, n float64) float64
	prepare    func(m, n int) *prepared
}

// denseRoutines lists the routines of an element type, with nominal counts of operations, as usual in LAPACK benchmarks:
// deflation makes the real ones of eigenvalues and singular values smaller.
func denseRoutines[T scalar]() []denseRoutine[T] {
	cubed := func(c float64) func(m, n float64) float64 { return func(_, n float64) float64 { return c * n * n * n } }
	return []denseRoutine[T]{
		{"potrf", "potrf", cubed(1. / 3), prepareCholesky[T]},
		{"getrf", "getrf", cubed(2. / 3), prepareLU[T]},
		{"geqrf+orgqr", "geqrf", cubed(8. / 3), prepareQR[T]},
		{"syev vectors", "syev", cubed(4), func(_, n int) *prepared { return prepareEigen[T](n, gonumlapack.EVCompute) }},
		{"syev values", "values", cubed(4. / 3), func(_, n int) *prepared { return prepareEigen[T](n, gonumlapack.EVNone) }},
		{"gesvd thin", "gesvd", func(m, n float64) float64 { return 6*m*n*n + 8*n*n*n }, prepareSVD[T]},
	}
}

func denseCases() ([]benchCase, error) {
	return append(denseCasesOf[float64]("D"), denseCasesOf[float32]("S")...), nil
}

func denseCasesOf[T scalar](letter string) []benchCase {
	var cases []benchCase
	add := func(r denseRoutine[T], m, n int, shape string) {
		cases = append(cases, benchCase{
			name: fmt.Sprintf("%s%s %s", letter, r.name, shape), work: r.flops(float64(m), float64(n)), unit: "flop",
			tol: 1e5 * unitRoundoff[T](), peer: "dense", request: map[string]any{"routine": r.peer, "type": letter, "m": m, "n": n},
			prepare: func() (*prepared, error) { return r.prepare(m, n), nil },
		})
	}
	for _, r := range denseRoutines[T]() {
		for _, n := range []int{256, 512, 1024, 2048} {
			add(r, n, n, fmt.Sprintf("n=%d", n))
		}
		if r.peer == "gesvd" {
			add(r, 4000, 500, "4000x500")
		}
	}
	return cases
}

func unitRoundoff[T scalar]() float64 {
	if unsafe.Sizeof(T(0)) == 4 {
		return 0x1p-24
	}
	return 0x1p-53
}

// symmetric is the matrix of order n that both sides factorise: noise made symmetric, plus shift on the diagonal.
func symmetric[T scalar](n int, shift T) []T {
	x := noise[T](n*n, 1)
	a := operand[T](n * n)
	for i := range n {
		for j := range n {
			a[i*n+j] = (x[i*n+j] + x[j*n+i]) / 2
		}
		a[i*n+i] += shift
	}
	return a
}

// doubles returns x if it is of that type: gonum, and the methods it calls, have no other.
func doubles[T scalar](x []T) []float64 {
	d, _ := any(x).([]float64)
	return d
}

// gonumAlone is run on a copy of a, in float64 and up to an order.
func gonumAlone[T scalar](a []T, n, largest int, run func(a []float64) bool) func() error {
	d := doubles(a)
	if d == nil || n > largest {
		return nil
	}
	f := make([]float64, len(d))
	return func() error {
		copy(f, d)
		if !run(f) {
			return fmt.Errorf("gonum's factorisation failed")
		}
		return nil
	}
}

func failed(ok bool) error {
	if !ok {
		return fmt.Errorf("the factorisation failed")
	}
	return nil
}

func prepareCholesky[T scalar](_, n int) *prepared {
	a, f := symmetric(n, T(n)), operand[T](n*n)
	return &prepared{
		ours: func() error {
			copy(f, a)
			return lapack.Cholesky(blas.Lower, n, f, n)
		},
		gonum: gonumAlone(a, n, gonumFactor, func(a []float64) bool { return gonum.Implementation{}.Dpotrf(blas.Lower, n, a, n) }),
		checksum: func() (float64, float64) {
			for i := range n { // the other triangle is left as it was
				clear(f[i*n+i+1 : i*n+n])
			}
			return checksumOf(f)()
		},
	}
}

func prepareLU[T scalar](_, n int) *prepared {
	a, f, pivots := noise[T](n*n, 1), operand[T](n*n), make([]int, n)
	return &prepared{
		ours: func() error {
			copy(f, a)
			return lapack.LU(n, n, f, n, pivots)
		},
		gonum: gonumAlone(a, n, gonumFactor, func(a []float64) bool { return gonum.Implementation{}.Dgetrf(n, n, a, n, pivots) }),
		checksum: func() (float64, float64) { // the determinant's logarithm, whatever the pivots
			var log float64
			for i := range n {
				log += math.Log(math.Abs(float64(f[i*n+i])))
			}
			return checksumOf([]float64{log})()
		},
	}
}

func prepareQR[T scalar](_, n int) *prepared {
	a, f := noise[T](n*n, 1), operand[T](n*n)
	tau, work := make([]float64, n), make([]float64, 64*n)
	var q lapack.QR[T]
	single := func() error {
		q.Factorize(n, n, a, n)
		q.QTo(n, f, n)
		return nil
	}
	double := func(impl gonumlapack.Float64) func(a []float64) bool {
		return func(a []float64) bool {
			impl.Dgeqrf(n, n, a, n, tau, work, len(work))
			impl.Dorgqr(n, n, n, a, n, tau, work, len(work))
			return true
		}
	}
	p := &prepared{
		ours:  single,
		gonum: gonumAlone(a, n, gonumFactor, double(gonum.Implementation{})),
		checksum: func() (float64, float64) {
			q.Factorize(n, n, a, n)
			r := make([]T, n*n)
			q.RTo(r, n)
			for i, v := range r { // signs of rows are a matter of convention
				r[i] = T(math.Abs(float64(v)))
			}
			return checksumOf(r)()
		},
	}
	if d := doubles(f); d != nil {
		p.ours = func() error {
			copy(f, a)
			return failed(double(lapack.Implementation{})(d))
		}
	}
	return p
}

func prepareEigen[T scalar](n int, job gonumlapack.EVJob) *prepared {
	a, f, values := symmetric(n, T(0)), operand[T](n*n), make([]T, n)
	var e lapack.SymEigen[T]
	w, work := make([]float64, n), make([]float64, 66*n)
	double := func(impl gonumlapack.Float64) func(a []float64) bool {
		return func(a []float64) bool { return impl.Dsyev(job, blas.Upper, n, a, n, w, work, len(work)) }
	}
	p := &prepared{
		ours: func() error {
			err := error(nil)
			if job == gonumlapack.EVCompute {
				err = e.Factorize(blas.Upper, n, a, n)
			} else {
				err = e.FactorizeValues(blas.Upper, n, a, n)
			}
			copy(values, e.Values())
			return err
		},
		gonum:    gonumAlone(a, n, gonumValues, double(gonum.Implementation{})),
		checksum: checksumOf(values),
	}
	if d := doubles(f); d != nil {
		p.checksum = checksumOf(w)
		p.ours = func() error {
			copy(f, a)
			return failed(double(lapack.Implementation{})(d))
		}
	}
	return p
}

func prepareSVD[T scalar](m, n int) *prepared {
	a, f, values := noise[T](m*n, 1), operand[T](m*n), make([]T, n)
	var svd lapack.SVD[T]
	s, u, vt := make([]float64, n), make([]float64, m*n), make([]float64, n*n)
	work := make([]float64, 64*(m+n))
	double := func(impl gonumlapack.Float64) func(a []float64) bool {
		return func(a []float64) bool {
			return impl.Dgesvd(gonumlapack.SVDStore, gonumlapack.SVDStore, m, n, a, n, s, u, n, vt, n, work, len(work))
		}
	}
	p := &prepared{
		ours: func() error {
			err := svd.Factorize(lapack.Thin, lapack.Thin, m, n, a, n)
			copy(values, svd.Values())
			return err
		},
		gonum:    gonumAlone(a, max(m, n), gonumValues, double(gonum.Implementation{})),
		checksum: checksumOf(values),
	}
	if d := doubles(f); d != nil {
		p.checksum = checksumOf(s)
		p.ours = func() error {
			copy(f, a)
			return failed(double(lapack.Implementation{})(d))
		}
	}
	return p
}
