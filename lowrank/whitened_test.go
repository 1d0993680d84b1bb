package lowrank_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/lowrank"
)

// inputs returns t inputs of n channels whose covariance falls like 1/i in a random basis, with some channels 50 times larger
// and a mean: outliers such as language models have. Condition of the moment: about 1e6.
func inputs(rng *rand.Rand, t, n int) *mat.Dense {
	var x mat.Dense
	root := mat.NewDense(n, n, nil)
	for i := range n {
		root.Set(i, i, math.Sqrt(1/float64(i+1)))
	}
	root.Mul(root, orthonormal(rng, n, n).T())
	x.Mul(gaussian(rng, t, n), root)
	for i := range t {
		for j := range n {
			v := x.At(i, j) + 0.3*math.Sin(float64(j))
			if j%11 == 3 {
				v *= 50
			}
			x.Set(i, j, v)
		}
	}
	return &x
}

// singularInputs returns inputs with fewer tokens than channels, channels that are copies of others, and dead ones.
func singularInputs(rng *rand.Rand, t, n int) *mat.Dense {
	x := inputs(rng, t, n)
	for i := range t {
		x.Set(i, 1, x.At(i, 0))
		x.Set(i, n-1, 0)
	}
	return x
}

// The energy of the singular values that are cut off is the measured error of the outputs, to 1e-8 (card svd-baselines,
// acceptance (a)), for every form, on either side of square, for regular and singular second moments.
func TestWhitenedErrorIsOptimal(t *testing.T) {
	for _, shape := range [][2]int{{20, 33}, {33, 20}, {24, 24}} {
		m, n := shape[0], shape[1]
		for _, tokens := range []int{400, n, n / 2, 1} {
			rng := rand.New(rand.NewPCG(uint64(m), uint64(tokens)))
			w, x := gaussian(rng, m, n), inputs(rng, tokens, n)
			if tokens == n {
				x = singularInputs(rng, tokens, n)
			}
			var y mat.Dense
			y.Mul(x, w.T())
			var svd mat.SVD // the oracle: the outputs' own singular values
			svd.Factorize(&y, mat.SVDNone)
			values := svd.Values(nil)
			for _, form := range []lowrank.Form{lowrank.AutoForm, lowrank.InverseFree, lowrank.Cholesky, lowrank.Eigen} {
				if form == lowrank.Cholesky && tokens != 400 {
					continue // it does not exist
				}
				for _, k := range []int{1, 3, min(m, n) / 2, min(m, n) - 1, min(m, n)} {
					what := fmt.Sprintf("%dx%d, %d tokens, form %d, rank %d", m, n, tokens, form, k)
					f, err := lowrank.Whitened(w, moment(x), k, lowrank.Options{Form: form})
					if err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					var optimum float64
					for _, s := range values[min(k, len(values)):] {
						optimum += s * s
					}
					total := f.Cert.WeightedNorm * f.Cert.WeightedNorm
					e := outputError(x, w, product(f))
					// Squares: 1e-8 of the energy, and rounding of n eps times the total where the energy itself is that small. Whitening
					// by an inverse adds n eps cond(G) of the energy carried through it: cond <= 1e8 here, eigenvalues below 1e-14 dropped.
					tol := 1e-8*optimum + 64*float64(n)*0x1p-53*total
					if form == lowrank.Cholesky || form == lowrank.Eigen {
						tol += math.Pow(0x1p-53*float64(n)*math.Sqrt(f.Cert.Condition), 2) * total
					}
					for name, got := range map[string]float64{"measured": e * e, "certified": square(f.Cert.Weighted), "optimum": square(f.Cert.Optimum)} {
						if !(math.Abs(got-optimum) <= tol) {
							t.Errorf("%s: %s energy %.12g, discarded %.12g, tolerance %.3g", what, name, got, optimum, tol)
						}
					}
					if want := min(tokens, n); f.Cert.GramRank > want || (tokens == 400 && f.Cert.GramRank != n) {
						t.Errorf("%s: Gram rank %d of %d", what, f.Cert.GramRank, want)
					}
				}
			}
		}
	}
}

func square(x float64) float64 { return x * x }

// Full rank reproduces the outputs to 1e-6, and the weight itself where no direction is missing.
func TestFullRankReproduces(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for _, shape := range [][2]int{{20, 33}, {33, 20}} {
		m, n := shape[0], shape[1]
		w := gaussian(rng, m, n)
		for _, x := range []*mat.Dense{inputs(rng, 300, n), singularInputs(rng, 300, n), inputs(rng, 5, n)} {
			for _, form := range []lowrank.Form{lowrank.AutoForm, lowrank.InverseFree, lowrank.Eigen} {
				f, err := lowrank.Whitened(w, moment(x), min(m, n), lowrank.Options{Form: form})
				must(t, f, err)
				if e := outputError(x, w, product(f)) / outputError(x, w, mat.NewDense(m, n, nil)); !(e < 1e-6) {
					t.Errorf("%dx%d form %d: relative output error %.3g at full rank", m, n, form, e)
				}
			}
		}
	}
}

