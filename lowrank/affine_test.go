package lowrank_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/eckart-go/eckart/lowrank"
)

// statistics returns E[x xᵀ] and E[x].
func statistics(x *mat.Dense) (*mat.SymDense, []float64) {
	t, n := x.Dims()
	g := moment(x)
	g.ScaleSym(1/float64(t), g)
	mean := make([]float64, n)
	for j := range mean {
		mean[j] = stat.Mean(mat.Col(nil, j, x), nil)
	}
	return g, mean
}

// affineError returns the mean over the inputs of ||W x + b - (C x + c)||^2.
func affineError(x, w *mat.Dense, b []float64, c mat.Matrix, cb []float64) float64 {
	t, _ := x.Dims()
	m, _ := w.Dims()
	var e, y mat.Dense
	e.Sub(w, c)
	y.Mul(x, e.T())
	var sum float64
	for i := range t {
		for j := range m {
			sum += square(y.At(i, j) + b[j] - cb[j])
		}
	}
	return sum / float64(t)
}

// The card lord, acceptance (a): full rank reproduces the layer; the mean squared error is the sum of the discarded eigenvalues
// of the outputs' covariance to 1e-9; the error is never above SVD-LLM's; the output-side form of the statistics gives the same
// factors to 1e-10.
func TestAffineIsPCAOfTheOutputs(t *testing.T) {
	for _, shape := range [][2]int{{12, 10}, {10, 12}, {30, 18}} {
		m, n := shape[0], shape[1]
		rng := rand.New(rand.NewPCG(uint64(m), 41))
		w, x, b := gaussian(rng, m, n), inputs(rng, 300, n), make([]float64, m)
		for i := range b {
			b[i] = rng.NormFloat64()
		}
		g, mean := statistics(x)
		var y mat.Dense
		y.Mul(x, w.T())
		cov := mat.NewSymDense(m, nil)
		stat.CovarianceMatrix(cov, &y, nil)
		cov.ScaleSym(299.0/300, cov)
		var eig mat.EigenSym
		eig.Factorize(cov, true)
		values := eig.Values(nil) // ascending
		var vectors mat.Dense
		eig.VectorsTo(&vectors)
		norm := mat.Trace(cov)
		for k := 1; k <= min(m, n); k++ {
			f, err := lowrank.Affine(w, g, mean, k, lowrank.Options{})
			must(t, f, err)
			var discarded float64
			for _, v := range values[:m-k] {
				discarded += math.Max(0, v)
			}
			e := affineError(x, w, b, product(f), f.Bias(b))
			// 1e-9 of the energy, and n eps of the total moment where the energy is at rounding level.
			tol := 1e-9*discarded + 64*float64(n)*0x1p-53*(norm+mat.Trace(g))
			for name, got := range map[string]float64{"measured": e, "certified": square(f.Cert.Weighted), "optimum": square(f.Cert.Optimum)} {
				if !(math.Abs(got-discarded) <= tol) {
					t.Errorf("%dx%d rank %d: %s error %.12g, discarded eigenvalues %.12g, tolerance %.2g", m, n, k, name, got, discarded, tol)
				}
			}
			plain, err := lowrank.Whitened(w, g, k, lowrank.Options{})
			must(t, plain, err)
			if whitened := affineError(x, w, b, product(plain), b); !(e <= whitened*(1+1e-12)+tol) || (k < min(m, n) && !(e < whitened)) {
				t.Errorf("%dx%d rank %d: affine error %v, whitened %v", m, n, k, e, whitened)
			}
			if f.Cert.Params != int64(k*(m+n)+m) || f.Cert.MulAdds != int64(k*(m+n)) {
				t.Errorf("rank %d: %d parameters, %d multiply-adds", k, f.Cert.Params, f.Cert.MulAdds)
			}
			// Output side: B = U_k, A = U_kᵀ W, bias = mu - U_k U_kᵀ (mu - b) with mu = E[y].
			u := vectors.Slice(0, m, m-k, m)
			var uw, p mat.Dense
			uw.Mul(u.T(), w)
			p.Mul(u, &uw)
			if gap := values[m-k] - at(values, m-k-1); gap > 1e-4*norm && m <= n {
				var d mat.Dense
				d.Sub(&p, product(f))
				if e := mat.Norm(&d, 2) / mat.Norm(w, 2); !(e <= 1e-10) {
					t.Errorf("%dx%d rank %d: output-side factors differ by %.3g", m, n, k, e)
				}
				var mu, mb, back mat.VecDense
				mu.MulVec(w, mat.NewVecDense(n, mean))
				mb.CloneFromVec(&mu) // mu - b, as mu = W x̄ + b
				back.MulVec(u.T(), &mb)
				mb.MulVec(u, &back)
				for i, got := range f.Bias(b) {
					if want := mu.AtVec(i) + b[i] - mb.AtVec(i); !(math.Abs(got-want) <= 1e-10*mat.Norm(w, 2)*(1+mat.Norm(&mu, 2))) {
						t.Errorf("%dx%d rank %d: bias %d is %v, want %v", m, n, k, i, got, want)
					}
				}
			}
		}
	}
}

