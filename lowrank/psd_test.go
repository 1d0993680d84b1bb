package lowrank_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/eckart-go/eckart/internal/matgen"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/lowrank"
)

// definite returns a symmetric matrix of known eigenvalues.
func definite(values []float64) *mat.SymDense {
	return mat.NewSymDense(len(values), matgen.WithEigenvalues(values, 4))
}

func operator(a *mat.SymDense) linop.Operator { return linop.Of(mat.DenseCopyOf(a)) }

// remainder returns A - U diag(values) Uᵀ, symmetric.
func remainder(a mat.Symmetric, e *lowrank.Eigenpairs) *mat.SymDense {
	n, k := e.U.Dims()
	var us, low mat.Dense
	us.Mul(e.U, mat.NewDiagDense(k, e.Values))
	low.Mul(&us, e.U.T())
	r := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			r.SetSym(i, j, a.At(i, j)-low.At(i, j)/2-low.At(j, i)/2)
		}
	}
	return r
}

func eigenvalues(t *testing.T, a mat.Symmetric) []float64 {
	t.Helper()
	var e mat.EigenSym
	if !e.Factorize(a, false) {
		t.Fatal("no convergence")
	}
	return e.Values(nil)
}

// A matrix of the rank asked for is found exactly; any other from below, near the best: the bound of the mean error, with a
// factor for a single draw (Tropp et al. 2017, theorem 4.1: trace norm (1 + k/p) tail).
func TestNystrom(t *testing.T) {
	const n, k = 120, 12
	for _, tc := range []struct {
		name   string
		values []float64
	}{
		{"rank 12", matgen.Geometric(k, 1, 1e-3)},
		{"fast", matgen.Geometric(n, 1, 1e-12)},
		{"slow", matgen.Power(n, 1)},
		{"huge", floats.ScaleTo(make([]float64, n), 1e120, matgen.Power(n, 2))},
		{"zero", nil},
	} {
		values := append(append([]float64(nil), tc.values...), make([]float64, n-len(tc.values))...)
		a := definite(values)
		size := max(floats.Max(values), 1e-300)
		f, err := lowrank.Nystrom(operator(a), k, lowrank.NystromOptions{Seed: 1, Steps: 30})
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		rest := eigenvalues(t, remainder(a, f))
		rounding := 1e-12 * size
		if tc.name == "rank 12" && !(math.Abs(rest[n-1]) <= 1e-10) {
			t.Errorf("%s: error %.3g", tc.name, rest[n-1])
		}
		if rest[0] < -rounding {
			t.Errorf("%s: the approximation is above the matrix by %.3g", tc.name, -rest[0])
		}
		if tail := floats.Sum(values[k:]); !(floats.Sum(rest) <= 3*(1+k/9.)*tail+n*rounding) {
			t.Errorf("%s: trace error %.3g, best %.3g", tc.name, floats.Sum(rest), tail)
		}
		if !(f.Error <= rest[n-1]*(1+1e-6)+rounding && f.Error >= 0.9*rest[n-1]-rounding) {
			t.Errorf("%s: error %.6g, power method %.6g", tc.name, rest[n-1], f.Error)
		}
		if f.Cost.Passes != 1+2*30 && tc.name != "zero" {
			t.Errorf("%s: %d passes", tc.name, f.Cost.Passes)
		}
	}
	f, err := lowrank.Nystrom(operator(definite(matgen.Power(n, 2))), 5, lowrank.NystromOptions{Tol: 1e-4})
	if err != nil || f.Missed || len(f.Values) < 20 || f.Error > 5e-4 {
		t.Errorf("to a tolerance: rank %d, error %.3g, %v", len(f.Values), f.Error, err)
	}
	indefinite := matgen.Power(n, 0)
	for i := range indefinite[:60] {
		indefinite[i] = -1
	}
	if _, err := lowrank.Nystrom(operator(definite(indefinite)), k, lowrank.NystromOptions{}); err == nil {
		t.Error("an indefinite matrix was accepted")
	}
}