// Any T with T Tᵀ = G gives the same product (card, "facts to exploit"), to 1e-6.
func TestFormsAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 24))
	for _, shape := range [][2]int{{20, 33}, {33, 20}, {30, 30}} {
		m, n := shape[0], shape[1]
		w, x := gaussian(rng, m, n), inputs(rng, 500, n)
		g := moment(x)
		for _, k := range []int{1, 8, 15} {
			var first *mat.Dense
			for _, form := range []lowrank.Form{lowrank.Cholesky, lowrank.Eigen, lowrank.InverseFree} {
				f, err := lowrank.Whitened(w, g, k, lowrank.Options{Form: form})
				must(t, f, err)
				p := product(f)
				if first == nil {
					first = p
				}
				var d mat.Dense
				d.Sub(p, first)
				if e := mat.Norm(&d, 2) / mat.Norm(w, 2); !(e < 1e-6) {
					t.Errorf("%dx%d rank %d: form %d differs by %.3g", m, n, k, form, e)
				}
			}
		}
	}
}

// alternating minimises ||X (W - B A)ᵀ|| by alternating least squares from a random start, and returns the error.
func alternating(rng *rand.Rand, x, w *mat.Dense, k, sweeps int) float64 {
	m, n := w.Dims()
	a, b := gaussian(rng, k, n), mat.NewDense(m, k, nil)
	var y mat.Dense
	y.Mul(x, w.T())
	for range sweeps {
		var h, bt, at, z, rest mat.Dense
		h.Mul(x, a.T())
		if bt.Solve(&h, &y) != nil {
			return math.Inf(1)
		}
		b = mat.DenseCopyOf(bt.T())
		// X Aᵀ Bᵀ ~ Y: Aᵀ = X^+ Y B (BᵀB)^-1
		var gram mat.Dense
		gram.Mul(b.T(), b)
		rest.Mul(&y, b)
		var scaled mat.Dense
		if scaled.Solve(&gram, rest.T()) != nil {
			return math.Inf(1)
		}
		if z.Solve(x, scaled.T()) != nil {
			return math.Inf(1)
		}
		at.CloneFrom(&z)
		a = mat.DenseCopyOf(at.T())
	}
	var p mat.Dense
	p.Mul(b, a)
	return outputError(x, w, &p)
}

// 200 restarts of another minimiser do not beat the closed form by more than 1e-9, and the best of them comes near it.
func TestNoRestartBeatsWhitened(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 26))
	w, x := gaussian(rng, 6, 5), inputs(rng, 40, 5)
	for _, k := range []int{1, 2, 3, 4} {
		f, err := lowrank.Whitened(w, moment(x), k, lowrank.Options{})
		must(t, f, err)
		best := math.Inf(1)
		for range 200 {
			best = math.Min(best, alternating(rng, x, w, k, 40))
		}
		if !(best >= f.Cert.Weighted*(1-1e-9)) {
			t.Errorf("rank %d: a restart reached %v, the closed form %v", k, best, f.Cert.Weighted)
		}
		if !(best <= f.Cert.Weighted*(1+1e-3)) {
			t.Errorf("rank %d: the best restart reached %v only, the closed form %v: the check is weak", k, best, f.Cert.Weighted)
		}
	}
}

// Singular values scale with W and with the root of G, and nothing overflows on the way.
func TestWhitenedScales(t *testing.T) {
	rng := rand.New(rand.NewPCG(27, 28))
	for _, shape := range [][2]int{{9, 14}, {14, 9}} {
		w, g := gaussian(rng, shape[0], shape[1]), moment(inputs(rng, 50, shape[1]))
		f, err := lowrank.Whitened(w, g, 4, lowrank.Options{})
		must(t, f, err)
		for _, tc := range [][2]float64{{0x1p400, 0x1p-800}, {0x1p-400, 0x1p800}, {1, 0x1p600}, {0x1p300, 1}} {
			var ws mat.Dense
			ws.Scale(tc[0], w)
			gs := mat.NewSymDense(g.SymmetricDim(), nil)
			gs.ScaleSym(tc[1], g)
			s, err := lowrank.Whitened(&ws, gs, 4, lowrank.Options{})
			must(t, s, err)
			factor := tc[0] * math.Sqrt(tc[1])
			for name, pair := range map[string][2]float64{
				"error": {s.Cert.Weighted, f.Cert.Weighted}, "optimum": {s.Cert.Optimum, f.Cert.Optimum}, "value": {s.S[3], f.S[3]},
			} {
				if !(math.Abs(pair[0]/factor-pair[1]) <= 1e-9*pair[1]) {
					t.Errorf("W times %g, G times %g: %s %g, want %g", tc[0], tc[1], name, pair[0], pair[1]*factor)
				}
			}
		}
	}
}