func at(v []float64, i int) float64 {
	if i < 0 {
		return 0
	}
	return v[i]
}

// A, B and bias beat 100 random affine maps of rank r, each with its own best scale and bias, and the best of 20 restarts of
// alternating least squares on the centred problem comes within 1e-6.
func TestNoAffineMapBeatsAffine(t *testing.T) {
	rng := rand.New(rand.NewPCG(43, 44))
	const m, n, k = 12, 10, 4
	w, x, zero := gaussian(rng, m, n), inputs(rng, 200, n), make([]float64, m)
	g, mean := statistics(x)
	f, err := lowrank.Affine(w, g, mean, k, lowrank.Options{})
	must(t, f, err)
	e := affineError(x, w, zero, product(f), f.Bias(nil))
	centred := mat.DenseCopyOf(x)
	for i := range 200 {
		for j := range n {
			centred.Set(i, j, x.At(i, j)-mean[j])
		}
	}
	for range 100 {
		var c, y, z mat.Dense
		c.Mul(gaussian(rng, m, k), gaussian(rng, k, n))
		y.Mul(centred, w.T())
		z.Mul(centred, c.T())
		c.Scale(floats.Dot(y.RawMatrix().Data, z.RawMatrix().Data)/square(mat.Norm(&z, 2)), &c)
		if other := square(outputError(centred, w, &c)) / 200; !(other > e) {
			t.Fatalf("a random map has error %v, Affine %v", other, e)
		}
	}
	best := math.Inf(1)
	for range 20 {
		best = math.Min(best, square(alternating(rng, centred, w, k, 60))/200)
	}
	if !(best >= e*(1-1e-9)) || !(best <= e*(1+1e-6)) {
		t.Errorf("the best of 20 restarts has error %.9g, Affine %.9g", best, e)
	}
}

// The synthetic fall-back of the card svd-baselines: a 384 x 256 weight with singular values i^-0.35, inputs with covariance
// eigenvalues 1/i in a random basis, 4 channels 8 times larger, then a mean 0.15 sin j, 4096 calibration and 2048 test inputs.
// Its table of relative test output errors was made with another generator: the band is 5 % of each value.
func TestSyntheticTable(t *testing.T) {
	const m, n = 384, 256
	rng := rand.New(rand.NewPCG(7, 11))
	s := make([]float64, n)
	for i := range s {
		s[i] = math.Pow(float64(i+1), -0.35)
	}
	w := withSingularValues(rng, m, n, s)
	root := mat.NewDense(n, n, nil)
	for i := range n {
		root.Set(i, i, math.Sqrt(1/float64(i+1)))
	}
	root.Mul(root, orthonormal(rng, n, n).T())
	draw := func(t int) *mat.Dense {
		var x mat.Dense
		x.Mul(gaussian(rng, t, n), root)
		for i := range t {
			for j := range n {
				v := x.At(i, j)
				if j%64 == 5 {
					v *= 8
				}
				x.Set(i, j, v+0.15*math.Sin(float64(j)))
			}
		}
		return &x
	}
	calibration, test := draw(4096), draw(2048)
	g, mean := statistics(calibration)
	scale := make([]float64, n)
	for j := range scale {
		for i := range 4096 {
			scale[j] += math.Abs(calibration.At(i, j)) / 4096
		}
		scale[j] = math.Sqrt(scale[j]) + 1e-6
	}
	zero := make([]float64, m)
	norm := affineError(test, w, zero, mat.NewDense(m, n, nil), zero)
	for keep, want := range map[float64][4]float64{0.8: {0.476, 0.371, 0.175, 0.175}, 0.4: {0.625, 0.490, 0.260, 0.259}} {
		k := lowrank.KeepRank(m, n, keep)
		var got [4]float64
		for i, fit := range []func() (*lowrank.Factors, error){
			func() (*lowrank.Factors, error) { return lowrank.SVD(w, k, lowrank.Options{}) },
			func() (*lowrank.Factors, error) { return lowrank.Scaled(w, scale, k, lowrank.Options{}) },
			func() (*lowrank.Factors, error) { return lowrank.Whitened(w, g, k, lowrank.Options{}) },
			func() (*lowrank.Factors, error) { return lowrank.Affine(w, g, mean, k, lowrank.Options{}) },
		} {
			f, err := fit()
			must(t, f, err)
			bias := f.Bias(nil)
			if bias == nil {
				bias = zero
			}
			got[i] = math.Sqrt(affineError(test, w, zero, product(f), bias) / norm)
			if !(math.Abs(got[i]-want[i]) <= 0.05*want[i]) {
				t.Errorf("keep %v, method %d: relative error %.3f, the card has %.3f", keep, i, got[i], want[i])
			}
		}
		t.Logf("keep %v (rank %d): SVD %.3f, ASVD %.3f, SVD-LLM %.3f, AFM %.3f", keep, k, got[0], got[1], got[2], got[3])
		if !(got[0] > got[1] && got[1] > got[2] && got[2] >= got[3]*0.99) {
			t.Errorf("keep %v: order %v", keep, got)
		}
	}
}
