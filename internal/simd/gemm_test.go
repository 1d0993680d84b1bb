package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"gonum.org/v1/gonum/blas"
)

var transposes = []blas.Transpose{blas.NoTrans, blas.Trans}

// tinyCaches make blocks so small that short products have several of each.
var tinyCaches = cacheSizes{l1: 1 << 10, l2: 4 << 10, l3: 16 << 10}

// forEachEngine runs a test on every implementation that this CPU can run, with blocks for the given caches.
func forEachEngine[T float](t *testing.T, special []blasKernel[T], c cacheSizes, test func(t *testing.T, e *engine[T])) {
	for _, k := range kernels(special) {
		t.Run(fmt.Sprintf("float%d/%v", 8*unsafe.Sizeof(T(0)), k.isa), func(t *testing.T) {
			if k.isa > bestISA() {
				t.Skip("not on this CPU")
			}
			test(t, newEngine(k, c))
		})
	}
}

// unitRoundoff is half the distance from 1 to the next number.
func unitRoundoff[T float]() float64 {
	if unsafe.Sizeof(T(0)) == 4 {
		return 0x1p-24
	}
	return 0x1p-53
}

// random returns n values in (-1, 1), of which the first is not aligned.
func random[T float](rng *rand.Rand, n int) []T {
	x := make([]T, n+1)[1:]
	for i := range x {
		x[i] = T(2*rng.Float64() - 1)
	}
	return x
}

// filled returns n copies of v, not aligned.
func filled[T float](n int, v float64) []T {
	x := make([]T, n+3)[3:]
	for i := range x {
		x[i] = T(v)
	}
	return x
}

// randomProduct makes a product of the given shape. Rows are wider than the matrices by a few elements, which are NaN, as is
// what C holds if beta is 0.
func randomProduct[T float](rng *rand.Rand, tA, tB blas.Transpose, m, n, k int, alpha, beta T) product[T] {
	matrix := func(t blas.Transpose, rows, cols, pad int) ([]T, int) {
		if t != blas.NoTrans {
			rows, cols = cols, rows
		}
		ld := cols + pad + 1 // at least 1
		x := filled[T](max(0, rows*ld-pad-1), math.NaN())
		for i := range rows {
			copy(x[i*ld:], random[T](rng, cols))
		}
		return x, ld
	}
	p := product[T]{tA: tA, tB: tB, m: m, n: n, k: k, alpha: alpha, beta: beta}
	p.a, p.lda = matrix(tA, m, k, 3)
	p.b, p.ldb = matrix(tB, k, n, 1)
	p.c, p.ldc = matrix(blas.NoTrans, m, n, 2)
	if beta == 0 {
		p.c = filled[T](len(p.c), math.NaN())
	}
	return p
}

func (p *product[T]) at(i, q int) (a float64) {
	if p.tA == blas.NoTrans {
		return float64(p.a[i*p.lda+q])
	}
	return float64(p.a[q*p.lda+i])
}

func (p *product[T]) bt(q, j int) float64 {
	if p.tB == blas.NoTrans {
		return float64(p.b[q*p.ldb+j])
	}
	return float64(p.b[j*p.ldb+q])
}

// twice sums products as if in twice float64's precision (Ogita, Rump, Oishi 2005, algorithm 5.3).
type twice struct{ sum, rest, size float64 }

func (s *twice) add(x, y float64) {
	product := x * y
	lost := math.FMA(x, y, -product)
	sum := s.sum + product
	z := sum - s.sum
	lost += (s.sum - (sum - z)) + (product - z)
	s.sum, s.rest, s.size = sum, s.rest+lost, s.size+math.Abs(product)
}

// element returns element (i, j) of the product, old being C's value before, and a bound on the error of computing it: any
// order of k products and sums, one scaling and one addition (Higham 2002, section 3.1; with or without fused operations).
func (p *product[T]) element(i, j int, old T) (want, tol float64) {
	var s, scaled twice
	if p.alpha != 0 {
		for q := range p.k {
			s.add(p.at(i, q), p.bt(q, j))
		}
		scaled.add(float64(p.alpha), s.sum)
		scaled.add(float64(p.alpha), s.rest)
		scaled.size = math.Abs(float64(p.alpha)) * s.size
	}
	if p.beta != 0 {
		scaled.add(float64(p.beta), float64(old))
	}
	return scaled.sum + scaled.rest, 1.01 * float64(p.k+3) * unitRoundoff[T]() * scaled.size
}