// With no inputs seen, or inputs that never change, there is still a sensible answer.
func TestWhitenedWithoutInformation(t *testing.T) {
	rng := rand.New(rand.NewPCG(29, 30))
	for _, shape := range [][2]int{{9, 14}, {14, 9}} {
		m, n := shape[0], shape[1]
		w := gaussian(rng, m, n)
		plain, err := lowrank.SVD(w, 3, lowrank.Options{})
		must(t, plain, err)
		f, err := lowrank.Whitened(w, mat.NewSymDense(n, nil), 3, lowrank.Options{})
		must(t, f, err)
		if !mat.EqualApprox(product(f), product(plain), 1e-12) || f.Cert.GramRank != 0 || f.Cert.Weighted != 0 {
			t.Errorf("zero Gram matrix: certificate %+v", f.Cert)
		}
		mean := make([]float64, n) // the same input always
		for j := range mean {
			mean[j] = rng.NormFloat64()
		}
		g := moment(mat.NewDense(1, n, mean))
		f, err = lowrank.Affine(w, g, mean, 3, lowrank.Options{})
		must(t, f, err)
		var y, yc mat.VecDense
		y.MulVec(w, mat.NewVecDense(n, mean))
		yc.MulVec(product(f), mat.NewVecDense(n, mean))
		yc.AddVec(&yc, mat.NewVecDense(m, f.Shift))
		if !mat.EqualApprox(&y, &yc, 1e-12*mat.Norm(&y, 2)) {
			t.Errorf("constant input: output %v, want %v", yc, y)
		}
	}
}

// The local update never raises the error for the moment it is given, and reaches the least squares optimum (by QR, from
// the inputs themselves).
func TestUpdateBNeverRaisesTheError(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	for _, shape := range [][2]int{{20, 33}, {33, 20}} {
		m, n := shape[0], shape[1]
		w, x := gaussian(rng, m, n), inputs(rng, 400, n)
		var noise, moved mat.Dense // what reaches the layer through compressed layers
		noise.Scale(0.1, gaussian(rng, 400, n))
		moved.Add(x, &noise)
		for name, later := range map[string]*mat.Dense{"the same": x, "moved": &moved, "few": inputs(rng, 3, n)} {
			for _, k := range []int{1, 6, 13} {
				f, err := lowrank.Whitened(w, moment(x), k, lowrank.Options{})
				must(t, f, err)
				u, err := lowrank.UpdateB(w, f, moment(later))
				must(t, u, err)
				before, after := outputError(later, w, product(f)), outputError(later, w, product(u))
				if !(after <= before*(1+1e-12)) {
					t.Errorf("%dx%d rank %d, %s: error rose from %v to %v", m, n, k, name, before, after)
				}
				if !(math.Abs(u.Cert.Weighted-after) <= 1e-9*u.Cert.WeightedNorm) {
					t.Errorf("%dx%d rank %d, %s: error %v, certified %v", m, n, k, name, after, u.Cert.Weighted)
				}
				if !mat.Equal(u.A, f.A) {
					t.Errorf("A was changed")
				}
				if name == "few" {
					continue
				}
				var h, y, bt, p mat.Dense
				h.Mul(later, f.A.T())
				y.Mul(later, w.T())
				if err := bt.Solve(&h, &y); err != nil {
					t.Fatal(err)
				}
				p.Mul(bt.T(), f.A)
				// The ridge keeps a part of at most 1e-6 tr/k over the least eigenvalue of A G Aᵀ of the improvement.
				if best := outputError(later, w, &p); !(after-best <= 1e-2*(before-best)+1e-9*before) {
					t.Errorf("%dx%d rank %d, %s: error %v after the update, least squares reach %v (before %v)", m, n, k, name, after, best, before)
				}
			}
		}
	}
}

