package lowrank_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/matgen"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/lowrank"
	"github.com/eckart-go/eckart/sparse"
)

// withValues returns an m x n matrix of known singular values.
func withValues(m, n int, s []float64) *mat.Dense {
	return mat.NewDense(m, n, matgen.WithSingularValues(m, n, s, 3))
}

// hidden is a as nothing but its products.
func hidden(a *mat.Dense) linop.Operator {
	m, n := a.Dims()
	d := linop.Dense(a.RawMatrix())
	return linop.Func{Rows: m, Cols: n, Mul: d.MulTo, MulTrans: d.MulTransTo}
}

// passing is a as rows that pass by.
type passing struct{ linop.Rows }

func stream(a *mat.Dense) *linop.Stream { return linop.NewStream(passing{linop.Dense(a.RawMatrix())}) }

// errorOf returns ||A - B A||_F, measured.
func errorOf(a mat.Matrix, f *lowrank.Factors) float64 {
	var e mat.Dense
	e.Sub(a, product(f))
	return mat.Norm(&e, 2)
}

var operatorSpectra = []struct {
	name string
	s    func(n int) []float64
}{
	{"1/j", func(n int) []float64 { return matgen.Power(n, 1) }},
	{"slow", func(n int) []float64 { return matgen.Power(n, 0.5) }},
	{"geometric", func(n int) []float64 { return matgen.Geometric(n, 1, 1e-14) }},
	{"flat", func(n int) []float64 { return matgen.Power(n, 0) }},
	{"low rank", func(n int) []float64 { return matgen.Geometric(7, 1, 0.1) }},
	{"tiny", func(n int) []float64 { return floats.ScaleTo(make([]float64, n), 1e-140, matgen.Power(n, 1)) }},
}

// Krylov's error is within its accuracy of the least possible, as it says; values are right to the square of that, vectors are
// orthonormal; the certificate's error is the true one and its bound is below the optimum.
func TestOperatorSVDReachesItsAccuracy(t *testing.T) {
	const m, n = 170, 140
	for _, tc := range operatorSpectra {
		s := tc.s(n)
		s = append(s, make([]float64, n-len(s))...)
		a := withValues(m, n, s)
		norm := floats.Norm(s, 2)
		for _, k := range []int{1, 8, 25} {
			for _, accuracy := range []float64{0.1, 1e-3, 1e-8} {
				for what, op := range map[string]linop.Operator{"dense": linop.Dense(a.RawMatrix()), "hidden": hidden(a), "stream": stream(a)} {
					name := fmt.Sprintf("%s, %s, rank %d to %g", tc.name, what, k, accuracy)
					f, err := lowrank.OperatorSVD(op, k, lowrank.Options{Method: lowrank.Krylov, Krylov: lowrank.KrylovOptions{Accuracy: accuracy, Seed: 2}})
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					tail, got := floats.Norm(s[k:], 2), errorOf(a, f)
					rounding := 50 * n * 0x1p-53 * norm
					// the accuracy is an estimate from the growth of the values: twice it is allowed
					if !(got <= (1+2*accuracy)*tail+rounding) {
						t.Errorf("%s: error %.9g, optimum %.9g", name, got, tail)
					}
					check(t, name, f, a, got, tail, rounding)
				}
			}
		}
	}
}

func check(t *testing.T, name string, f *lowrank.Factors, a *mat.Dense, got, tail, rounding float64) {
	t.Helper()
	c := f.Cert
	switch c.Estimate {
	case "norms": // differs by eps ||A||^2 / error
		if !(math.Abs(c.Weighted-got) <= 1e-3*got+rounding) {
			t.Errorf("%s: error %.9g, certified %.9g from norms", name, got, c.Weighted)
		}
	case "probes":
		if !(got >= c.Low/2-rounding && got <= 2*c.High+rounding) { // outside of the 95 % interval by two: not in these few cases
			t.Errorf("%s: error %.9g, certified %.9g to %.9g from probes", name, got, c.Low, c.High)
		}
	default:
		if !(math.Abs(c.Weighted-got) <= rounding) {
			t.Errorf("%s: error %.9g, measured %.9g", name, got, c.Weighted)
		}
	}
	if !(c.Optimum <= tail*(1+1e-9)+rounding) {
		t.Errorf("%s: bound %.9g above the optimum %.9g", name, c.Optimum, tail)
	}
	if c.Why == "" || c.Passes < 1 || c.Products < f.Cert.Rank {
		t.Errorf("%s: certificate %+v", name, c)
	}
	u, v := f.Triplets()
	var back, us mat.Dense
	us.Mul(u, mat.NewDiagDense(len(f.S), f.S))
	back.Mul(&us, v.T())
	back.Sub(&back, product(f))
	if d := mat.Norm(&back, 2); !(d <= rounding) {
		t.Errorf("%s: U S Vᵀ differs from B A by %.3g", name, d)
	}
	for side, w := range map[string]*mat.Dense{"U": u, "V": v} {
		var gram mat.Dense
		gram.Mul(w.T(), w)
		for i := range len(f.S) {
			gram.Set(i, i, gram.At(i, i)-1)
		}
		if d := mat.Norm(&gram, 2); !(d <= 1e-12) {
			t.Errorf("%s: %s is off orthogonality by %.3g", name, side, d)
		}
	}
}