// The preconditioned matrix A + mu I has the condition that its theory promises: about (λ_k + mu + error)/mu.
func TestNystromPreconditions(t *testing.T) {
	const n, k, mu = 100, 25, 1e-4
	a := definite(matgen.Power(n, 3))
	f, err := lowrank.Nystrom(operator(a), k, lowrank.NystromOptions{Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	var p mat.Dense // P^-1 (A + mu I): its eigenvalues are real
	p.CloneFrom(a)
	for i := range n {
		p.Set(i, i, p.At(i, i)+mu)
	}
	for j := range n {
		column := mat.Col(nil, j, &p)
		f.PreconditionTo(column, column, mu)
		p.SetCol(j, column)
	}
	var e mat.Eigen
	if !e.Factorize(&p, mat.EigenNone) {
		t.Fatal("no convergence")
	}
	lo, hi := math.Inf(1), 0.0
	for _, v := range e.Values(nil) {
		lo, hi = min(lo, real(v)), max(hi, real(v))
	}
	if bound := 2 * (f.Values[k-1] + mu + 1.1*f.Error) / mu; !(hi/lo <= bound) || hi/lo > 50 {
		t.Errorf("condition %.3g, bound %.3g; without it %.3g", hi/lo, bound, (1+mu)/mu)
	}
}

func TestSymEigen(t *testing.T) {
	const n, k = 90, 10
	values := matgen.Power(n, 1)
	for i := range values {
		if i%3 == 1 {
			values[i] = -values[i]
		}
	}
	a := definite(values)
	f, err := lowrank.SymEigen(operator(a), k, lowrank.RandomizedOptions{PowerIterations: 6, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range f.Values {
		if !(math.Abs(v-values[i]) <= 1e-4) {
			t.Errorf("eigenvalue %d is %.6f, want %.6f", i, v, values[i])
		}
	}
	got := mat.Norm(remainder(a, f), 2)
	if tail := floats.Norm(values[k:], 2); !(got <= 1.001*tail) || f.Estimate != "norms" || !(math.Abs(f.Error-got) <= 1e-9) {
		t.Errorf("error %.9g, certified %.9g from %q, best %.9g", got, f.Error, f.Estimate, tail)
	}
	if _, err := lowrank.SymEigen(linop.Of(mat.NewDense(3, 4, nil)), 1, lowrank.RandomizedOptions{}); err == nil {
		t.Error("a matrix that is not square was accepted")
	}
}

// The diagonal that is left is that of A - F Fᵀ, exactly zero at the pivots, whatever the rule and the block.
func TestPivotedCholesky(t *testing.T) {
	const n, k = 150, 40
	a := definite(matgen.Power(n, 2))
	best := floats.Sum(matgen.Power(n, 2)[k:])
	for _, opts := range []lowrank.PivotedOptions{{Seed: 1}, {Block: 1, Seed: 1}, {Block: 64, Seed: 2}, {Pivoting: lowrank.GreedyPivots}, {Pivoting: lowrank.UniformPivots}} {
		f, err := lowrank.PivotedCholesky(lowrank.KernelOf(a), k, opts)
		if err != nil {
			t.Fatal(err)
		}
		var low mat.Dense
		low.Mul(f.F, f.F.T())
		var trace float64
		tol := 8 * float64(n) * 0x1p-53 * 2 // Cholesky's backward error, diagonal elements below 1 (Higham 2002, theorem 10.3)
		for i := range n {
			d := a.At(i, i) - low.At(i, i)
			trace += d
			if !(math.Abs(d-f.Diagonal[i]) <= tol) {
				t.Errorf("%+v: diagonal %d is %.6g, tracked as %.6g", opts, i, d, f.Diagonal[i])
			}
		}
		if len(f.Pivots) != k || !(math.Abs(trace-f.TraceError) <= n*tol) || !(f.TraceError <= 6*best) {
			t.Errorf("%+v: %d pivots, trace error %.5g, tracked %.5g, best %.5g", opts, len(f.Pivots), trace, f.TraceError, best)
		}
		for _, p := range f.Pivots { // exact in the rows of the pivots
			for j := range n {
				if !(math.Abs(low.At(p, j)-a.At(p, j)) <= 1e-12) {
					t.Fatalf("%+v: element (%d, %d) of a pivot's row is off by %.3g", opts, p, j, low.At(p, j)-a.At(p, j))
				}
			}
		}
		e := f.Eigenpairs()
		var d mat.Dense
		var us mat.Dense
		us.Mul(e.U, mat.NewDiagDense(k, e.Values))
		d.Mul(&us, e.U.T())
		d.Sub(&d, &low)
		if got := mat.Norm(&d, 2); !(got <= 1e-13) {
			t.Errorf("%+v: the eigendecomposition is off by %.3g", opts, got)
		}
	}
	// a matrix of rank 6 needs 6 columns
	f, err := lowrank.PivotedCholesky(lowrank.KernelOf(definite(append(matgen.Power(6, 1), make([]float64, 60)...))), 30, lowrank.PivotedOptions{Block: 10})
	if err != nil || len(f.Pivots) > 8 || f.TraceError > 1e-12 {
		t.Errorf("rank 6: %d pivots, trace error %.3g, %v", len(f.Pivots), f.TraceError, err)
	}
	if _, err := lowrank.PivotedCholesky(lowrank.KernelOf(mat.NewSymDense(2, []float64{-1, 0, 0, 1})), 1, lowrank.PivotedOptions{}); err == nil {
		t.Error("a negative diagonal was accepted")
	}
}

// Pivots have the law of the sequential method, whatever the block: of the 6*5 ordered pairs of a 6 x 6 matrix, the first is
// drawn by the diagonal and the second by what the first leaves. Chi-square at the level 1e-4.
func TestPivotsHaveTheSequentialLaw(t *testing.T) {
	const n, trials = 6, 6000
	a := definite([]float64{3, 1.5, 1, 0.6, 0.3, 0.1})
	want := map[[2]int]float64{}
	var trace float64
	for i := range n {
		trace += a.At(i, i)
	}
	for i := range n {
		var left [n]float64
		var all float64
		for j := range n {
			if j != i {
				left[j] = a.At(j, j) - a.At(i, j)*a.At(i, j)/a.At(i, i)
				all += left[j]
			}
		}
		for j := range n {
			if j != i {
				want[[2]int{i, j}] = a.At(i, i) / trace * left[j] / all
			}
		}
	}
	for _, block := range []int{1, 2, 5, 40} {
		counts := map[[2]int]float64{}
		for seed := range uint64(trials) {
			f, err := lowrank.PivotedCholesky(lowrank.KernelOf(a), 2, lowrank.PivotedOptions{Block: block, Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			counts[[2]int{f.Pivots[0], f.Pivots[1]}]++
		}
		var chi float64
		for pair, p := range want {
			chi += math.Pow(counts[pair]-trials*p, 2) / (trials * p)
		}
		if limit := (distuv.ChiSquared{K: n*(n-1) - 1}).Quantile(1 - 1e-4); !(chi <= limit) {
			t.Errorf("block %d: chi-square %.1f, limit %.1f", block, chi, limit)
		}
	}
}

// A small cluster far from a large one: uniform columns miss it.
func ExamplePivotedCholesky() {
	rng := rand.New(rand.NewPCG(1, 2))
	points := make([]float64, 500)
	for i := range points {
		points[i] = rng.NormFloat64()
		if i < 5 {
			points[i] = 40 + 3*float64(i)
		}
	}
	kernel := mat.NewSymDense(len(points), nil)
	for i, x := range points {
		for j, y := range points[:i+1] {
			kernel.SetSym(i, j, math.Exp(-(x-y)*(x-y)/2))
		}
	}
	random, err := lowrank.PivotedCholesky(lowrank.KernelOf(kernel), 18, lowrank.PivotedOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	uniform, err := lowrank.PivotedCholesky(lowrank.KernelOf(kernel), 18, lowrank.PivotedOptions{Pivoting: lowrank.UniformPivots})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("trace of what is left: below 1e-4: %v; with uniform columns above 1: %v\n", random.TraceError < 1e-4, uniform.TraceError > 1)
	// Output: trace of what is left: below 1e-4: true; with uniform columns above 1: true
}