// Measuring in float32 agrees with float64 as its documentation says, for inputs with outliers, and falls back where G is
// singular.
func TestCertifyFloat32(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	for _, shape := range [][2]int{{40, 70}, {70, 40}, {16, 200}} {
		m, n := shape[0], shape[1]
		for _, x := range []*mat.Dense{inputs(rng, 3*n, n), singularInputs(rng, n/2, n)} {
			h, err := lowrank.NewWhitener(moment(x))
			if err != nil {
				t.Fatal(err)
			}
			s, err := h.Spectrum(gaussian(rng, m, n), 0, lowrank.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range []int{1, min(m, n) / 3, min(m, n) - 1} {
				f, err := s.Factors(k)
				if err != nil {
					t.Fatal(err)
				}
				b, a := single(f.B), single(f.A)
				got, err := s.CertifyFloat32(b, a)
				if err != nil {
					t.Fatal(err)
				}
				want, err := s.Certify(double(b), double(a))
				if err != nil {
					t.Fatal(err)
				}
				u := math.Sqrt(float64(n)) * 0x1p-24
				bound := u + square(u*want.WeightedNorm/want.Weighted)
				if e := math.Abs(got.Weighted/want.Weighted - 1); !(e <= bound) {
					t.Errorf("%dx%d rank %d: weighted error %v, in float64 %v: relatively %.3g, bound %.3g", m, n, k, got.Weighted, want.Weighted, e, bound)
				}
				got.Weighted, got.Frobenius, want.Frobenius = want.Weighted, 0, 0
				if got != want {
					t.Errorf("%dx%d rank %d: certificate %+v, in float64 %+v", m, n, k, got, want)
				}
			}
		}
	}
}

// single rounds a to float32, and double widens it again.
func single(a *mat.Dense) blas32.General {
	m, n := a.Dims()
	g := blas32.General{Rows: m, Cols: n, Stride: n, Data: make([]float32, m*n)}
	for i, v := range a.RawMatrix().Data {
		g.Data[i] = float32(v)
	}
	return g
}

func double(g blas32.General) *mat.Dense {
	a := mat.NewDense(g.Rows, g.Cols, nil)
	for i, v := range g.Data {
		a.RawMatrix().Data[i] = float64(v)
	}
	return a
}

// Factors cut in float32 are as good as those cut in float64 and rounded, with one of either side longer, with and without a
// mean.
func TestFactorsFloat32(t *testing.T) {
	rng := rand.New(rand.NewPCG(33, 34))
	for _, shape := range [][2]int{{40, 70}, {70, 40}} {
		m, n := shape[0], shape[1]
		w, x := gaussian(rng, m, n), inputs(rng, 4*n, n)
		g, mean := moment(x), make([]float64, n)
		for j := range n {
			mean[j] = mat.Sum(x.ColView(j)) / float64(4*n)
		}
		g.ScaleSym(1/float64(4*n), g)
		plain, err := lowrank.NewWhitener(g)
		if err != nil {
			t.Fatal(err)
		}
		centred, err := lowrank.NewCentredWhitener(g, mean)
		if err != nil {
			t.Fatal(err)
		}
		for name, h := range map[string]*lowrank.Whitener{"plain": plain, "centred": centred} {
			s, err := h.Spectrum(w, 0, lowrank.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range []int{1, 13, 39} {
				f, err := s.FactorsFloat32(k)
				if err != nil {
					t.Fatal(err)
				}
				wide, err := s.Factors(k)
				if err != nil {
					t.Fatal(err)
				}
				got, err := s.Certify(double(f.B), double(f.A))
				if err != nil {
					t.Fatal(err)
				}
				u := 2 * math.Sqrt(float64(m+n)) * 0x1p-24
				if loss := got.Weighted/got.Optimum - 1; !(loss <= u+square(u*got.WeightedNorm/got.Optimum)) {
					t.Errorf("%s %dx%d rank %d: error %.3g above the optimum", name, m, n, k, loss)
				}
				var d mat.Dense
				d.Sub(double(f.B), wide.B)
				if e := mat.Norm(&d, 2) / mat.Norm(wide.B, 2); !(e < 2e-5) {
					t.Errorf("%s %dx%d rank %d: B differs by %.3g", name, m, n, k, e)
				}
				if (f.Shift == nil) != (name == "plain") {
					t.Errorf("%s: shift of %d values", name, len(f.Shift))
				}
				for i, v := range f.Shift {
					if size := math.Abs(wide.Shift[i]) + mat.Norm(w.RowView(i), 2)*norm(mean); !(math.Abs(v-wide.Shift[i]) < 1e-5*size) {
						t.Errorf("%s %dx%d rank %d: shift %d is %v, in float64 %v", name, m, n, k, i, v, wide.Shift[i])
					}
				}
			}
		}
	}
}

func norm(x []float64) float64 { return mat.Norm(mat.NewVecDense(len(x), x), 2) }
