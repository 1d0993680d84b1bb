package lapack

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/matgen"
)

// spaced returns c's matrix in rows that are wider than it, with NaN between them.
func spaced[T Float](c matgen.Case[T]) (a []T, lda int) {
	lda = c.N + 2
	a = make([]T, c.M*lda)
	for i := range a {
		a[i] = T(math.NaN())
	}
	for i := range c.M {
		copy(a[i*lda:], c.A[i*c.N:(i+1)*c.N])
	}
	return a, lda
}

// checkSVD checks A - Uᵀ S V (or, of the leading vectors, A Vᵀ - Uᵀ S), both orthogonalities and the order, each against c
// max(m, n) eps with c = 8 fixed beforehand, for the matrix scaled to norm about 1 by a power of two. Norms are Frobenius's.
func checkSVD[T Float](t *testing.T, c matgen.Case[T], s *SVD[T], lefts, rights int) {
	t.Helper()
	k := min(c.M, c.N)
	values, u, v := s.Values(), s.U(), s.V()
	if len(values) != k || u.Rows != lefts || u.Cols != c.M || v.Rows != rights || v.Cols != c.N {
		t.Fatalf("%d values, U %d x %d, V %d x %d", len(values), u.Rows, u.Cols, v.Rows, v.Cols)
	}
	for i, x := range values {
		if !(x >= 0) || i > 0 && x > values[i-1] {
			t.Fatalf("value %d is %v", i, x)
		}
	}
	scale := powerOfTwo(float64(maxAbs(c.A)))
	a := inFloat64(c.M, c.N, c.A, c.N, 1/scale)
	norm, tol := frobenius(a, nil), 8*float64(max(c.M, c.N))*float64(epsilon[T]())
	left, right := inFloat64(lefts, c.M, u.Data, u.Stride, 1), inFloat64(rights, c.N, v.Data, v.Stride, 1)
	checkOrthonormalRows(t, "U", left, tol)
	checkOrthonormalRows(t, "V", right, tol)
	residual := tol*norm + math.Sqrt(float64(k))*(float64(safeMinimum[T]())*(2*float64(epsilon[T]())))/scale // values below the normal ones are rounded
	if r := min(lefts, rights, k); r > 0 {
		leading := mat.DenseCopyOf(left.Slice(0, r, 0, c.M))
		var product mat.Dense
		product.Mul(a, right.Slice(0, r, 0, c.N).T())
		for i := range r {
			for j := range c.M {
				leading.Set(i, j, float64(values[i])/scale*leading.At(i, j))
			}
		}
		if e := frobenius(&product, leading.T()); !(e <= residual) {
			t.Errorf("A Vᵀ - Uᵀ S is %.3g, tolerance %.3g", e, residual)
		}
		product.Reset()
		product.Mul(left.Slice(0, r, 0, c.M), a)
		scaled := mat.DenseCopyOf(right.Slice(0, r, 0, c.N))
		for i := range r {
			for j := range c.N {
				scaled.Set(i, j, float64(values[i])/scale*scaled.At(i, j))
			}
		}
		if e := frobenius(&product, scaled); !(e <= residual) {
			t.Errorf("U A - S V is %.3g, tolerance %.3g", e, residual)
		}
	}
	checkValues(t, c, values)
}

// checkValues compares with the values that are known: Weyl's inequality, once for the decomposition and once for the rounding
// of the matrix when it was made.
func checkValues[T Float](t *testing.T, c matgen.Case[T], values []T) {
	t.Helper()
	if c.Values != nil {
		sameValues(t, c, values, func(i int) float64 { return c.Values[i] })
	}
}

func TestSVD(t *testing.T)        { testSVD[float64](t) }
func TestSVDFloat32(t *testing.T) { testSVD[float32](t) }

func testSVD[T Float](t *testing.T) {
	sizes := [][2]int{{0, 0}, {0, 4}, {4, 0}, {1, 1}, {1, 9}, {9, 1}, {100, 100}, {129, 60}, {60, 129}, {70, 69}, {150, 40}, {40, 150}, {200, 3}}
	for n := 2; n < 44; n += 3 {
		sizes = append(sizes, [2]int{n, n}, [2]int{n + n%5, n}, [2]int{n, n + n%7})
	}
	var s SVD[T]
	for at, size := range sizes {
		m, n := size[0], size[1]
		k := min(m, n)
		for i, c := range matgen.Zoo[T](m, n, uint64(at)) {
			if at > 13 && (at+i)%5 != 0 { // each case at every fifth size
				continue
			}
			t.Run(fmt.Sprintf("%s-%dx%d", c.Name, m, n), func(t *testing.T) {
				a, lda := spaced(c)
				before := slices.Clone(a)
				factorize := func(left, right Vectors) {
					t.Helper()
					if err := s.Factorize(left, right, m, n, a, lda); err != nil {
						t.Fatal(err)
					}
					checkSVD(t, c, &s, left.count(m, n), right.count(n, m))
				}
				factorize(Thin, Thin)
				for i, v := range a {
					if math.Float64bits(float64(v)) != math.Float64bits(float64(before[i])) {
						t.Fatalf("the input was changed at %d", i)
					}
				}
				values := slices.Clone(s.Values())
				factorize(Full, Full)
				factorize(Thin, NoVectors)
				factorize(NoVectors, Full)
				if err := s.FactorizeTop(m, n, a, lda, (k+2)/3); err != nil {
					t.Fatal(err)
				}
				checkSVD(t, c, &s, (k+2)/3, (k+2)/3)
				if err := s.FactorizeValues(m, n, a, lda); err != nil {
					t.Fatal(err)
				}
				checkValues(t, c, s.Values())
				sameValues(t, c, s.Values(), func(i int) float64 { return float64(values[i]) })
			})
		}
	}
}

