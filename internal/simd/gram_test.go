package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"gonum.org/v1/gonum/blas"
)

// forEachGramEngine runs a test on every implementation that this CPU can run, with blocks for the given caches.
func forEachGramEngine(t *testing.T, c cacheSizes, test func(t *testing.T, e *gramEngine)) {
	for _, k := range kernels(skernels()) {
		t.Run(k.isa.String(), func(t *testing.T) {
			if k.isa > bestISA() {
				t.Skip("not on this CPU")
			}
			for _, set := range gramSets {
				if set.isa <= k.isa {
					test(t, newGramEngine(k, set.kernels, c))
					return
				}
			}
		})
	}
}

// gramData is A, k x n for Trans and n x k for NoTrans, with NaN between the rows.
type gramData struct {
	trans     blas.Transpose
	n, k, lda int
	a         []float32
}

func newGramData(trans blas.Transpose, n, k int, value func(p, i int) float64) *gramData {
	rows, cols := n, k
	if trans != blas.NoTrans {
		rows, cols = k, n
	}
	d := &gramData{trans: trans, n: n, k: k, lda: cols + 3}
	d.a = filled[float32](max(0, rows*d.lda-3), math.NaN())
	for p := range k {
		for i := range n {
			if trans == blas.NoTrans {
				d.a[i*d.lda+p] = float32(value(p, i))
			} else {
				d.a[p*d.lda+i] = float32(value(p, i))
			}
		}
	}
	return d
}

func (d *gramData) at(p, i int) float64 {
	if d.trans == blas.NoTrans {
		return float64(d.a[i*d.lda+p])
	}
	return float64(d.a[p*d.lda+i])
}

// element returns element (i, j) of the result, old being C's value before, and DsyrkS's bound on its error: a little more
// than to first order, and twice because the sum here errs as well.
func (d *gramData) element(i, j int, alpha, beta, old float64) (want, tol float64) {
	var s, scaled twice
	for p := range d.k {
		s.add(d.at(p, i), d.at(p, j))
	}
	scaled.add(alpha, s.sum)
	scaled.add(alpha, s.rest)
	if beta != 0 {
		scaled.add(beta, old)
	} else {
		old = 0
	}
	depth := float64(min(d.k, GramDepth))
	adds := float64(2*((d.k+GramDepth-1)/GramDepth) + 1)
	gamma := depth * 0x1p-24 / (1 - depth*0x1p-24)
	tol = math.Abs(alpha)*((gamma+adds*0x1p-53)*s.size+float64(d.k)*0x1p-150) + adds*0x1p-53*math.Abs(beta*old)
	return scaled.sum + scaled.rest, 1.01 * tol
}

// check computes one triangle and compares all of C with the definition; what is outside must be as it was. It returns the
// root mean square of the errors, each relative to the sum of its products' absolute values.
func (d *gramData) check(t *testing.T, e *gramEngine, uplo blas.Uplo, alpha, beta float64) float64 {
	t.Helper()
	ldc := d.n + 2
	old := filled[float64](max(0, d.n*ldc-2), math.NaN())
	rng := rand.New(rand.NewPCG(7, uint64(d.n)))
	inside := func(i, j int) bool { return j < d.n && (i == j || (j > i) == (uplo == blas.Upper)) }
	for at := range old {
		if beta != 0 && inside(at/ldc, at%ldc) {
			old[at] = rng.NormFloat64()
		}
	}
	c := append([]float64(nil), old...)
	e.syrk(uplo, d.trans, d.n, d.k, alpha, d.a, d.lda, beta, c, ldc)
	var squares, count float64
	for at, got := range c {
		i, j := at/ldc, at%ldc
		if !inside(i, j) {
			if !math.IsNaN(got) {
				t.Fatalf("%c %c %d x %d: C[%d, %d] is not to be computed, but is %v", uplo, d.trans, d.k, d.n, i, j, got)
			}
			continue
		}
		want, tol := d.element(i, j, alpha, beta, old[at])
		if !(math.Abs(got-want) <= tol) {
			t.Fatalf("%c %c %d x %d alpha=%v beta=%v: C[%d, %d] is %v, want %v within %.2g", uplo, d.trans, d.k, d.n, alpha, beta, i, j, got, want, tol)
		}
		var size twice
		for p := range d.k {
			size.add(d.at(p, i), d.at(p, j))
		}
		if size.size > 0 {
			squares += math.Pow((got-want)/size.size, 2)
			count++
		}
	}
	return math.Sqrt(squares / max(count, 1))
}

func TestDsyrkS(t *testing.T) {
	for _, c := range []cacheSizes{tinyCaches, caches} {
		forEachGramEngine(t, c, func(t *testing.T, e *gramEngine) {
			rng := rand.New(rand.NewPCG(3, 31))
			for _, shape := range [][2]int{{0, 3}, {1, 1}, {3, 0}, {5, 20}, {16, 7}, {17, 128}, {31, 100}, {65, 129}, {40, 700}, {130, 257}, {97, 3}} {
				for _, uplo := range []blas.Uplo{blas.Upper, blas.Lower} {
					for _, trans := range transposes {
						d := newGramData(trans, shape[0], shape[1], func(int, int) float64 { return 2*rng.Float64() - 1 })
						for _, beta := range []float64{0, 1, -0.75} {
							d.check(t, e, uplo, 1-beta/2, beta)
						}
						d.check(t, e, uplo, 0, 2)
					}
				}
			}
		})
	}
}

