package leastsquares_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/matgen"
	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/leastsquares"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/sparse"
)

// problem is min ||A x - b|| with A = U diag(s) Vᵀ, a known solution and a residual of known norm orthogonal to A's range.
type problem struct {
	a    *mat.Dense
	b, x []float64
}

// newProblem has a solution of norm one in general position and a residual along one more orthonormal column beside those of U.
// Rounding of A, b and the columns moves the true solution by eps times the problem's own condition, for every method alike.
func newProblem(m, n int, condition, residual float64, seed uint64) problem {
	rng := rand.New(rand.NewPCG(seed, 9))
	x := make([]float64, n)
	for j := range x {
		x[j] = rng.NormFloat64()
	}
	floats.Scale(1/floats.Norm(x, 2), x)
	u := mat.NewDense(m, n+1, matgen.Orthogonal(m, n+1, seed))
	v := mat.NewDense(n, n, matgen.Orthogonal(n, n, seed+100))
	s := mat.NewDiagDense(n, matgen.Geometric(n, 1, 1/condition))
	var us, a mat.Dense
	us.Mul(u.Slice(0, m, 0, n), s)
	a.Mul(&us, v.T())
	var b, r mat.VecDense
	b.MulVec(&a, mat.NewVecDense(n, x))
	r.ScaleVec(residual, u.ColView(n))
	b.AddVec(&b, &r)
	return problem{&a, b.RawVector().Data, x}
}

func (p problem) op() linop.Operator { return linop.Dense(p.a.RawMatrix()) }