func TestSVDLarge(t *testing.T)        { testSVDLarge[float64](t, 0) }
func TestSVDLargeFloat32(t *testing.T) { testSVDLarge[float32](t, 1) }

// testSVDLarge takes every third case from start on, square and tall.
func testSVDLarge[T Float](t *testing.T, start int) {
	for _, size := range [][2]int{{300, 290}, {420, 200}} {
		m, n := size[0], size[1]
		cases := matgen.Zoo[T](m, n, 6)
		for i := start; i < len(cases); i += 3 {
			c := cases[i]
			t.Run(fmt.Sprintf("%s-%dx%d", c.Name, m, n), func(t *testing.T) {
				var s SVD[T]
				if err := s.Factorize(Thin, Thin, m, n, c.A, n); err != nil {
					t.Fatal(err)
				}
				checkSVD(t, c, &s, n, n)
			})
		}
	}
}

func TestSVDAgainstGonum(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {10, 10}, {33, 20}, {90, 130}} {
		m, n := size[0], size[1]
		for _, c := range matgen.Zoo[float64](m, n, 5) {
			if c.Name == "tiny" || c.Name == "huge" {
				continue // gonum's values are no better than normwise, at a scale that sameValues does not see
			}
			var s SVD[float64]
			if err := s.FactorizeValues(m, n, c.A, n); err != nil {
				t.Fatalf("%s-%dx%d: %v", c.Name, m, n, err)
			}
			var g mat.SVD
			if !g.Factorize(mat.NewDense(m, n, c.A), mat.SVDNone) {
				t.Fatalf("%s-%dx%d: gonum did not converge", c.Name, m, n)
			}
			sameValues(t, c, s.Values(), func(i int) float64 { return g.Values(nil)[i] })
		}
	}
}

func TestSVDIsTheSameForAnyGOMAXPROCS(t *testing.T) {
	svdThreads[float64](t, 300, 280)
	svdThreads[float32](t, 150, 400)
}

func svdThreads[T Float](t *testing.T, m, n int) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	c := matgen.Zoo[T](m, n, 7)[0]
	var want []T
	for _, procs := range []int{1, 2, 3, 8} {
		runtime.GOMAXPROCS(procs)
		var s SVD[T]
		if err := s.Factorize(Thin, Thin, m, n, c.A, n); err != nil {
			t.Fatal(err)
		}
		got := slices.Clone(s.Values())
		for _, g := range []General[T]{s.U(), s.V()} {
			for i := range g.Rows {
				got = append(got, g.Data[i*g.Stride:][:g.Cols]...)
			}
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Fatalf("GOMAXPROCS=%d gives other bits", procs)
		}
	}
}

func TestSVDRejectsNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		a := matgen.Gaussian(6, 4, 1)
		a[23] = bad
		var s SVD[float64]
		if err := s.Factorize(Thin, Thin, 6, 4, a, 4); err != ErrNotFinite {
			t.Errorf("%v in the matrix: error %v", bad, err)
		}
	}
}

// FuzzSVD decomposes any bits as a matrix: the numbers that are far apart, subnormal or not finite.
func FuzzSVD(f *testing.F) {
	f.Add(uint8(2), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32})
	f.Add(uint8(1), []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x7f}) // infinity
	f.Add(uint8(3), make([]byte, 8*3*40))
	f.Fuzz(func(t *testing.T, columns uint8, data []byte) {
		n := int(columns)%48 + 1
		m := min(len(data)/8/n, 48)
		c := matgen.Case[float64]{Name: "fuzz", M: m, N: n, A: make([]float64, m*n)}
		finite := true
		for i := range c.A {
			c.A[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
			finite = finite && isFinite(c.A[i])
			if math.Abs(c.A[i]) > 1e300 {
				c.A[i] *= 0x1p-10 // a singular value may be larger than all elements, and must not overflow
			}
		}
		var s SVD[float64]
		err := s.Factorize(Thin, Full, m, n, c.A, n)
		if !finite {
			if err != ErrNotFinite {
				t.Fatalf("error %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		checkSVD(t, c, &s, min(m, n), n)
	})
}

func BenchmarkSVD(b *testing.B)        { benchmarkSVD[float64](b) }
func BenchmarkSVDFloat32(b *testing.B) { benchmarkSVD[float32](b) }

func benchmarkSVD[T Float](b *testing.B) {
	for _, size := range [][2]int{{256, 256}, {512, 512}, {1024, 1024}, {2048, 2048}, {4000, 500}} {
		m, n := size[0], size[1]
		b.Run(fmt.Sprintf("%dx%d", m, n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			a := make([]T, m*n)
			for i := range a {
				a[i] = T(rng.NormFloat64())
			}
			var s SVD[T]
			for b.Loop() {
				if err := s.Factorize(Thin, Thin, m, n, a, n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