// Randomized with scikit-learn's words costs what it says and is as good as sketch.Range's table says.
func TestRandomizedSVD(t *testing.T) {
	const m, n, k = 200, 150, 20
	s := matgen.Power(n, 1)
	a := withValues(m, n, s)
	for power, bound := range map[int]float64{lowrank.NoPower: 1.6, 1: 1.03, 0: 1.006, 4: 1.0005} {
		f, err := lowrank.OperatorSVD(hidden(a), k, lowrank.Options{Method: lowrank.Randomized, Randomized: lowrank.RandomizedOptions{PowerIterations: power, Seed: 4}})
		if err != nil {
			t.Fatal(err)
		}
		iterations := map[int]int{lowrank.NoPower: 0, 1: 1, 0: 2, 4: 4}[power]
		if want := 2*iterations + 3; f.Cert.Passes != want { // one more for the probes, as the norm is not known
			t.Errorf("%d iterations: %d passes, want %d", iterations, f.Cert.Passes, want)
		}
		tail, got := floats.Norm(s[k:], 2), errorOf(a, f)
		if !(got <= bound*tail) {
			t.Errorf("%d iterations: error is %.5f of the optimum, allowed %.4f", iterations, got/tail, bound)
		}
		check(t, fmt.Sprint(iterations, " iterations"), f, a, got, tail, 1e-12)
	}
}

// A tolerance gets the least rank that can be shown to keep it.
func TestToleranceInsteadOfRank(t *testing.T) {
	const m, n = 160, 120
	for _, tc := range operatorSpectra {
		s := tc.s(n)
		a := withValues(m, n, s)
		norm := floats.Norm(s, 2)
		for _, tol := range []float64{0.5, 0.1, 1e-3, 1e-9} {
			least := 1
			for floats.Norm(s[least:], 2) > tol*norm {
				least++
			}
			for what, op := range map[string]linop.Operator{"dense": linop.Dense(a.RawMatrix()), "hidden": hidden(a)} {
				name := fmt.Sprintf("%s, %s, to %g", tc.name, what, tol)
				f, err := lowrank.OperatorSVD(op, 0, lowrank.Options{Tol: tol, Randomized: lowrank.RandomizedOptions{Seed: 1}})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				slack := 1.001
				if f.Cert.Estimate == "probes" {
					slack = 2
				}
				if got := errorOf(a, f); !(got <= slack*tol*norm+1e-13*norm) || f.Cert.Missed {
					t.Errorf("%s: error %.6g, allowed %.6g, %+v", name, got, tol*norm, f.Cert)
				}
				if f.Cert.Rank > least+least/4+2 {
					t.Errorf("%s: rank %d where %d is enough", name, f.Cert.Rank, least)
				}
			}
		}
	}
	f, err := lowrank.OperatorSVD(hidden(withValues(100, 90, matgen.Power(90, 0.5))), 5, lowrank.Options{Tol: 1e-3})
	if err != nil || !f.Cert.Missed || f.Cert.Rank != 5 {
		t.Errorf("too small a rank: %+v, %v", f, err)
	}
}

