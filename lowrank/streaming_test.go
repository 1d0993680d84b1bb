package lowrank_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/matgen"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/lowrank"
)

// calibrated are the spectra of the specification's table, with its medians: SketchySVD for rank 10 over the best error, and
// frequent directions with 20 rows over their bound.
var calibrated = []struct {
	name     string
	s        func(j int) float64
	sketchy  float64
	frequent float64
}{
	{"j^-2", func(j int) float64 { return math.Pow(float64(j), -2) }, 1.05, 0.49},
	{"j^-1", func(j int) float64 { return 1 / float64(j) }, 1.31, 0.51},
	{"10^(-j/4)", func(j int) float64 { return math.Pow(10, -float64(j)/4) }, 1, 0.71},
	{"10 ones + 1e-2 floor", func(j int) float64 { return map[bool]float64{true: 1, false: 1e-2}[j <= 10] }, 1.63, 0.49},
}

func spectrum(n int, f func(j int) float64) []float64 {
	s := make([]float64, n)
	for j := range s {
		s[j] = f(j + 1)
	}
	return s
}

func rowsOf(a *mat.Dense, lo, hi int) blas64.General {
	return a.Slice(lo, hi, 0, a.RawMatrix().Cols).(*mat.Dense).RawMatrix()
}

func middle(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// The table's column for SketchySVD: medians of ten seeds, of which the excess may differ by a third. The estimated error covers
// the true one.
func TestSketchyReproducesTheTable(t *testing.T) {
	const m, n, k = 600, 300, 10
	for _, tc := range calibrated {
		s := spectrum(n, tc.s)
		a := withValues(m, n, s)
		best := floats.Norm(s[k:], 2)
		var ratios []float64
		covered := 0
		for seed := range uint64(10) {
			sk, err := lowrank.NewSketchy(m, n, k, lowrank.SketchyOptions{Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			for lo := 0; lo < m; lo += 150 {
				if err := sk.AddRows(lo, rowsOf(a, lo, lo+150)); err != nil {
					t.Fatal(err)
				}
			}
			f, err := sk.Factors(k, lowrank.Even)
			if err != nil {
				t.Fatal(err)
			}
			e := errorOf(a, f)
			ratios = append(ratios, e/best)
			if f.Cert.Low <= e && e <= f.Cert.High {
				covered++
			}
			if !(math.Abs(f.Cert.WeightedNorm-floats.Norm(s, 2)) <= 1e-12) {
				t.Errorf("%s: norm %v", tc.name, f.Cert.WeightedNorm)
			}
		}
		if got, band := middle(ratios), 2e-3+(tc.sketchy-1)/3; !(math.Abs(got-tc.sketchy) <= band) {
			t.Errorf("%s: error is %.4f of the best, the table has %.2f +- %.2g", tc.name, got, tc.sketchy, band)
		}
		if covered < 8 { // of the 95 %, 8 of 10 or fewer happen in 9 % of cases, fewer in 1 %
			t.Errorf("%s: the intervals cover the error in %d of 10 cases", tc.name, covered)
		}
	}
}

// Sums of updates are the sketch of the sum: rows one way, products the other, and weights.
func TestSketchyIsLinear(t *testing.T) {
	const m, n, k = 60, 45, 5
	a, h := withValues(m, n, matgen.Geometric(k, 1, 0.1)), withValues(m, n, nil)
	h.Set(3, 4, 2)
	one, _ := lowrank.NewSketchy(m, n, k+1, lowrank.SketchyOptions{Seed: 1})
	two, _ := lowrank.NewSketchy(m, n, k+1, lowrank.SketchyOptions{Seed: 1})
	var total mat.Dense
	total.Scale(0.5, a)
	total.Add(&total, h)
	order := rand.New(rand.NewPCG(1, 1)).Perm(m)
	for _, i := range order {
		if err := one.AddRows(i, rowsOf(&total, i, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := two.Add(1, 1, hidden(a)); err != nil {
		t.Fatal(err)
	}
	if err := two.Add(0.5, 1, linop.Dense(h.RawMatrix())); err != nil {
		t.Fatal(err)
	}
	for what, sk := range map[string]*lowrank.Sketchy{"rows": one, "updates": two} {
		f, err := sk.Factors(k+1, lowrank.IntoB)
		if err != nil {
			t.Fatal(err)
		}
		// the matrix has the rank asked for: exact but for the conditioning of the core, some hundreds
		if e := errorOf(&total, f); !(e <= 1e-11) {
			t.Errorf("%s: error %.3g", what, e)
		}
		scree, err := sk.Scree()
		if err != nil || !(scree[0] > 0.5 && scree[k+1] < 1e-10 && scree[k-1] > scree[k+1]) {
			t.Errorf("%s: scree %.3g, %v", what, scree, err)
		}
	}
	bad := mat.NewDense(1, n, nil)
	bad.Set(0, 7, math.NaN())
	if err := one.AddRows(0, bad.RawMatrix()); err == nil {
		t.Error("NaN was accepted")
	}
	if err := one.AddRows(m, rowsOf(&total, 0, 1)); err == nil {
		t.Error("a row beyond the last was accepted")
	}
	if _, err := lowrank.NewSketchy(m, n, n+1, lowrank.SketchyOptions{}); err == nil {
		t.Error("too large a rank was accepted")
	}
}

// gap returns the smallest and the largest eigenvalue of AᵀA - BᵀB.
func gap(t *testing.T, a, b *mat.Dense) (lo, hi float64) {
	t.Helper()
	d := moment(a)
	g := moment(b)
	n := d.SymmetricDim()
	for i := range n {
		for j := i; j < n; j++ {
			d.SetSym(i, j, d.At(i, j)-g.At(i, j))
		}
	}
	e := eigenvalues(t, d)
	return e[0], e[n-1]
}

// bound returns min over k < l of ||A - A_k||_F^2/(l - k).
func bound(t *testing.T, a *mat.Dense, l int) float64 {
	t.Helper()
	var svd mat.SVD
	if !svd.Factorize(a, mat.SVDNone) {
		t.Fatal("no convergence")
	}
	s, least := svd.Values(nil), math.Inf(1)
	for k := range min(l, len(s)) {
		least = min(least, math.Pow(floats.Norm(s[k:], 2), 2)/float64(l-k))
	}
	return least
}

// The guarantee on every input, with the table's medians for its spectra; and that of merged sketches.
func TestFrequentDirections(t *testing.T) {
	const l, d = 20, 60
	rng := rand.New(rand.NewPCG(5, 5))
	zero, repeated, growing, few := mat.NewDense(90, d, nil), mat.NewDense(200, d, nil), mat.NewDense(300, d, nil), gaussian(rng, 7, d)
	for i := range 200 {
		repeated.Set(i, 3, 1)
	}
	for i := range 300 { // each new direction larger than all before, the worst for methods that keep the first
		growing.Set(i, i%d, math.Pow(1.02, float64(i)))
	}
	for name, a := range map[string]*mat.Dense{"zero": zero, "repeated": repeated, "growing": growing, "few rows": few, "noise": gaussian(rng, 130, d),
		"few columns": gaussian(rng, 100, 5), "low rank": withValues(150, d, matgen.Geometric(8, 1, 0.1))} {
		m, cols := a.Dims()
		whole, first, second := lowrank.NewFrequentDirections(l, cols), lowrank.NewFrequentDirections(l, cols), lowrank.NewFrequentDirections(l, cols)
		for i := range m {
			part := first
			if i%3 == 0 {
				part = second
			}
			for _, f := range []*lowrank.FrequentDirections{whole, part} {
				if err := f.AddRows(rowsOf(a, i, i+1)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := first.Merge(second); err != nil {
			t.Fatal(err)
		}
		rounding := 1e-12 * whole.SquaredNorm()
		for what, f := range map[string]*lowrank.FrequentDirections{"whole": whole, "merged": first} {
			b := f.Sketch()
			if rows, _ := b.Dims(); rows > l-1 {
				t.Errorf("%s, %s: %d rows", name, what, rows)
			}
			lo, hi := gap(t, a, b)
			if limit := bound(t, a, l); !(lo >= -rounding) || !(hi <= limit+rounding) || !(hi <= f.Bound()+rounding) || !(f.Bound() <= limit+rounding) {
				t.Errorf("%s, %s: AᵀA - BᵀB is between %.4g and %.4g, bound %.4g, own bound %.4g", name, what, lo, hi, limit, f.Bound())
			}
		}
	}
	for _, tc := range calibrated {
		a := withValues(600, 300, spectrum(300, tc.s))
		f := lowrank.NewFrequentDirections(l, 300)
		if err := f.AddRows(a.RawMatrix()); err != nil {
			t.Fatal(err)
		}
		_, hi := gap(t, a, f.Sketch())
		if got := hi / bound(t, a, l); !(got > 0.5*tc.frequent && got <= min(1, 1.5*tc.frequent)) {
			t.Errorf("%s: error is %.3f of the bound, the table has %.2f", tc.name, got, tc.frequent)
		}
	}
	f := lowrank.NewFrequentDirections(3, 2)
	if err := f.AddRows(blas64.General{Rows: 1, Cols: 2, Stride: 2, Data: []float64{1, math.Inf(1)}}); err == nil {
		t.Error("an infinite element was accepted")
	}
	if err := f.Merge(lowrank.NewFrequentDirections(3, 5)); err == nil {
		t.Error("other columns were merged")
	}
}

// The covariance of a stream, from a sketch of a few of its rows.
func ExampleFrequentDirections() {
	f := lowrank.NewFrequentDirections(4, 3)
	for i := range 1000 {
		x := float64(i%10) - 4.5
		if err := f.AddRows(blas64.General{Rows: 1, Cols: 3, Stride: 3, Data: []float64{x, 2 * x, 0.01 * float64(i%2)}}); err != nil {
			fmt.Println(err)
			return
		}
	}
	gram := moment(f.Sketch())
	fmt.Printf("%.0f %.0f, off by at most %.2f\n", gram.At(0, 0), gram.At(0, 1), f.Bound())
	// Output: 8250 16500, off by at most 0.00
}
