package simd

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
)

func TestVectorKernels(t *testing.T) {
	testVectorKernels(t, skernels())
	testVectorKernels(t, dkernels())
}

func testVectorKernels[T float](t *testing.T, special []blasKernel[T]) {
	forEachEngine(t, special, caches, func(t *testing.T, e *engine[T]) {
		rng := rand.New(rand.NewPCG(4, 1))
		u := unitRoundoff[T]()
		for n := range 300 { // every tail of the widest loop
			x, y := random[T](rng, n), random[T](rng, n)
			alpha := T(rng.NormFloat64())
			within := func(name string, got, want, tol float64) {
				t.Helper()
				if !(math.Abs(got-want) <= tol) {
					t.Fatalf("%s, n=%d: got %v, want %v within %.2g", name, n, got, want, tol)
				}
			}
			var dot, asum, sumsq twice
			for i := range x {
				dot.add(float64(x[i]), float64(y[i]))
				asum.add(math.Abs(float64(x[i])), 1)
				sumsq.add(float64(x[i]), float64(x[i]))
			}
			// Any order of summation: Higham 2002, (3.5) and (4.4).
			gamma := 1.01 * float64(n) * u
			within("dot", float64(e.kernel.dot(x, y)), dot.sum+dot.rest, gamma*dot.size)
			within("asum", float64(e.kernel.asum(x)), asum.sum+asum.rest, gamma*asum.size)
			within("sumsq", e.kernel.sumsq(x), sumsq.sum+sumsq.rest, 1.01*float64(n)*0x1p-53*sumsq.size)

			sum, scaled := append([]T(nil), y...), append([]T(nil), x...)
			e.kernel.axpy(alpha, x, sum)
			e.kernel.scal(alpha, scaled)
			rotX, rotY, sine := append([]T(nil), x...), append([]T(nil), y...), T(rng.NormFloat64())
			e.kernel.rot(rotX, rotY, alpha, sine)
			for i := range x {
				cx, cy, sx, sy := float64(alpha)*float64(x[i]), float64(alpha)*float64(y[i]), float64(sine)*float64(x[i]), float64(sine)*float64(y[i])
				within("rot x", float64(rotX[i]), cx+sy, 2.1*u*(math.Abs(cx)+math.Abs(sy)))
				within("rot y", float64(rotY[i]), cy-sx, 2.1*u*(math.Abs(cy)+math.Abs(sx)))
				product := float64(alpha) * float64(x[i])
				within("axpy", float64(sum[i]), product+float64(y[i]), 2.1*u*(math.Abs(product)+math.Abs(float64(y[i]))))
				within("scal", float64(scaled[i]), product, 1.01*u*math.Abs(product)+math.SmallestNonzeroFloat32*u)
			}
		}
	})
}

func TestVectorsStayWithinBounds(t *testing.T) {
	forEachEngine(t, skernels(), caches, func(t *testing.T, e *engine[float32]) {
		for n := range 70 {
			y := filled[float32](n+1, 7)
			x := filled[float32](n, 1)
			e.kernel.axpy(1, x, y[:n])
			e.kernel.scal(0.5, y[:n])
			e.kernel.rot(x, y[:n], 0.6, 0.8)
			e.kernel.addRows(y[:n], x[:min(n, 3)], make([]float32, 3*n+1), n)
			if y[n] != 7 {
				t.Fatalf("n=%d: the element beyond became %v", n, y[n])
			}
		}
	})
}

// pack functions must put every element where the contract says, and nothing beyond the slack.
func TestPack(t *testing.T) {
	testPack(t, skernels())
	testPack(t, dkernels())
}

