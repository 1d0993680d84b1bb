package lapack

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/matgen"
)

// symmetric returns the n x n matrix with the given elements (called for j >= i), rows wider than the matrix, and NaN in the
// triangle that is not stored.
func symmetric(uplo blas.Uplo, n int, at func(i, j int) float64) blas64.Symmetric {
	a := blas64.Symmetric{N: n, Stride: n + 3, Uplo: uplo, Data: make([]float64, n*(n+3))}
	for i := range a.Data {
		a.Data[i] = math.NaN()
	}
	for i := range n {
		for j := i; j < n; j++ {
			if uplo == blas.Upper {
				a.Data[i*a.Stride+j] = at(i, j)
			} else {
				a.Data[j*a.Stride+i] = at(i, j)
			}
		}
	}
	return a
}

// stored returns the triangle uplo of the symmetric matrix c in rows that are wider than it, with NaN everywhere else.
func stored[T Float](uplo blas.Uplo, c matgen.Case[T]) (a []T, lda int) {
	lda = c.N + 3
	a = make([]T, c.N*lda)
	for i := range a {
		a[i] = T(math.NaN())
	}
	for i := range c.N {
		for j := i; j < c.N; j++ {
			if uplo == blas.Upper {
				a[i*lda+j] = c.A[i*c.N+j]
			} else {
				a[j*lda+i] = c.A[i*c.N+j]
			}
		}
	}
	return a, lda
}

// inFloat64 returns x (m x n, row stride ld) times factor as a gonum matrix, or an empty one.
func inFloat64[T Float](m, n int, x []T, ld int, factor float64) *mat.Dense {
	if m == 0 || n == 0 {
		return new(mat.Dense)
	}
	d := mat.NewDense(m, n, nil)
	for i := range m {
		row := d.RawRowView(i)
		for j, v := range x[i*ld : i*ld+n] {
			row[j] = float64(v) * factor
		}
	}
	return d
}

// frobenius returns the norm of a - b, or of a if b is nil; NaN is not lost.
func frobenius(a, b mat.Matrix) float64 {
	m, n := a.Dims()
	var squares float64
	for i := range m {
		for j := range n {
			e := a.At(i, j)
			if b != nil {
				e -= b.At(i, j)
			}
			squares += e * e
		}
	}
	return math.Sqrt(squares)
}

// checkOrthonormalRows checks V Vᵀ - I in the Frobenius norm.
func checkOrthonormalRows(t *testing.T, name string, v *mat.Dense, tol float64) {
	t.Helper()
	k, _ := v.Dims()
	if k == 0 {
		return
	}
	var gram mat.Dense
	gram.Mul(v, v.T())
	for i := range k {
		gram.Set(i, i, gram.At(i, i)-1)
	}
	if e := frobenius(&gram, nil); !(e <= tol*math.Sqrt(float64(k))) {
		t.Errorf("rows of %s are orthonormal up to %.3g, tolerance %.3g", name, e, tol*math.Sqrt(float64(k)))
	}
}

// checkEigen checks A V - V L, V Vᵀ - I and the order, each against c n eps with c = 8 fixed beforehand, for the matrix scaled
// to norm about 1 by a power of two so that the check itself cannot overflow. Norms are Frobenius norms.
func checkEigen[T Float](t *testing.T, c matgen.Case[T], s *SymEigen[T]) {
	t.Helper()
	n := c.N
	v, l := s.Vectors(), s.Values()
	if v.Cols != n || len(l) != n || !slices.IsSorted(l) {
		t.Fatalf("%d values, vectors %d x %d, sorted: %v", len(l), v.Rows, v.Cols, slices.IsSorted(l))
	}
	scale := powerOfTwo(float64(maxAbs(c.A)))
	a := inFloat64(n, n, c.A, n, 1/scale)
	norm, tol := frobenius(a, nil), 8*float64(n)*float64(epsilon[T]())
	vectors := inFloat64(v.Rows, n, v.Data, v.Stride, 1)
	checkOrthonormalRows(t, "V", vectors, tol)
	if v.Rows > 0 && n > 0 {
		var product mat.Dense
		product.Mul(vectors, a)
		for i := range v.Rows {
			for j := range n {
				vectors.Set(i, j, float64(l[n-v.Rows+i])/scale*vectors.At(i, j))
			}
		}
		if e := frobenius(&product, vectors); !(e <= tol*norm) {
			t.Errorf("residual %.3g, tolerance %.3g", e, tol*norm)
		}
	}
	for i, want := range c.Values { // Weyl: each eigenvalue moves by at most ||E||; the matrix itself was rounded when made
		if !(math.Abs(float64(l[i])/scale-want/scale) <= 2*tol*norm) {
			t.Errorf("value %d is %v, want %v within %.3g", i, l[i], want, 2*tol*norm*scale)
			break
		}
	}
}

// sameValues compares two computed spectra of c: each is within c n eps ||A|| of the exact one.
func sameValues[T Float](t *testing.T, c matgen.Case[T], got []T, want func(i int) float64) {
	t.Helper()
	scale := powerOfTwo(float64(maxAbs(c.A)))
	norm := frobenius(inFloat64(c.M, c.N, c.A, c.N, 1/scale), nil)
	tol := 2 * 8 * float64(max(c.M, c.N)) * float64(epsilon[T]()) * norm
	for i := range got {
		if !(math.Abs(float64(got[i])/scale-want(i)/scale) <= tol) {
			t.Errorf("value %d is %v and %v, tolerance %.3g", i, got[i], want(i), tol*scale)
			return
		}
	}
}

