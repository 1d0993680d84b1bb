package sketch

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/matgen"
	"github.com/eckart-go/eckart/linop"
)

// factorError returns ||A P - Q R||_F / ||A||_F.
func factorError(a blas64.General, f *TallQR) float64 {
	e := newBlock(a.Rows, a.Cols)
	for i := range a.Rows {
		for j, at := range f.Columns {
			e.Data[i*e.Stride+j] = a.Data[i*a.Stride+at]
		}
	}
	gemm(blas.NoTrans, blas.NoTrans, -1, f.Q, f.R, 1, e)
	return mat.Norm(view(e), 2) / mat.Norm(view(a), 2)
}

// The specification's row: preconditioned CholeskyQR is orthogonal to 3e-15 whatever the condition; plain CholeskyQR is not. The
// bound is c n eps, c = 8.
func TestPreconditionedQRIsOrthogonal(t *testing.T) {
	const m, n = 2000, 50
	for _, condition := range []float64{1e2, 1e8, 1e12} {
		a := known(m, n, matgen.Geometric(n, 1, 1/condition), 3)
		for name, factorise := range map[string]func(blas64.General, TallOptions) (*TallQR, error){"pivoted": PivotedQR, "preconditioned": PreconditionedQR} {
			f, err := factorise(a, TallOptions{Seed: 1})
			if err != nil {
				t.Fatalf("%s, condition %g: %v", name, condition, err)
			}
			if o, e := orthogonality(f.Q), factorError(a, f); f.Q.Cols != n || !(o <= 8*n*0x1p-52) || !(e <= 8*n*0x1p-52) {
				t.Errorf("%s, condition %g: rank %d, orthogonality %.3g, residual %.3g", name, condition, f.Q.Cols, o, e)
			}
		}
		q := newBlock(m, n)
		copyTo(q, a)
		var o Orthonormaliser
		if ok := o.choleskyStep(q, newBlock(n, n), math.Inf(1)); ok && condition > 1e7 && orthogonality(q) < 1e-4 {
			t.Errorf("plain CholeskyQR at condition %g: the test shows nothing", condition)
		}
	}
}

// Pivots reveal the rank: the diagonal of R follows the singular values, dependent columns are left out.
func TestPivotedQRRevealsRank(t *testing.T) {
	const m, n, rank = 700, 40, 23
	s := append(matgen.Geometric(rank, 1, 1e-3), make([]float64, n-rank)...)
	a := known(m, n, s, 5)
	f, err := PivotedQR(a, TallOptions{Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	if f.Q.Cols < rank || f.Q.Cols > rank+2 || !(factorError(a, f) <= 1e-13) || !(orthogonality(f.Q) <= 8*n*0x1p-52) {
		t.Errorf("rank %d, residual %.3g, orthogonality %.3g", f.Q.Cols, factorError(a, f), orthogonality(f.Q))
	}
	if p := slices.Sorted(slices.Values(f.Columns)); p[0] != 0 || p[n-1] != n-1 || len(slices.Compact(p)) != n {
		t.Errorf("columns %v are no permutation", f.Columns)
	}
	for i := range rank { // pivoted QR of the sketch, distorted by it: within n of the singular values as a rule
		if d := math.Abs(f.R.Data[i*f.R.Stride+i]); !(d >= s[i]/n && d <= n*s[i]) {
			t.Errorf("diagonal %d is %.3g, singular value %.3g", i, d, s[i])
		}
	}
	if _, err := PreconditionedQR(a, TallOptions{}); err == nil {
		t.Error("dependent columns were not noticed")
	}
	if f, err := PivotedQR(newBlock(5, 3), TallOptions{}); err != nil || f.Q.Cols != 0 {
		t.Errorf("zero: %+v, %v", f, err)
	}
	a.Data[5] = math.NaN()
	if _, err := PivotedQR(a, TallOptions{}); err == nil {
		t.Error("NaN was accepted")
	}
}

// Exact scores are the row norms of any orthonormal basis, ridge scores those of their formula; estimates are within what their
// number of columns allows.
func TestLeverageScores(t *testing.T) {
	const m, n = 600, 12
	a := known(m, n, matgen.Geometric(n, 1, 1e-4), 7)
	for j := range n {
		a.Data[j] *= 1e3 // one row that matters
	}
	q := newBlock(m, n)
	copyTo(q, a)
	mustOrthonormalise(t, q)
	want := RowNorms(q)
	got, err := LeverageScores(linop.Dense(a), LeverageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d := floats.Distance(got, want, math.Inf(1)); !(d <= 1e-10) { // the basis moves by condition eps
		t.Errorf("exact scores are off by %.3g", d)
	}
	estimated, err := LeverageScores(linop.Dense(a), LeverageOptions{Columns: 200, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range estimated { // embedding to 1 +- sqrt(1/8), squared, and five deviations of a chi-square of 200
		if ratio := v / want[i]; !(ratio > 0.3 && ratio < 2.7) {
			t.Errorf("row %d: estimate %.4g of %.4g", i, v, want[i])
		}
	}
	const mu = 0.01
	ridge, err := LeverageScores(linop.Dense(a), LeverageOptions{Ridge: mu})
	if err != nil {
		t.Fatal(err)
	}
	gram := newBlock(n, n)
	gemm(blas.Trans, blas.NoTrans, 1, a, a, 0, gram)
	for i := range n {
		gram.Data[i*n+i] += mu
	}
	var inverse mat.Dense
	if err := inverse.Inverse(view(gram)); err != nil {
		if _, ok := err.(mat.Condition); !ok {
			t.Fatal(err)
		}
	}
	for i := range m {
		r := mat.NewVecDense(n, row(a, i))
		if want := mat.Inner(r, &inverse, r); !(math.Abs(ridge[i]-want) <= 1e-8) {
			t.Errorf("row %d: ridge score %.9g, want %.9g", i, ridge[i], want)
		}
	}
	zero := newBlock(20, 3)
	if _, err := LeverageScores(linop.Dense(zero), LeverageOptions{}); err == nil {
		t.Error("dependent columns were not noticed")
	}
}

// The estimate is unbiased, and much better than plain random signs where few directions dominate.
func TestEstimateRowNorms(t *testing.T) {
	const m, n = 120, 80
	b := known(m, n, matgen.Power(n, 2), 2)
	want := RowNorms(b)
	var worst, mean float64
	for seed := range uint64(40) {
		got, err := EstimateRowNorms(linop.Dense(b), 30, seed)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			worst = max(worst, math.Abs(v/want[i]-1))
			mean += (v/want[i] - 1) / (40 * m)
		}
	}
	if !(worst <= 0.5) || !(math.Abs(mean) <= 2e-3) {
		t.Errorf("relative errors: worst %.3g, mean %.3g", worst, mean)
	}
}
