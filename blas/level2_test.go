package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
)

// increments of a vector: a matrix of one column with a stride of |inc|.
var increments = []int{1, 2, -1, -3}

// vectorOf draws a vector of n elements with increment inc and NaN between them.
func vectorOf[T scalar](rnd *rand.Rand, n, inc int) matrix[T] {
	v := matrix[T]{n, 1, max(inc, -inc), nil}
	v.data = make([]T, n*v.stride)
	for i := range v.data {
		v.data[i] = T(nan)
		if i%v.stride == 0 {
			v.data[i] = T(rnd.NormFloat64())
		}
	}
	return v
}

// dense returns the elements of a vector in their order, as a plain slice.
func (m matrix[T]) dense(inc int) []float64 {
	x := make([]float64, m.rows)
	for i := range x {
		x[i] = float64(m.data[first(m.rows, inc)+i*inc])
	}
	return x
}

func TestLevel2(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testLevel2(t, singles()) })
	t.Run("float64", func(t *testing.T) { testLevel2(t, doubles()) })
}

func testLevel2[T scalar](t *testing.T, r routines[T]) {
	rnd := rand.New(rand.NewPCG(13, 14))
	sizes := []int{1, 2, 3, 8, 15, 16, 17, 33, 64, 100, 257, 700}
	for trial := range 600 {
		m, n := sizes[rnd.IntN(len(sizes))], sizes[rnd.IntN(len(sizes))]
		incX, incY := increments[rnd.IntN(4)], increments[rnd.IntN(4)]
		alpha, beta := coefficients[rnd.IntN(4)], coefficients[rnd.IntN(4)]
		what := fmt.Sprintf("m=%d n=%d incX=%d incY=%d alpha=%v beta=%v", m, n, incX, incY, alpha, beta)
		switch trial % 3 {
		case 0:
			testGemv(t, r, rnd, what, m, n, incX, incY, alpha, beta)
		case 1:
			testRankOne(t, r, rnd, what, m, n, incX, incY, alpha)
		case 2:
			testSquare(t, r, rnd, what, n, incX, incY, alpha, beta)
		}
	}
}

func testGemv[T scalar](t *testing.T, r routines[T], rnd *rand.Rand, what string, m, n, incX, incY int, alpha, beta float64) {
	tA := transposes[rnd.IntN(3)]
	lenX, lenY := n, m
	if tA != blas.NoTrans {
		lenX, lenY = m, n
	}
	a, x, y := random[T](rnd, m, n), vectorOf[T](rnd, lenX, incX), vectorOf[T](rnd, lenY, incY)
	if beta == 0 {
		y.fill(nan)
	}
	want, size := y.wide(), y.abs()
	aw, aa, xw, xa := a.wide(), a.abs(), x.wide(), x.abs()
	oracle.Dgemv(tA, m, n, alpha, aw.data, a.stride, xw.data, incX, beta, want.data, incY)
	oracle.Dgemv(tA, m, n, max(alpha, -alpha), aa.data, a.stride, xa.data, incX, max(beta, -beta), size.data, incY)
	r.gemv(tA, m, n, T(alpha), a.data, a.stride, x.data, incX, T(beta), y.data, incY)
	y.check(t, fmt.Sprintf("gemv %c %s", tA, what), want, size, r.gamma(lenX+3))
}

// testRankOne has its own oracle, the definition, because gonum's Ger (v0.17.0) is wrong for negative increments.
func testRankOne[T scalar](t *testing.T, r routines[T], rnd *rand.Rand, what string, m, n, incX, incY int, alpha float64) {
	a, x, y := random[T](rnd, m, n), vectorOf[T](rnd, m, incX), vectorOf[T](rnd, n, incY)
	want, size := a.wide(), a.abs()
	xs, ys := x.dense(incX), y.dense(incY)
	for i := range m {
		for j := range n {
			want.data[i*a.stride+j] += alpha * xs[i] * ys[j]
			size.data[i*a.stride+j] += math.Abs(alpha * xs[i] * ys[j])
		}
	}
	r.ger(m, n, T(alpha), x.data, incX, y.data, incY, a.data, a.stride)
	a.check(t, "ger "+what, want, size, r.gamma(3))
}

