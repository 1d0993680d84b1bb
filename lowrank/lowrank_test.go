package lowrank_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/lowrank"
)

// gaussian returns an m x n matrix of standard normal values.
func gaussian(rng *rand.Rand, m, n int) *mat.Dense {
	a := mat.NewDense(m, n, nil)
	for i := range m {
		for j := range n {
			a.Set(i, j, rng.NormFloat64())
		}
	}
	return a
}

// orthonormal returns an m x k matrix with orthonormal columns (m >= k).
func orthonormal(rng *rand.Rand, m, k int) *mat.Dense {
	var qr mat.QR
	qr.Factorize(gaussian(rng, m, k))
	var q mat.Dense
	qr.QTo(&q)
	return mat.DenseCopyOf(q.Slice(0, m, 0, k))
}

// withSingularValues returns an m x n matrix with singular values s and random vectors.
func withSingularValues(rng *rand.Rand, m, n int, s []float64) *mat.Dense {
	k := min(m, n)
	var us, a mat.Dense
	us.Mul(orthonormal(rng, m, k), mat.NewDiagDense(k, s))
	a.Mul(&us, orthonormal(rng, n, k).T())
	return &a
}

// moment returns XᵀX.
func moment(x mat.Matrix) *mat.SymDense {
	_, n := x.Dims()
	g := mat.NewSymDense(n, nil)
	g.SymOuterK(1, x.T())
	return g
}

// product returns B A.
func product(f *lowrank.Factors) *mat.Dense {
	var p mat.Dense
	p.Mul(f.B, f.A)
	return &p
}

// outputError returns ||X (W - C)ᵀ||_F: what a Gram matrix of X stands for, measured without it.
func outputError(x, w, c mat.Matrix) float64 {
	var e, y mat.Dense
	e.Sub(w, c)
	y.Mul(x, e.T())
	return mat.Norm(&y, 2)
}