func testPack[T float](t *testing.T, special []blasKernel[T]) {
	forEachEngine(t, special, caches, func(t *testing.T, e *engine[T]) {
		for _, w := range []int{e.kernel.mr, e.kernel.nr} {
			for n := 1; n <= w; n++ {
				for k := 1; k < 40; k++ {
					ld := max(n, k) + 2
					src := make([]T, max((k-1)*ld+n, (n-1)*ld+k))
					for i := range src {
						src[i] = T(i + 1)
					}
					for name, f := range map[string]packFunc[T]{"interlace": e.kernel.interlace, "transpose": e.kernel.transpose} {
						dst := filled[T](k*w+packSlack+1, -1)
						length := (k-1)*ld + n
						if name == "transpose" {
							length = (n-1)*ld + k
						}
						f(dst[:k*w+packSlack], w, src[:length], ld, k, n)
						for p := range k {
							for j := range n {
								want := src[j*ld+p]
								if name == "interlace" {
									want = src[p*ld+j]
								}
								if got := dst[p*w+j]; got != want {
									t.Fatalf("%s w=%d n=%d k=%d: (%d, %d) is %v, want %v", name, w, n, k, p, j, got, want)
								}
							}
						}
						if dst[k*w+packSlack] != -1 {
							t.Fatalf("%s w=%d n=%d k=%d: wrote beyond the slack", name, w, n, k)
						}
					}
				}
			}
		}
	})
}

func TestGemv(t *testing.T) {
	testGemv(t, skernels())
	testGemv(t, dkernels())
}

func testGemv[T float](t *testing.T, special []blasKernel[T]) {
	forEachEngine(t, special, caches, func(t *testing.T, e *engine[T]) {
		rng := rand.New(rand.NewPCG(4, 2))
		for _, shape := range [][2]int{{0, 3}, {3, 0}, {1, 1}, {2, 9}, {5, 40}, {13, 33}, {65, 70}, {700, 90}, {9, 5000}} {
			for _, trans := range transposes {
				for _, inc := range [][2]int{{1, 1}, {2, 1}, {1, -1}, {-3, 2}} {
					for _, c := range [][2]T{{1, 0}, {-2, 0.5}, {0, 2}} {
						checkGemvResult(t, e, rng, trans, shape[0], shape[1], inc[0], inc[1], c[0], c[1])
					}
				}
			}
		}
	})
}

// checkGemvResult compares with the definition, in the terms of a product with one column.
func checkGemvResult[T float](t *testing.T, e *engine[T], rng *rand.Rand, trans blas.Transpose, m, n, incX, incY int, alpha, beta T) {
	t.Helper()
	lenX, lenY := n, m
	if trans != blas.NoTrans {
		lenX, lenY = m, n
	}
	p := randomProduct(rng, trans, blas.NoTrans, lenY, 1, lenX, alpha, beta)
	stepX, stepY := max(incX, -incX), max(incY, -incY)
	x, y := filled[T](lenX*stepX, math.NaN()), filled[T](lenY*stepY, math.NaN())
	for i := range lenX {
		x[start(lenX, incX)+i*incX] = p.b[i*p.ldb]
	}
	for i := range lenY {
		y[start(lenY, incY)+i*incY] = p.c[i*p.ldc]
	}
	checkGemv(trans, m, n, len(p.a), p.lda, len(x), incX, len(y), incY)
	e.gemv(trans, m, n, alpha, p.a, p.lda, x, incX, beta, y, incY)
	for i := range lenY {
		got := y[start(lenY, incY)+i*incY]
		if want, tol := p.element(i, 0, p.c[i*p.ldc]); !(math.Abs(float64(got)-want) <= tol) {
			t.Fatalf("%c %d x %d increments %d, %d alpha=%v beta=%v: y[%d] is %v, want %v within %.2g",
				trans, m, n, incX, incY, alpha, beta, i, got, want, tol)
		}
	}
	for at, v := range y {
		if at%stepY != 0 && !math.IsNaN(float64(v)) {
			t.Fatalf("increment %d: wrote between the elements of y", incY)
		}
	}
}

func TestGemvThreadsDoNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 3))
	a, x, y := random[float32](rng, 1<<21), random[float32](rng, 1<<16), make([]float32, 1<<16)
	for _, shape := range [][2]int{{1 << 15, 64}, {64, 1 << 15}, {1000, 1000}, {300, 5000}} {
		m, n := shape[0], shape[1]
		for _, trans := range transposes {
			sameForAnyThreads(t, "gemv", y, func() { Sgemv(trans, m, n, 1, a, n, x, 1, 0, y, 1) })
		}
	}
}