// testSquare checks the routines on one triangle of a square matrix.
func testSquare[T scalar](t *testing.T, r routines[T], rnd *rand.Rand, what string, n, incX, incY int, alpha, beta float64) {
	ul, tA, d := triangles[rnd.IntN(2)], transposes[rnd.IntN(3)], diagonals[rnd.IntN(2)]
	what = fmt.Sprintf("%c%c%c %s", ul, tA, d, what)
	a := random[T](rnd, n, n).onlyTriangle(ul, blas.NonUnit)
	x, y := vectorOf[T](rnd, n, incX), vectorOf[T](rnd, n, incY)
	aw, aa, xw, xa, yw, ya := a.wide(), a.abs(), x.wide(), x.abs(), y.wide(), y.abs()

	got, want, size := a.clone(), a.wide(), a.abs()
	oracle.Dsyr(ul, n, alpha, xw.data, incX, want.data, a.stride)
	oracle.Dsyr(ul, n, max(alpha, -alpha), xa.data, incX, size.data, a.stride)
	r.syr(ul, n, T(alpha), x.data, incX, got.data, a.stride)
	got.check(t, "syr "+what, want, size, r.gamma(3))

	got, want, size = a.clone(), a.wide(), a.abs()
	oracle.Dsyr2(ul, n, alpha, xw.data, incX, yw.data, incY, want.data, a.stride)
	oracle.Dsyr2(ul, n, max(alpha, -alpha), xa.data, incX, ya.data, incY, size.data, a.stride)
	r.syr2(ul, n, T(alpha), x.data, incX, y.data, incY, got.data, a.stride)
	got.check(t, "syr2 "+what, want, size, r.gamma(5))

	tri := triangular[T](rnd, ul, d, n)
	tw, ta := tri.wide(), tri.abs()
	v, want, size := x.clone(), x.wide(), x.abs()
	oracle.Dtrmv(ul, tA, d, n, tw.data, tri.stride, want.data, incX)
	oracle.Dtrmv(ul, tA, d, n, ta.data, tri.stride, size.data, incX)
	r.trmv(ul, tA, d, n, tri.data, tri.stride, v.data, incX)
	v.check(t, "trmv "+what, want, size, r.gamma(n+2))

	v = x.clone()
	r.trsv(ul, tA, d, n, tri.data, tri.stride, v.data, incX)
	back, size := v.wide(), v.abs()
	oracle.Dtrmv(ul, tA, d, n, tw.data, tri.stride, back.data, incX)
	oracle.Dtrmv(ul, tA, d, n, ta.data, tri.stride, size.data, incX)
	back.check(t, "trsv "+what, x.wide(), size, r.gamma(n+2))

	if beta == 0 {
		y.fill(nan)
	}
	want, size = y.wide(), y.abs()
	oracle.Dsymv(ul, n, alpha, aw.data, a.stride, xw.data, incX, beta, want.data, incY)
	oracle.Dsymv(ul, n, max(alpha, -alpha), aa.data, a.stride, xa.data, incX, max(beta, -beta), size.data, incY)
	r.symv(ul, n, T(alpha), a.data, a.stride, x.data, incX, T(beta), y.data, incY)
	y.check(t, "symv "+what, want, size, r.gamma(n+4))
}

func TestLevel1(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testLevel1(t, singles()) })
	t.Run("float64", func(t *testing.T) { testLevel1(t, doubles()) })
}

func testLevel1[T scalar](t *testing.T, r routines[T]) {
	rnd := rand.New(rand.NewPCG(15, 16))
	for n := range 300 {
		incX, incY := increments[rnd.IntN(4)], increments[rnd.IntN(4)]
		x, y := vectorOf[T](rnd, n, incX), vectorOf[T](rnd, n, incY)
		var dot, size, asum, sumsq float64
		xs, ys := x.dense(incX), y.dense(incY)
		for i, v := range xs {
			dot += v * ys[i]
			size += math.Abs(v * ys[i])
			asum += math.Abs(v)
			sumsq += v * v
		}
		if incX < 0 { // as in gonum
			asum, sumsq = 0, 0
		}
		what := fmt.Sprintf("n=%d incX=%d incY=%d", n, incX, incY)
		if got := float64(r.dot(n, x.data, incX, y.data, incY)); !(math.Abs(got-dot) <= r.gamma(n)*size) {
			t.Errorf("dot %s: %v, want %v", what, got, dot)
		}
		if got := float64(r.asum(n, x.data, incX)); !(math.Abs(got-asum) <= r.gamma(n)*asum) {
			t.Errorf("asum %s: %v, want %v", what, got, asum)
		}
		if got := float64(r.nrm2(n, x.data, incX)); !(math.Abs(got-math.Sqrt(sumsq)) <= r.gamma(n+2)*math.Sqrt(sumsq)) {
			t.Errorf("nrm2 %s: %v, want %v", what, got, math.Sqrt(sumsq))
		}
	}
}

// TestNrm2Scale moves vectors through the whole range of exponents, subnormal numbers included.
func TestNrm2Scale(t *testing.T) {
	rnd := rand.New(rand.NewPCG(17, 18))
	for _, n := range []int{1, 3, 16, 100} {
		x := make([]float64, n)
		for i := range x {
			x[i] = rnd.NormFloat64()
		}
		for e := -1060; e <= 1015; e += 5 {
			scaled, sum, tiny := make([]float64, n), 0.0, math.Ldexp(1, e)
			for i, v := range x {
				scaled[i] = v * tiny // exact, or rounded where the result is subnormal
				s := scaled[i]
				if e < 0 {
					s = math.Ldexp(s, 537) // twice, as Ldexp(1, 1074) is infinite
					s = math.Ldexp(s, -e-537)
				} else {
					s = math.Ldexp(s, -e)
				}
				sum += s * s
			}
			want := math.Sqrt(sum)
			got := (Implementation{}).Dnrm2(n, scaled, 1)
			if e < 0 {
				got = math.Ldexp(math.Ldexp(got, 537), -e-537)
			} else {
				got = math.Ldexp(got, -e)
			}
			// A subnormal norm is itself rounded to a multiple of 2^-1074.
			tol := float64(n+4)*0x1p-53*want + math.Ldexp(math.Ldexp(0x1p-1074, 537), -e-537)
			if !(math.Abs(got-want) <= tol) {
				t.Fatalf("n=%d 2^%d: %v, want %v within %.2g", n, e, got, want, tol)
			}
		}
	}
	for _, x := range []float32{0x1p-149, 0x1p-100, 0x1p100, math.MaxFloat32 / 4} {
		want := 2 * float64(x)
		if got := (Implementation{}).Snrm2(4, []float32{x, -x, x, x}, 1); math.Abs(float64(got)-want) > 0x1p-23*want {
			t.Errorf("Snrm2 of four times %v: %v", x, got)
		}
	}
	if got := (Implementation{}).Dnrm2(3, []float64{1, math.Inf(-1), 2}, 1); !math.IsInf(got, 1) {
		t.Errorf("norm with an infinity: %v", got)
	}
	if got := (Implementation{}).Snrm2(3, []float32{1, float32(nan), 2}, 1); got == got {
		t.Errorf("norm with a NaN: %v", got)
	}
}