// check compares all of C with the definition; old is C before. What is outside the triangle and between the rows must be
// as it was.
func (p *product[T]) checkResult(t *testing.T, old []T) {
	t.Helper()
	g := gemmCall[T]{product: *p}
	for at, got := range p.c {
		i, j := at/p.ldc, at%p.ldc
		lo, hi := g.inTriangle(i, 0, p.n)
		if j < lo || j >= hi {
			if got != old[at] && !(math.IsNaN(float64(got)) && math.IsNaN(float64(old[at]))) {
				t.Fatalf("%v: C[%d, %d] is not to be computed: was %v, is %v", p, i, j, old[at], got)
			}
			continue
		}
		if want, tol := p.element(i, j, old[at]); !(math.Abs(float64(got)-want) <= tol) {
			t.Fatalf("%v: C[%d, %d] is %v, want %v within %.2g", p, i, j, got, want, tol)
		}
	}
}

func (p *product[T]) String() string {
	return fmt.Sprintf("%c%c %c %d x %d x %d alpha=%v beta=%v", p.tA, p.tB, max(' ', rune(p.uplo)), p.m, p.n, p.k, p.alpha, p.beta)
}

func TestGemmAtTileEdges(t *testing.T) {
	testGemmAtTileEdges(t, skernels())
	testGemmAtTileEdges(t, dkernels())
}

func testGemmAtTileEdges[T float](t *testing.T, special []blasKernel[T]) {
	forEachEngine(t, special, tinyCaches, func(t *testing.T, e *engine[T]) {
		rng := rand.New(rand.NewPCG(3, 1))
		coefficients := [][2]T{{1, 0}, {-0.5, 1}, {2, 0.25}, {0, 0}, {0, 3}}
		for m := range 2*e.kernel.mr + 2 {
			for n := range 2*e.kernel.nr + 2 {
				for _, k := range []int{0, 1, 3, 8, 13} {
					c := coefficients[(m+n+k)%len(coefficients)]
					tA, tB := transposes[rng.IntN(2)], transposes[rng.IntN(2)]
					p := randomProduct(rng, tA, tB, m, n, k, c[0], c[1])
					old := append([]T(nil), p.c...)
					e.multiply(p)
					p.checkResult(t, old)
				}
			}
		}
	})
}

// paths are the ways to compute a product that suit its transposes, whatever its size.
func (g *gemmCall[T]) paths() map[string]func() {
	paths := map[string]func(){"rows": g.runRows, "columns": g.runColumns, "parts": g.runParts}
	if g.uplo == 0 && g.tB == blas.NoTrans {
		paths["few rows"] = g.runFewRows
	} else if g.uplo == 0 {
		paths["dots"] = g.runDots
	}
	return paths
}

func TestGemmPaths(t *testing.T) {
	testGemmPaths(t, skernels())
	testGemmPaths(t, dkernels())
}

func testGemmPaths[T float](t *testing.T, special []blasKernel[T]) {
	forEachEngine(t, special, tinyCaches, func(t *testing.T, e *engine[T]) {
		rng := rand.New(rand.NewPCG(3, 2))
		for _, shape := range [][3]int{{1, 1, 1}, {2, 70, 65}, {5, 33, 300}, {17, 40, 9}, {61, 50, 130}, {70, 9, 700}, {33, 100, 64}} {
			for _, tA := range transposes {
				for _, tB := range transposes {
					for _, beta := range []T{0, 1, -0.75} {
						p := randomProduct(rng, tA, tB, shape[0], shape[1], shape[2], 1-beta/2, beta)
						before := append([]T(nil), p.c...)
						for name := range (&gemmCall[T]{product: p}).paths() {
							copy(p.c, before)
							g := newGemmCall(e)
							g.product = p
							g.paths()[name]()
							t.Run(name, func(t *testing.T) { p.checkResult(t, before) })
						}
					}
				}
			}
		}
	})
}

func TestSyrk(t *testing.T) {
	testSyrk(t, skernels())
	testSyrk(t, dkernels())
}