func TestSymEigen(t *testing.T)        { testSymEigen[float64](t) }
func TestSymEigenFloat32(t *testing.T) { testSymEigen[float32](t) }

func testSymEigen[T Float](t *testing.T) {
	sizes := []int{64, 65, 70, 100, 129, 257}
	for n := range 37 {
		sizes = append(sizes, n)
	}
	var s SymEigen[T]
	for _, n := range sizes {
		for i, c := range matgen.SymmetricZoo[T](n, uint64(n)) {
			if n > 8 && (n+i)%4 != 0 { // each case at every fourth size
				continue
			}
			uplo := blas.Upper
			if n%2 == 1 {
				uplo = blas.Lower
			}
			t.Run(fmt.Sprintf("%s-%d", c.Name, n), func(t *testing.T) {
				a, lda := stored(uplo, c)
				before := slices.Clone(a)
				if err := s.Factorize(uplo, n, a, lda); err != nil {
					t.Fatal(err)
				}
				for i, v := range a {
					if math.Float64bits(float64(v)) != math.Float64bits(float64(before[i])) {
						t.Fatalf("the input was changed at %d", i)
					}
				}
				checkEigen(t, c, &s)
				values := slices.Clone(s.Values())
				if err := s.FactorizeTop(uplo, n, a, lda, (n+2)/3); err != nil {
					t.Fatal(err)
				}
				checkEigen(t, c, &s)
				if err := s.FactorizeValues(uplo, n, a, lda); err != nil {
					t.Fatal(err)
				}
				sameValues(t, c, s.Values(), func(i int) float64 { return float64(values[i]) })
			})
		}
	}
}

func TestSymEigenAgainstGonum(t *testing.T) {
	for _, n := range []int{1, 2, 10, 33, 90, 200} {
		for _, c := range matgen.SymmetricZoo[float64](n, 5) {
			if c.Name == "tiny" || c.Name == "huge" {
				continue // gonum's values are no better than normwise, at a scale that sameValues does not see
			}
			var s SymEigen[float64]
			if err := s.Factorize(blas.Upper, n, c.A, n); err != nil {
				t.Fatalf("%s-%d: %v", c.Name, n, err)
			}
			var g mat.EigenSym
			if !g.Factorize(mat.NewSymDense(n, c.A), false) {
				t.Fatalf("%s-%d: gonum did not converge", c.Name, n)
			}
			sameValues(t, c, s.Values(), func(i int) float64 { return g.Values(nil)[i] })
		}
	}
}

func TestSymEigenLarge(t *testing.T)        { testSymEigenLarge[float64](t, 0) }
func TestSymEigenLargeFloat32(t *testing.T) { testSymEigenLarge[float32](t, 1) }

// testSymEigenLarge takes every third case from start on.
func testSymEigenLarge[T Float](t *testing.T, start int) {
	const n = 450
	cases := matgen.SymmetricZoo[T](n, 6)
	for i := start; i < len(cases); i += 3 {
		c := cases[i]
		t.Run(c.Name, func(t *testing.T) {
			var s SymEigen[T]
			if err := s.Factorize(blas.Upper, n, c.A, n); err != nil {
				t.Fatal(err)
			}
			checkEigen(t, c, &s)
		})
	}
}

func TestSymEigenIsTheSameForAnyGOMAXPROCS(t *testing.T) {
	symEigenThreads[float64](t)
	symEigenThreads[float32](t)
}

func symEigenThreads[T Float](t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	const n = 400
	c := matgen.SymmetricZoo[T](n, 7)[0]
	var want []T
	for _, procs := range []int{1, 2, 3, 8} {
		runtime.GOMAXPROCS(procs)
		var s SymEigen[T]
		if err := s.Factorize(blas.Upper, n, c.A, n); err != nil {
			t.Fatal(err)
		}
		got := slices.Clone(s.Values())
		for i := range n {
			got = append(got, s.Vectors().Data[i*s.Vectors().Stride:][:n]...)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Fatalf("GOMAXPROCS=%d gives other bits", procs)
		}
	}
}

func TestSymEigenRejectsNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		a := symmetric(blas.Lower, 5, func(i, j int) float64 { return float64(i + j) })
		a.Data[3*a.Stride+1] = bad
		var s SymEigen[float64]
		if err := s.Factorize(a.Uplo, a.N, a.Data, a.Stride); err != ErrNotFinite {
			t.Errorf("%v in the matrix: error %v", bad, err)
		}
	}
}

func BenchmarkSymEigen(b *testing.B)        { benchmarkSymEigen[float64](b) }
func BenchmarkSymEigenFloat32(b *testing.B) { benchmarkSymEigen[float32](b) }

func benchmarkSymEigen[T Float](b *testing.B) {
	for _, n := range []int{256, 512, 576, 1024, 1536, 2048} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			a := make([]T, n*n)
			for i := range a {
				a[i] = T(rng.NormFloat64())
			}
			var s SymEigen[T]
			for b.Loop() {
				if err := s.Factorize(blas.Upper, n, a, n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