// qr returns the solution by Householder QR.
func (p problem) qr(t *testing.T) []float64 {
	t.Helper()
	m, n := p.a.Dims()
	b := slices.Clone(p.b)
	a := mat.DenseCopyOf(p.a).RawMatrix()
	if err := lapack.LeastSquares(blas.NoTrans, m, n, 1, a.Data, a.Stride, b, 1); err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

func distance(x, y []float64) float64 { return floats.Distance(x, y, 2) }

func solve(t *testing.T, a linop.Operator, b []float64, opts leastsquares.Options) *leastsquares.Result {
	t.Helper()
	r, err := leastsquares.Solve(a, b, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// Forward errors are of the size of QR's at condition 1e2, 1e8 and 1e12, in the median of five problems; those of the stable
// method are backward stable, to some eps.
func TestAsAccurateAsQR(t *testing.T) {
	const m, n = 1500, 40
	for _, condition := range []float64{1e2, 1e8, 1e12} {
		for _, method := range []leastsquares.Method{leastsquares.Stable, leastsquares.LSQR, leastsquares.Direct} {
			if method == leastsquares.LSQR && condition > 1e10 {
				continue // it is not backward stable
			}
			var ours, theirs []float64
			for seed := range uint64(5) {
				p := newProblem(m, n, condition, 1e-3, seed)
				r := solve(t, p.op(), p.b, leastsquares.Options{Method: method, Seed: seed})
				ours, theirs = append(ours, distance(r.X, p.x)), append(theirs, distance(p.qr(t), p.x))
				if !r.Converged || r.Rank != n || !(math.Abs(r.Residual-1e-3) <= 1e-12) {
					t.Errorf("condition %g, %s: converged %v, rank %d, residual %.9g", condition, r.Method, r.Converged, r.Rank, r.Residual)
				}
				if method == leastsquares.Stable && !(r.BackwardError <= 4*eps*math.Sqrt(n)) {
					t.Errorf("condition %g, %s: backward error %.3g", condition, r.Method, r.BackwardError)
				}
			}
			// all are backward errors of some eps, magnified alike: their constants differ by a few
			if got, want := median(ours), median(theirs); !(got <= 10*want) {
				t.Errorf("condition %g, method %d: error %.3g, QR's %.3g", condition, method, got, want)
			}
		}
	}
}

const eps = 0x1p-52

// With 12 n rows updates shrink by sqrt(1/12) = 0.289 a step, and A P has a condition of 1.76 to 1.78, the table says; here the
// condition is that of the ratio the sketch reports for a matrix of condition one.
func TestMomentumContracts(t *testing.T) {
	const m, n = 4000, 100
	p := newProblem(m, n, 1e8, 1e-3, 1)
	r := solve(t, p.op(), p.b, leastsquares.Options{Method: leastsquares.Momentum})
	rate := math.Pow(r.Updates[13]/r.Updates[3], 0.1)
	if !(rate > 0.25 && rate < 0.31) {
		t.Errorf("updates shrink by %.3f a step: %.2g", rate, r.Updates)
	}
	if q := newProblem(m, n, 1, 1e-3, 2); q.a != nil {
		r := solve(t, q.op(), q.b, leastsquares.Options{Method: leastsquares.Stable})
		if !(r.Condition > 1.7 && r.Condition < 1.9) { // (1 + sqrt(1/12))/(1 - sqrt(1/12)) = 1.81
			t.Errorf("condition of the sketch of an orthonormal matrix: %.3f", r.Condition)
		}
	}
	if r.Steps > 40 || !r.Converged {
		t.Errorf("%d steps, converged %v", r.Steps, r.Converged)
	}
}

// Sketch and solve alone leaves an excess of about n/(d-n) of the squared residual, and never less than the best.
func TestRoughIsRough(t *testing.T) {
	const m, n = 3000, 50
	p := newProblem(m, n, 1e3, 1, 3)
	var excess []float64
	for seed := range uint64(9) {
		r := solve(t, p.op(), p.b, leastsquares.Options{Method: leastsquares.Rough, Seed: seed})
		excess = append(excess, r.Residual*r.Residual-1)
	}
	if got := median(excess); !(got > 0.05 && got < 0.15) || slices.Min(excess) < 0 {
		t.Errorf("the squared residual exceeds the least by %.3f, n/(d-n) is %.3f", got, 1/11.)
	}
}

// A ridge gives the solution of the normal equations, whose own error is condition^2 eps.
func TestRidge(t *testing.T) {
	const m, n, mu = 1200, 30, 0.05
	p := newProblem(m, n, 1e3, 0.5, 4)
	var gram mat.SymDense
	gram.SymOuterK(1, p.a.T())
	for i := range n {
		gram.SetSym(i, i, gram.At(i, i)+mu)
	}
	var ch mat.Cholesky
	if !ch.Factorize(&gram) {
		t.Fatal("not definite")
	}
	var atb, want mat.VecDense
	atb.MulVec(p.a.T(), mat.NewVecDense(m, p.b))
	if err := ch.SolveVecTo(&want, &atb); err != nil {
		t.Fatal(err)
	}
	for _, method := range []leastsquares.Method{leastsquares.Stable, leastsquares.LSQR, leastsquares.Momentum, leastsquares.Direct} {
		r := solve(t, p.op(), p.b, leastsquares.Options{Method: method, Ridge: mu})
		if d := distance(r.X, want.RawVector().Data); !(d <= 1e-13/mu) {
			t.Errorf("%s: off by %.3g", r.Method, d)
		}
	}
}

// Of a matrix with dependent columns the shortest solution is found.
func TestShortestSolution(t *testing.T) {
	const m, n, rank = 1000, 25, 18
	s := append(matgen.Geometric(rank, 1, 1e-2), make([]float64, n-rank)...)
	a := mat.NewDense(m, n, matgen.WithSingularValues(m, n, s, 5))
	b := make([]float64, m)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range b {
		b[i] = rng.NormFloat64()
	}
	var svd mat.SVD
	if !svd.Factorize(a, mat.SVDThin) {
		t.Fatal("no convergence")
	}
	var want mat.VecDense
	svd.SolveVecTo(&want, mat.NewVecDense(m, b), rank)
	for _, method := range []leastsquares.Method{leastsquares.Stable, leastsquares.LSQR, leastsquares.Direct} {
		r := solve(t, linop.Dense(a.RawMatrix()), b, leastsquares.Options{Method: method})
		if d := distance(r.X, want.RawVector().Data); !(d <= 1e-10*mat.Norm(&want, 2)) || r.Rank != rank {
			t.Errorf("%s: rank %d, off by %.3g of %.3g", r.Method, r.Rank, d, mat.Norm(&want, 2))
		}
	}
}

// Columns of sizes from 1e-100 to 1e100, a right-hand side in the range, a zero one, sparse and hidden matrices.
func TestHardProblems(t *testing.T) {
	const m, n = 900, 20
	p := newProblem(m, n, 10, 1e-3, 6)
	for j := range n {
		for i := range m {
			p.a.Set(i, j, p.a.At(i, j)*math.Pow(10, float64(10*j-100)))
		}
		p.x[j] *= math.Pow(10, float64(100-10*j))
	}
	r := solve(t, p.op(), p.b, leastsquares.Options{Method: leastsquares.Stable})
	for j := range n {
		if !(math.Abs(r.X[j]/p.x[j]-1) <= 1e-10) {
			t.Errorf("scaled columns: element %d is off by %.3g", j, r.X[j]/p.x[j]-1)
		}
	}
	q := newProblem(m, n, 1e4, 0, 7)
	if r := solve(t, q.op(), q.b, leastsquares.Options{Method: leastsquares.Stable}); !(r.Residual <= 1e-14) || !(distance(r.X, q.x) <= 1e-10) {
		t.Errorf("in the range: residual %.3g, error %.3g", r.Residual, distance(r.X, q.x))
	}
	for _, method := range []leastsquares.Method{leastsquares.Stable, leastsquares.LSQR, leastsquares.Rough, leastsquares.Direct} {
		if r := solve(t, q.op(), make([]float64, m), leastsquares.Options{Method: method}); floats.Norm(r.X, 2) != 0 {
			t.Errorf("%s: a zero right-hand side gave %v", r.Method, r.X)
		}
	}
	hidden := linop.Func{Rows: m, Cols: n, Mul: linop.Dense(q.a.RawMatrix()).MulTo, MulTrans: linop.Dense(q.a.RawMatrix()).MulTransTo}
	if r := solve(t, hidden, q.b, leastsquares.Options{}); !(distance(r.X, q.x) <= 1e-10) || r.Method != "stable" {
		t.Errorf("hidden: error %.3g by %s", distance(r.X, q.x), r.Method)
	}
	starts, index, value := []int{0}, []int32{}, []float64{}
	for i := range m {
		for e := range 3 {
			index, value = append(index, int32((i*7+e*5)%n)), append(value, 1+math.Sin(float64(i*e)))
		}
		starts = append(starts, len(index))
	}
	csr, err := sparse.New(m, n, starts, index, value)
	if err != nil {
		t.Fatal(err)
	}
	sparseResult, denseResult := solve(t, csr, q.b, leastsquares.Options{Method: leastsquares.Stable}), solve(t, csr, q.b, leastsquares.Options{Method: leastsquares.Direct})
	if d := distance(sparseResult.X, denseResult.X); !(d <= 1e-12) {
		t.Errorf("sparse: off by %.3g", d)
	}
}

func TestErrors(t *testing.T) {
	p := newProblem(500, 10, 10, 1, 8)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := leastsquares.Solve(linop.WithContext(ctx, p.op()), p.b, leastsquares.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for what, call := range map[string]func() (*leastsquares.Result, error){
		"short b": func() (*leastsquares.Result, error) {
			return leastsquares.Solve(p.op(), p.b[:7], leastsquares.Options{})
		},
		"wide": func() (*leastsquares.Result, error) {
			return leastsquares.Solve(linop.Transposed(p.op()), make([]float64, 10), leastsquares.Options{})
		},
		"NaN in b": func() (*leastsquares.Result, error) {
			b := slices.Clone(p.b)
			b[3] = math.NaN()
			return leastsquares.Solve(p.op(), b, leastsquares.Options{})
		},
		"negative ridge": func() (*leastsquares.Result, error) {
			return leastsquares.Solve(p.op(), p.b, leastsquares.Options{Ridge: -1})
		},
		"NaN in A": func() (*leastsquares.Result, error) {
			a := mat.DenseCopyOf(p.a)
			a.Set(9, 9, math.Inf(1))
			return leastsquares.Solve(linop.Dense(a.RawMatrix()), p.b, leastsquares.Options{Method: leastsquares.Stable})
		},
	} {
		if _, err := call(); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
}

func TestThreadsChangeNothing(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p := newProblem(2000, 30, 1e6, 1e-3, 9)
	var first []float64
	for _, threads := range []int{1, 2, 3} {
		runtime.GOMAXPROCS(threads)
		r := solve(t, p.op(), p.b, leastsquares.Options{})
		if first == nil {
			first = r.X
		} else if !slices.Equal(first, r.X) {
			t.Errorf("%d threads: other bits", threads)
		}
	}
}

// A line through many points.
func ExampleSolve() {
	const m = 10000
	a, b := make([]float64, 2*m), make([]float64, m)
	for i := range m {
		x := float64(i) / m
		a[2*i], a[2*i+1] = 1, x
		b[i] = 3 + 2*x + 0.1*math.Sin(float64(i))
	}
	r, err := leastsquares.Solve(linop.Dense(blas64.General{Rows: m, Cols: 2, Stride: 2, Data: a}), b, leastsquares.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3f + %.3f x by method %s, backward error below 1e-15: %v\n", r.X[0], r.X[1], r.Method, r.BackwardError < 1e-15)
	// Output: 3.000 + 2.000 x by method stable, backward error below 1e-15: true
}