func testSyrk[T float](t *testing.T, special []blasKernel[T]) {
	forEachEngine(t, special, tinyCaches, func(t *testing.T, e *engine[T]) {
		rng := rand.New(rand.NewPCG(3, 3))
		for _, shape := range [][2]int{{0, 3}, {1, 1}, {3, 0}, {5, 20}, {16, 7}, {31, 100}, {65, 70}, {40, 700}, {130, 3}} {
			for _, uplo := range []blas.Uplo{blas.Upper, blas.Lower} {
				for _, trans := range transposes {
					for _, beta := range []T{0, 1, -0.75} {
						other := blas.NoTrans
						if trans == blas.NoTrans {
							other = blas.Trans
						}
						p := randomProduct(rng, trans, other, shape[0], shape[0], shape[1], 1-beta/2, beta)
						p.b, p.ldb, p.uplo = p.a, p.lda, uplo
						old := append([]T(nil), p.c...)
						e.syrk(uplo, trans, p.n, p.k, p.alpha, p.a, p.lda, p.beta, p.c, p.ldc)
						p.checkResult(t, old)
						for name, run := range map[string]func(*gemmCall[T]){"rows": (*gemmCall[T]).runRows, "columns": (*gemmCall[T]).runColumns} {
							if p.n == 0 || p.k == 0 {
								continue
							}
							copy(p.c, old)
							g := newGemmCall(e)
							g.product = p
							run(g)
							t.Run(name, func(t *testing.T) { p.checkResult(t, old) })
						}
					}
				}
			}
		}
	})
}

func TestGemmBatch(t *testing.T) {
	forEachEngine(t, skernels(), caches, func(t *testing.T, e *engine[float32]) {
		rng := rand.New(rand.NewPCG(3, 4))
		const batch, m, n, k = 5, 9, 21, 30
		first := randomProduct[float32](rng, blas.NoTrans, blas.Trans, batch*m, n, k, 1, 0) // rows of A and C are cut up
		first.m = m
		old := append([]float32(nil), first.c...)
		e.multiplyBatch(batch, first, m*first.lda, 0, m*first.ldc)
		whole := first
		whole.m = batch * m
		whole.checkResult(t, old)
	})
}

// A product at full size is checked in O(n^2): C v must be A (B v) (BLIS's test suite does the same).
func TestGemmResidual(t *testing.T) {
	testGemmResidual(t, skernels())
	testGemmResidual(t, dkernels())
}

func testGemmResidual[T float](t *testing.T, special []blasKernel[T]) {
	forEachEngine(t, special, caches, func(t *testing.T, e *engine[T]) {
		rng := rand.New(rand.NewPCG(3, 5))
		m, n, k := 1201, 1111, 2345
		if e.kernel.isa == isaGeneric { // some 20 times slower
			m, n, k = 401, 311, 545
		}
		for _, tA := range transposes {
			for _, tB := range transposes {
				p := randomProduct[T](rng, tA, tB, m, n, k, 1, 0)
				e.multiply(p)
				p.checkResidual(t, random[float64](rng, n))
			}
		}
	})
}

// checkResidual: each element of C errs by at most gamma_k (|A| |B|)[i, j] (Higham 2002, (3.13)), so row i of C v by at most
// gamma_k (|A| |B| |v|)[i]; the float64 sums of the check itself add the same with their n and k.
func (p *product[T]) checkResidual(t *testing.T, v []float64) {
	t.Helper()
	bv, size := make([]float64, p.k), make([]float64, p.k)
	for q := range p.k {
		for j := range p.n {
			x := p.bt(q, j) * v[j]
			bv[q] += x
			size[q] += math.Abs(x)
		}
	}
	for i := range p.m {
		var want, bound, got float64
		for q := range p.k {
			want += p.at(i, q) * bv[q]
			bound += math.Abs(p.at(i, q)) * size[q]
		}
		for j := range p.n {
			got += float64(p.c[i*p.ldc+j]) * v[j]
		}
		k, n := float64(p.k), float64(p.n)
		if tol := 1.01 * (k*unitRoundoff[T]() + 2*(n+k)*0x1p-53) * bound; !(math.Abs(got-want) <= tol) {
			t.Fatalf("%v: row %d: C v is %v, A (B v) is %v within %.2g", p, i, got, want, tol)
		}
	}
}

// Results are the same bit for bit for any number of threads.
func TestThreadsDoNotMatter(t *testing.T) {
	testThreadsDoNotMatter(t, skernels())
	testThreadsDoNotMatter(t, dkernels())
}

func testThreadsDoNotMatter[T float](t *testing.T, special []blasKernel[T]) {
	forEachEngine(t, special, tinyCaches, func(t *testing.T, e *engine[T]) {
		rng := rand.New(rand.NewPCG(3, 6))
		for _, shape := range [][3]int{{150, 120, 100}, {20, 900, 100}, {7, 500, 300}, {1, 3000, 100}, {50, 60, 3000}, {300, 1, 700}, {150, 150, 80}} {
			for _, tA := range transposes {
				for _, tB := range transposes {
					for _, uplo := range []blas.Uplo{0, blas.Upper, blas.Lower} {
						p := randomProduct[T](rng, tA, tB, shape[0], shape[1], shape[2], 1, 0)
						p.uplo = uplo
						if uplo != 0 && shape[0] != shape[1] {
							continue
						}
						sameForAnyThreads(t, p.String(), p.c, func() { e.multiply(p) })
					}
				}
			}
		}
	})
}