// Activations are not noise around zero: the bound must hold for what they look like, and errors must average out where the
// doc comment says that they do.
func TestDsyrkSOnActivations(t *testing.T) {
	const n, k = 45, 1500
	for name, value := range map[string]func(rng *rand.Rand, p, i int) float64{
		"large mean":          func(rng *rand.Rand, p, i int) float64 { return 30 + rng.NormFloat64() },
		"positive":            func(rng *rand.Rand, p, i int) float64 { return rng.ExpFloat64() },
		"alternating signs":   func(rng *rand.Rand, p, i int) float64 { return float64(1-2*(p%2)) * (1 + rng.Float64()) },
		"outlier channels":    func(rng *rand.Rand, p, i int) float64 { return rng.NormFloat64() * math.Pow(1e3, float64(i%9/8)) },
		"outlier tokens":      func(rng *rand.Rand, p, i int) float64 { return rng.NormFloat64() * math.Pow(1e4, float64(p%500/499)) },
		"products underflow":  func(rng *rand.Rand, p, i int) float64 { return rng.NormFloat64() * 1e-21 },
		"channels underflow":  func(rng *rand.Rand, p, i int) float64 { return rng.NormFloat64() * math.Pow(1e-3, float64(i%15)) },
		"squares overflowing": func(rng *rand.Rand, p, i int) float64 { return rng.NormFloat64() * 1e17 },
	} {
		t.Run(name, func(t *testing.T) {
			forEachGramEngine(t, caches, func(t *testing.T, e *gramEngine) {
				rng := rand.New(rand.NewPCG(3, 32))
				d := newGramData(blas.Trans, n, k, func(p, i int) float64 { return value(rng, p, i) })
				rms := d.check(t, e, blas.Upper, 1, 0)
				if limit := 0x1p-24 * GramDepth / math.Sqrt(k); !(rms <= limit) && name != "products underflow" && name != "channels underflow" {
					t.Errorf("errors are %.2g of the sums, more than %.2g", rms, limit)
				}
			})
		})
	}
}

// What float32 cannot hold is infinite, not something that looks like a moment.
func TestDsyrkSOverflow(t *testing.T) {
	forEachGramEngine(t, caches, func(t *testing.T, e *gramEngine) {
		a, c := []float32{1e20, 1}, make([]float64, 4)
		e.syrk(blas.Upper, blas.Trans, 2, 1, 1, a, 2, 0, c, 2)
		if !math.IsInf(c[0], 1) || c[1] != float64(float32(1e20)) || c[3] != 1 {
			t.Errorf("moments %v", c)
		}
	})
}

// The order of summation is fixed by GramDepth alone.
func TestDsyrkSIsTheSameHoweverItIsCut(t *testing.T) {
	for _, c := range []cacheSizes{tinyCaches, caches} {
		forEachGramEngine(t, c, func(t *testing.T, e *gramEngine) {
			rng := rand.New(rand.NewPCG(3, 33))
			for _, n := range []int{3, 50, 131} {
				const k = 9*GramDepth + 17
				a := random[float32](rng, k*n)
				for _, uplo := range []blas.Uplo{blas.Upper, blas.Lower} {
					want := make([]float64, n*n)
					sameForAnyThreads(t, fmt.Sprint(n), want, func() { e.syrk(uplo, blas.Trans, n, k, 1, a, n, 0, want, n) })
					for range 5 {
						got := make([]float64, n*n)
						for lo, hi := 0, 0; lo < k; lo = hi {
							hi = min(lo+GramDepth*(1+rng.IntN(6)), k)
							e.syrk(uplo, blas.Trans, n, hi-lo, 1, a[lo*n:], n, 1, got, n)
						}
						for i, v := range got {
							if v != want[i] {
								t.Fatalf("%c n=%d: C[%d, %d] is %v in pieces, %v at once", uplo, n, i/n, i%n, v, want[i])
							}
						}
					}
				}
			}
		})
	}
}

// BenchmarkGram compares the products that can sum moments of float32 data: in mixed precision, in float32, and in float64
// with the conversion that it needs.
func BenchmarkGram(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, threads := range []int{1, 2} {
		for _, s := range [][2]int{{576, 1024}, {576, 4096}, {1536, 1024}, {1536, 4096}} {
			n, k := s[0], s[1]
			a, wide := random[float32](rng, k*n), make([]float64, k*n)
			c, single := make([]float64, n*n), make([]float32, n*n)
			run := func(name string, f func()) {
				b.Run(fmt.Sprintf("%dx%d/%s/threads=%d", k, n, name, threads), func(b *testing.B) {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
					benchmark(b, n*n*k/2, f)
				})
			}
			run("DsyrkS", func() { DsyrkS(blas.Upper, blas.Trans, n, k, 1, a, n, 1, c, n) })
			run("Ssyrk", func() { Ssyrk(blas.Upper, blas.Trans, n, k, 1, a, n, 1, single, n) })
			run("Dsyrk", func() {
				for i, v := range a {
					wide[i] = float64(v)
				}
				Dsyrk(blas.Upper, blas.Trans, n, k, 1, wide, n, 1, c, n)
			})
		}
	}
}