// Auto decomposes what is small and iterates on what is large, dense or sparse; what it did stands in the certificate.
func TestAutoChoosesBySize(t *testing.T) {
	small := withValues(60, 50, matgen.Power(50, 1))
	large := withValues(700, 400, matgen.Power(400, 1))
	for _, tc := range []struct {
		a      *mat.Dense
		k      int
		method string
	}{{small, 3, "gram"}, {large, 10, "krylov"}, {large, 200, "gram"}} {
		f, err := lowrank.SVD(tc.a, tc.k, lowrank.Options{})
		if err != nil || f.Cert.Method != tc.method || f.Cert.Estimate != "" || f.Cert.Weighted > 1.002*floats.Norm(matgen.Power(400, 1)[tc.k:], 2) {
			t.Errorf("rank %d: %+v, %v", tc.k, f.Cert, err)
		}
	}
	f, err := lowrank.OperatorSVD(hidden(small), 3, lowrank.Options{})
	if err != nil || f.Cert.Method != "exact" || f.Cert.Products != 50 || errorOf(small, f) > 1.0001*floats.Norm(matgen.Power(50, 1)[3:], 2) {
		t.Errorf("an operator: %+v, %v", f.Cert, err)
	}
	starts, index, value := []int{0}, []int32{}, []float64{}
	for i := range 900 {
		for j := i % 7; j < 300; j += 11 + i%13 {
			index, value = append(index, int32(j)), append(value, 1/float64(1+i+j))
		}
		starts = append(starts, len(index))
	}
	csr, err := sparse.New(900, 300, starts, index, value)
	if err != nil {
		t.Fatal(err)
	}
	if f, err = lowrank.OperatorSVD(csr, 5, lowrank.Options{}); err != nil {
		t.Fatal(err)
	}
	exact, err := lowrank.SVD(csr, 5, lowrank.Options{Method: lowrank.Exact})
	if err != nil || f.Cert.Method != "krylov" || errorOf(csr, f) > 1.002*errorOf(csr, exact) {
		t.Errorf("sparse: %+v, %v", f.Cert, err)
	}
}

func TestOperatorSVDErrors(t *testing.T) {
	a := withValues(300, 280, matgen.Power(280, 1))
	for _, k := range []int{-1, 0, 281} {
		if _, err := lowrank.OperatorSVD(hidden(a), k, lowrank.Options{}); err == nil {
			t.Errorf("rank %d was accepted", k)
		}
	}
	if _, err := lowrank.OperatorSVD(linop.Dense(blas64.General{Stride: 1}), 1, lowrank.Options{}); err == nil {
		t.Error("an empty operator was accepted")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, opts := range []lowrank.Options{{}, {Method: lowrank.Randomized}, {Tol: 0.1}} {
		if _, err := lowrank.OperatorSVD(linop.WithContext(ctx, hidden(a)), 5, opts); !errors.Is(err, context.Canceled) {
			t.Errorf("%+v: %v", opts, err)
		}
	}
	a.Set(7, 9, math.NaN())
	for _, opts := range []lowrank.Options{{}, {Method: lowrank.Randomized}, {Tol: 0.1}, {Method: lowrank.Exact}} {
		if _, err := lowrank.OperatorSVD(hidden(a), 5, opts); err == nil {
			t.Errorf("%+v: NaN was accepted", opts)
		}
	}
}

func TestOperatorSVDIgnoresThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	a := withValues(500, 300, matgen.Power(300, 1))
	for _, opts := range []lowrank.Options{{Method: lowrank.Krylov}, {Method: lowrank.Randomized}, {Tol: 0.1}} {
		var first *lowrank.Factors
		for _, threads := range []int{1, 2, 3} {
			runtime.GOMAXPROCS(threads)
			f, err := lowrank.OperatorSVD(linop.Dense(a.RawMatrix()), 20, opts)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = f
			} else if !mat.Equal(f.B, first.B) || !mat.Equal(f.A, first.A) {
				t.Errorf("%+v: other bits with %d threads", opts, threads)
			}
		}
	}
}

// A few passes over rows that are read from somewhere are enough for the leading part.
func ExampleOperatorSVD() {
	a := withValues(2000, 300, matgen.Power(300, 1))
	rows := stream(a)
	f, err := lowrank.OperatorSVD(rows, 10, lowrank.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	optimum := floats.Norm(matgen.Power(300, 1)[10:], 2)
	fmt.Printf("method %s, because %s\n", f.Cert.Method, f.Cert.Why)
	fmt.Printf("within 0.1 %% of the best error: %v, after %d passes\n", f.Cert.Weighted <= 1.001*optimum, rows.Passes())
	fmt.Printf("singular values %.3f\n", f.S[:3])
	// Output:
	// method krylov, because rank 10 is small beside 300
	// within 0.1 % of the best error: true, after 4 passes
	// singular values [1.000 0.500 0.333]
}