// sameForAnyThreads computes with 1, 2, 3 and 8 threads and compares what result holds.
func sameForAnyThreads[T float](t *testing.T, name string, result []T, compute func()) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var want []T
	for _, threads := range []int{1, 2, 3, 8} {
		runtime.GOMAXPROCS(threads)
		compute()
		if want == nil {
			want = append(want, result...)
			continue
		}
		for i, v := range result {
			if v != want[i] && !(math.IsNaN(float64(v)) && math.IsNaN(float64(want[i]))) {
				t.Fatalf("%s: element %d is %v with %d threads, %v with one", name, i, v, threads, want[i])
			}
		}
	}
}

func TestProductsAllocateNothing(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	rng := rand.New(rand.NewPCG(3, 7))
	a, b, c := random[float32](rng, 1<<18), random[float32](rng, 1<<18), random[float32](rng, 1<<18)
	sums := make([]float64, 60*60)
	for name, call := range map[string]func(){
		"rows":    func() { Sgemm(blas.NoTrans, blas.Trans, 300, 200, 500, 1, a, 500, b, 500, 0, c, 200) },
		"columns": func() { Sgemm(blas.Trans, blas.NoTrans, 40, 500, 300, 1, a, 40, b, 500, 0, c, 500) },
		"dots":    func() { Sgemm(blas.NoTrans, blas.Trans, 4, 500, 300, 2, a, 300, b, 300, 1, c, 500) },
		"few":     func() { Sgemm(blas.NoTrans, blas.NoTrans, 4, 501, 300, 2, a, 300, b, 501, 1, c, 501) },
		"gemv":    func() { Sgemv(blas.Trans, 500, 500, 2, a, 500, b, 2, 0, c, -1) },
		"syrk":    func() { Ssyrk(blas.Upper, blas.Trans, 60, 4000, 1, a, 60, 0, c, 60) },
		"gram":    func() { DsyrkS(blas.Upper, blas.Trans, 60, 4000, 1, a, 60, 0, sums, 60) },
		"batch": func() {
			SgemmBatch(blas.NoTrans, blas.Trans, 9, 64, 64, 32, 1, a, 32, 2048, b, 32, 2048, 0, c, 64, 4096)
		},
	} {
		if allocs := testing.AllocsPerRun(50, call); allocs >= 1 { // a collection may empty the pools now and then
			t.Errorf("%s: %v allocations a call", name, allocs)
		}
	}
}

func TestProductsPanicOnShapes(t *testing.T) {
	x, single := make([]float64, 100), make([]float32, 100)
	for name, call := range map[string]func(){
		"A too short":       func() { Dgemm(blas.NoTrans, blas.NoTrans, 11, 2, 10, 1, x, 10, x, 2, 0, x, 2) },
		"stride too small":  func() { Dgemm(blas.NoTrans, blas.Trans, 2, 2, 10, 1, x, 10, x, 9, 0, x, 2) },
		"negative":          func() { Dgemm(blas.NoTrans, blas.Trans, 2, -1, 10, 1, x, 10, x, 10, 0, x, 2) },
		"C too short":       func() { Dgemm(blas.NoTrans, blas.NoTrans, 10, 10, 1, 1, x, 1, x, 10, 0, x[1:], 10) },
		"batch":             func() { DgemmBatch(blas.NoTrans, blas.NoTrans, 3, 5, 5, 5, 1, x, 5, 50, x, 5, 25, 0, x, 5, 25) },
		"neither triangle":  func() { Dsyrk(blas.All, blas.Trans, 2, 2, 1, x, 2, 0, x, 2) },
		"gram of neither":   func() { DsyrkS(blas.All, blas.Trans, 2, 2, 1, single, 2, 0, x, 2) },
		"gram of too few":   func() { DsyrkS(blas.Upper, blas.Trans, 10, 11, 1, single, 10, 0, x, 10) },
		"gram too large":    func() { DsyrkS(blas.Upper, blas.NoTrans, 11, 2, 1, single, 2, 0, x, 11) },
		"y too short":       func() { Dgemv(blas.NoTrans, 10, 10, 1, x, 10, x, 1, 0, x, -12) },
		"increment of zero": func() { Dgemv(blas.NoTrans, 3, 3, 1, x, 3, x, 0, 0, x, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}