func must(t testing.TB, f *lowrank.Factors, err error) *lowrank.Factors {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

type spectrumCase struct {
	name    string
	m, n, k int
	s       []float64
}

func spectra() []spectrumCase {
	var cases []spectrumCase
	for _, shape := range [][2]int{{40, 25}, {25, 40}, {30, 30}, {7, 1}, {1, 7}} {
		p := min(shape[0], shape[1])
		fill := func(f func(i int) float64) []float64 {
			s := make([]float64, p)
			for i := range s {
				s[i] = f(i)
			}
			return s
		}
		for name, s := range map[string][]float64{
			"geometric":      fill(func(i int) float64 { return math.Pow(0.5, float64(i)) }),
			"slow":           fill(func(i int) float64 { return math.Pow(float64(i+1), -0.35) }),
			"stepped":        fill(func(i int) float64 { return map[bool]float64{true: 1, false: 1e-9}[i < p/2] }),
			"repeated":       fill(func(i int) float64 { return 3 }),
			"rank-deficient": fill(func(i int) float64 { return math.Max(0, float64(p/3-i)) }),
			"tiny":           fill(func(i int) float64 { return 1e-150 * math.Pow(0.9, float64(i)) }),
			"huge":           fill(func(i int) float64 { return 1e150 * math.Pow(0.9, float64(i)) }),
			"zero":           fill(func(i int) float64 { return 0 }),
		} {
			for _, k := range []int{1, (p + 1) / 2, p} {
				cases = append(cases, spectrumCase{name, shape[0], shape[1], k, s})
			}
		}
	}
	slices.SortStableFunc(cases, func(a, b spectrumCase) int { return strings.Compare(a.name, b.name) })
	return cases
}

// No rank-k matrix is nearer to A than the tail of its singular values (Eckart, Young 1936), and SVD reaches it.
func TestSVDErrorEqualsTail(t *testing.T) {
	for _, tc := range spectra() {
		a := withSingularValues(rand.New(rand.NewPCG(1, 2)), tc.m, tc.n, tc.s)
		norm, tail := floats.Norm(tc.s, 2), floats.Norm(tc.s[tc.k:], 2)
		eps := 0x1p-53 * float64(max(tc.m, tc.n))
		// Exact truncates A+E, ||E||_F <= c n eps ||A||_F, c = 8 fixed beforehand; the distance to rank k is 1-Lipschitz, so
		// 2||E||_F, and ||E||_F once more for the rounding when A was built. Gram errs by the same in the squares, so that the
		// error is at most sqrt(tail^2 + delta) and its difference to the tail at most sqrt(delta).
		for method, tol := range map[lowrank.Method]float64{
			lowrank.Exact: 3 * 8 * eps * norm,
			lowrank.Gram:  math.Sqrt(3*8*eps) * norm,
			lowrank.Auto:  3*8*eps*norm + 1e-8*tail,
		} {

			f, err := lowrank.SVD(a, tc.k, lowrank.Options{Method: method})
			if err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			var e mat.Dense
			e.Sub(a, product(f))
			if got := mat.Norm(&e, 2); !(math.Abs(got-tail) <= tol) {
				t.Errorf("%s %dx%d rank %d, method %v: error %v, tail %v, tolerance %.2g", tc.name, tc.m, tc.n, tc.k, method, got, tail, tol)
			}
			for what, got := range map[string]float64{"error": f.Cert.Weighted, "optimum": f.Cert.Optimum, "plain optimum": f.Cert.PlainOptimum} {
				if !(math.Abs(got-tail) <= tol) {
					t.Errorf("%s %dx%d rank %d, method %v: certified %s %v, tail %v, tolerance %.2g", tc.name, tc.m, tc.n, tc.k, method, what, got, tail, tol)
				}
			}
			for i, s := range f.S {
				if !(math.Abs(s-tc.s[i]) <= tol) {
					t.Errorf("%s: singular value %d is %v, want %v within %.2g", tc.name, i, s, tc.s[i], tol)
				}
			}
			want := lowrank.Certificate{Rank: tc.k, Params: int64(tc.k * (tc.m + tc.n)), MulAdds: int64(tc.k * (tc.m + tc.n))}
			if f.Cert.Rank != want.Rank || f.Cert.Params != want.Params || f.Cert.MulAdds != want.MulAdds {
				t.Errorf("%s: certificate %+v", tc.name, f.Cert)
			}
		}
	}
}

// Auto must not use a Gram matrix where its error could be seen.
func TestAutoAvoidsGramWhereAccuracyNeedsIt(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	steep, flat := make([]float64, 30), make([]float64, 30)
	for i := range steep {
		steep[i], flat[i] = math.Pow(10, -float64(i)/2), 1
	}
	for _, tc := range []struct {
		s      []float64
		k      int
		method string
	}{{flat, 20, "gram"}, {steep, 20, "exact"}, {flat, 30, "exact"}} {

		f, err := lowrank.SVD(withSingularValues(rng, 40, 30, tc.s), tc.k, lowrank.Options{})
		if err != nil || f.Cert.Method != tc.method {
			t.Errorf("rank %d of values %v...: method %q, want %q (%v)", tc.k, tc.s[:2], f.Cert.Method, tc.method, err)
		}
	}
}

// A spectrum cut at any rank gives what SVD gives at that rank.
func TestSpectrumCutEqualsSVD(t *testing.T) {
	a := gaussian(rand.New(rand.NewPCG(5, 6)), 20, 31)
	s, err := lowrank.NewSpectrum(a, 0, lowrank.Options{Method: lowrank.Gram})
	if err != nil {
		t.Fatal(err)
	}
	for k := 1; k <= 20; k++ {
		f, err := s.Cut(k)
		g, err2 := lowrank.SVD(a, k, lowrank.Options{Method: lowrank.Gram})
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		// Singular vectors of a Gaussian matrix this small are well separated (checked: gaps above 1e-3 of the norm), so both
		// projections agree to about eps/gap.
		var d mat.Dense
		d.Sub(product(f), product(g))
		if e := mat.Norm(&d, 2); !(e <= 1e-10*mat.Norm(a, 2)) {
			t.Errorf("rank %d: factors differ by %.3g", k, e)
		}
		if math.Abs(s.Tail(k)-g.Cert.Optimum) > 1e-12*s.Norm() && k < 20 {
			t.Errorf("rank %d: tail %v and %v", k, s.Tail(k), g.Cert.Optimum)
		}
	}
}

// Even, IntoA and IntoB give one product; the last two leave the other factor orthonormal. The largest element of each
// column of B is positive.
func TestSplitAndSigns(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, shape := range [][2]int{{12, 18}, {18, 12}} {
		a := gaussian(rng, shape[0], shape[1])
		g := moment(gaussian(rng, 60, shape[1]))
		for name, fit := range map[string]func(lowrank.Split) (*lowrank.Factors, error){
			"svd": func(s lowrank.Split) (*lowrank.Factors, error) { return lowrank.SVD(a, 5, lowrank.Options{Split: s}) },
			"whitened": func(s lowrank.Split) (*lowrank.Factors, error) {
				return lowrank.Whitened(a, g, 5, lowrank.Options{Split: s})
			},
		} {
			f, err := fit(lowrank.Even)
			even := must(t, f, err)
			f, err = fit(lowrank.IntoA)
			intoA := must(t, f, err)
			f, err = fit(lowrank.IntoB)
			intoB := must(t, f, err)
			for _, other := range []*lowrank.Factors{intoA, intoB} {
				if !mat.EqualApprox(product(even), product(other), 1e-12) {
					t.Errorf("%s: splits give different products", name)
				}
			}
			var q mat.Dense
			q.Mul(intoA.B.T(), intoA.B)
			if !mat.EqualApprox(&q, mat.NewDiagDense(5, []float64{1, 1, 1, 1, 1}), 1e-12) {
				t.Errorf("%s: columns of B are not orthonormal", name)
			}
			if name == "svd" {
				q.Mul(intoB.A, intoB.A.T())
				if !mat.EqualApprox(&q, mat.NewDiagDense(5, []float64{1, 1, 1, 1, 1}), 1e-12) {
					t.Errorf("%s: rows of A are not orthonormal", name)
				}
			}
			for _, f := range []*lowrank.Factors{even, intoA, intoB} {
				for j := range 5 {
					col := mat.Col(nil, j, f.B)
					if largest := floats.Max(col); largest < -floats.Min(col) {
						t.Errorf("%s: column %d of B has largest element %v", name, j, floats.Min(col))
					}
				}
			}
		}
	}
}

func TestScaled(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, shape := range [][2]int{{15, 22}, {22, 15}} {
		m, n := shape[0], shape[1]
		w, scale := gaussian(rng, m, n), make([]float64, n)
		for j := range scale {
			scale[j] = math.Exp(2 * rng.NormFloat64())
		}
		scale[3] = 0
		var ws mat.Dense
		ws.Mul(w, mat.NewDiagDense(n, scale))
		var svd mat.SVD
		svd.Factorize(&ws, mat.SVDNone)
		values := svd.Values(nil)
		for _, k := range []int{1, 7, 14} {
			f, err := lowrank.Scaled(w, scale, k, lowrank.Options{})
			must(t, f, err)
			var e mat.Dense
			e.Sub(w, product(f))
			e.Mul(&e, mat.NewDiagDense(n, scale))
			tail := floats.Norm(values[k:], 2)
			// The Gram route is used where its error is below 1e-8 of the discarded energy; Exact to 24 n eps otherwise.
			tol := 24*float64(max(m, n))*0x1p-53*values[0]*math.Sqrt(float64(n)) + 1e-8*tail
			if got := mat.Norm(&e, 2); !(math.Abs(got-tail) <= tol) || !(math.Abs(f.Cert.Weighted-got) <= tol) || !(math.Abs(f.Cert.Optimum-tail) <= tol) {
				t.Errorf("%dx%d rank %d: error %v, certified %v of optimum %v, tail %v", m, n, k, got, f.Cert.Weighted, f.Cert.Optimum, tail)
			}
		}
	}
}

func TestKrylov(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for _, shape := range [][2]int{{300, 200}, {200, 300}} {
		s := make([]float64, 200)
		for i := range s {
			s[i] = 1 / float64(i+1)
		}
		a := withSingularValues(rng, shape[0], shape[1], s)
		for _, k := range []int{1, 10, 30} {
			opts := lowrank.Options{Method: lowrank.Krylov, Krylov: lowrank.KrylovOptions{Seed: 5}}
			f, err := lowrank.SVD(a, k, opts)
			must(t, f, err)
			tail := floats.Norm(s[k:], 2)
			// Musco and Musco (theorem 10): (1 + e) times the optimum with blocks about log n / sqrt(e); 4 blocks at n = 200 promise
			// no more than e of order one, so the bound tested is a tenth of that, and the certificate's is exact.
			if !(f.Cert.Weighted <= 1.1*tail) {
				t.Errorf("rank %d: error %v, optimum %v", k, f.Cert.Weighted, tail)
			}
			var e mat.Dense
			e.Sub(a, product(f))
			if got := mat.Norm(&e, 2); !(math.Abs(got-f.Cert.Weighted) <= 1e-12) {
				t.Errorf("rank %d: error %v, certified %v", k, got, f.Cert.Weighted)
			}
			if !(f.Cert.Optimum <= tail*(1+1e-12)) || !f.Cert.LowerBound {
				t.Errorf("rank %d: optimum bounded below by %v, but it is %v", k, f.Cert.Optimum, tail)
			}
			again, err := lowrank.SVD(a, k, opts)
			must(t, again, err)
			if !mat.Equal(f.B, again.B) || !mat.Equal(f.A, again.A) {
				t.Errorf("rank %d: the same seed gives other factors", k)
			}
		}
	}
	// Where the spectrum falls fast, the bound is tight.
	s := make([]float64, 200)
	for i := range s {
		s[i] = math.Pow(0.7, float64(i))
	}
	f, err := lowrank.SVD(withSingularValues(rng, 300, 200, s), 20, lowrank.Options{Method: lowrank.Krylov})
	must(t, f, err)
	if tail := floats.Norm(s[20:], 2); !(f.Cert.Optimum >= 0.999*tail) || !(f.Cert.Weighted <= 1.001*tail) {
		t.Errorf("geometric: error %v, bound %v, optimum %v", f.Cert.Weighted, f.Cert.Optimum, tail)
	}
}

func TestErrorsNameTheReason(t *testing.T) {
	w, g := mat.NewDense(3, 4, nil), mat.NewSymDense(4, nil)
	g.SetSym(0, 0, 1)
	bad := mat.NewDense(3, 4, nil)
	bad.Set(1, 2, math.NaN())
	badGram := mat.NewSymDense(4, nil)
	badGram.SetSym(2, 3, math.Inf(1))
	indefinite := mat.NewSymDense(4, []float64{1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1})
	for want, call := range map[string]func() (*lowrank.Factors, error){
		"rank 0":              func() (*lowrank.Factors, error) { return lowrank.SVD(w, 0, lowrank.Options{}) },
		"rank 4":              func() (*lowrank.Factors, error) { return lowrank.SVD(w, 4, lowrank.Options{}) },
		"rank -1":             func() (*lowrank.Factors, error) { return lowrank.Whitened(w, g, -1, lowrank.Options{}) },
		"(1, 2) is NaN":       func() (*lowrank.Factors, error) { return lowrank.SVD(bad, 1, lowrank.Options{}) },
		"element (1, 2)":      func() (*lowrank.Factors, error) { return lowrank.Whitened(bad, g, 1, lowrank.Options{}) },
		"(2, 3) is +Inf":      func() (*lowrank.Factors, error) { return lowrank.Whitened(w, badGram, 1, lowrank.Options{}) },
		"not a second moment": func() (*lowrank.Factors, error) { return lowrank.Whitened(w, indefinite, 1, lowrank.Options{}) },
		"Gram matrix of 5 x 5": func() (*lowrank.Factors, error) {
			return lowrank.Whitened(w, mat.NewSymDense(5, []float64{0: 1, 24: 1}), 1, lowrank.Options{})
		},
		"no Cholesky factor": func() (*lowrank.Factors, error) {
			return lowrank.Whitened(w, g, 1, lowrank.Options{Form: lowrank.Cholesky})
		},
		"2 scales": func() (*lowrank.Factors, error) { return lowrank.Scaled(w, []float64{1, 2}, 1, lowrank.Options{}) },
		"scale 1 is -2": func() (*lowrank.Factors, error) {
			return lowrank.Scaled(w, []float64{1, -2, 1, 1}, 1, lowrank.Options{})
		},
		"a mean of 3 values": func() (*lowrank.Factors, error) {
			return lowrank.Affine(w, g, make([]float64, 3), 1, lowrank.Options{})
		},
		"one rank, not a": func() (*lowrank.Factors, error) {
			return lowrank.Scaled(w, []float64{1, 1, 1, 1}, 1, lowrank.Options{Method: lowrank.Krylov})
		},
	} {
		f, err := call()
		if err == nil || f != nil || !strings.HasPrefix(err.Error(), "lowrank: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
	s, err := lowrank.NewSpectrum(gaussian(rand.New(rand.NewPCG(1, 1)), 5, 6), 2, lowrank.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cut(3); err == nil {
		t.Error("cut beyond the rank that the spectrum was made for")
	}
}

func TestFactorsAreTheSameForAnyGOMAXPROCS(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	rng := rand.New(rand.NewPCG(13, 14))
	w, g := gaussian(rng, 150, 130), moment(gaussian(rng, 300, 130))
	var want *lowrank.Factors
	for _, procs := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(procs)
		f, err := lowrank.Whitened(w, g, 60, lowrank.Options{})
		must(t, f, err)
		if want == nil {
			want = f
		}
		if !mat.Equal(f.A, want.A) || !mat.Equal(f.B, want.B) || f.Cert != want.Cert {
			t.Fatalf("GOMAXPROCS=%d gives other bits", procs)
		}
	}
}

func TestKeepRank(t *testing.T) { // the card's table for SmolLM2-135M
	for _, tc := range []struct {
		m, n int
		want [4]int
	}{{576, 576, [4]int{259, 230, 201, 172}}, {192, 576, [4]int{129, 115, 100, 86}}, {1536, 576, [4]int{377, 335, 293, 251}}} {
		for i, keep := range []float64{0.9, 0.8, 0.7, 0.6} {
			if got := lowrank.KeepRank(tc.m, tc.n, keep); got != tc.want[i] {
				t.Errorf("%dx%d keep %v: rank %d, want %d", tc.m, tc.n, keep, got, tc.want[i])
			}
		}
	}
}

func BenchmarkWhitened(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][2]int{{576, 1536}, {1536, 576}, {576, 576}, {192, 576}} {
		m, n := shape[0], shape[1]
		w, g := gaussian(rng, m, n), moment(gaussian(rng, 2*n, n))
		b.Run(fmt.Sprintf("%dx%d", m, n), func(b *testing.B) {
			h, err := lowrank.NewWhitener(g)
			if err != nil {
				b.Fatal(err)
			}
			k := lowrank.KeepRank(m, n, 0.8)
			for b.Loop() {
				s, err := h.Spectrum(w, k, lowrank.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.Cut(k); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("whitener-%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := lowrank.NewWhitener(g); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSVD(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	a := gaussian(rng, 576, 1536)
	for _, method := range []lowrank.Method{lowrank.Auto, lowrank.Gram, lowrank.Krylov, lowrank.Exact} {
		for _, k := range []int{32, 335} {
			b.Run(fmt.Sprintf("method-%d/576x1536/rank-%d", method, k), func(b *testing.B) {
				for b.Loop() {
					f, err := lowrank.SVD(a, k, lowrank.Options{Method: method})
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(f.Cert.Weighted/f.Cert.WeightedNorm, "relative-error")
				}
			})
		}
	}
}
