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

// full returns all elements of a, row-major.
func full(a blas64.Symmetric) []float64 {
	n := a.N
	f := make([]float64, n*n)
	for i := range n {
		for j := i; j < n; j++ {
			v := a.Data[i*a.Stride+j]
			if a.Uplo == blas.Lower {
				v = a.Data[j*a.Stride+i]
			}
			f[i*n+j], f[j*n+i] = v, v
		}
	}
	return f
}

// tridiagonal returns the symmetric tridiagonal matrix with diagonal d and off-diagonal e.
func tridiagonal(d, e []float64) func(i, j int) float64 {
	return func(i, j int) float64 {
		switch j {
		case i:
			return d[i]
		case i + 1:
			return e[i]
		}
		return 0
	}
}

// withValues returns Q diag(values) Qᵀ for a random orthogonal Q, made of three reflections.
func withValues(rng *rand.Rand, values []float64) func(i, j int) float64 {
	n := len(values)
	a := make([]float64, n*n)
	for i, v := range values {
		a[i*n+i] = v
	}
	for range 3 {
		v := make([]float64, n)
		var squares float64
		for i := range v {
			v[i] = rng.NormFloat64()
			squares += v[i] * v[i]
		}
		for side := range 2 {
			for i := range n {
				at := func(k int) *float64 {
					if side == 0 {
						return &a[i*n+k]
					}
					return &a[k*n+i]
				}
				var dot float64
				for k := range n {
					dot += *at(k) * v[k]
				}
				for k := range n {
					*at(k) -= 2 * dot / squares * v[k]
				}
			}
		}
	}
	return func(i, j int) float64 { return (a[i*n+j] + a[j*n+i]) / 2 }
}

// eigenCase is a matrix and, where there is a closed form, its eigenvalues.
type eigenCase struct {
	name   string
	n      int
	at     func(i, j int) float64
	values []float64
}

func eigenCases(n int) []eigenCase {
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	random := make([]float64, n*n)
	for i := range random {
		random[i] = rng.NormFloat64()
	}
	ones, diagonal, toeplitz := make([]float64, n), make([]float64, n), make([]float64, n)
	repeated, clustered, graded, geometric := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	wilkinson, glued, glue := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		ones[i] = 1
		diagonal[i] = rng.NormFloat64()
		toeplitz[i] = 2 - 2*math.Cos(math.Pi*float64(i+1)/float64(n+1))
		repeated[i] = float64(1 + i%3)
		clustered[i] = 1 + float64(i)*0x1p-51
		geometric[i] = math.Pow(10, -14*float64(i)/float64(n))
		graded[i] = math.Pow(10, 150-300*float64(i)/float64(n))
		wilkinson[i] = math.Abs(float64(i) - float64(n-1)/2)
		glued[i] = math.Abs(float64(i%21) - 10) // copies of W21+ with weak glue: Demmel et al.'s hard case
		glue[i] = 1
		if i%21 == 20 {
			glue[i] = 1e-8
		}
	}
	if n > 0 {
		glued[n-1] = math.Abs(glued[n-1])
	}
	twos := make([]float64, n)
	minus := make([]float64, n)
	for i := range n {
		twos[i], minus[i] = 2, -1
	}
	sortedCopy := func(v []float64) []float64 { v = slices.Clone(v); slices.Sort(v); return v }
	cases := []eigenCase{
		{"random", n, func(i, j int) float64 { return random[i*n+j] }, nil},
		{"zero", n, func(i, j int) float64 { return 0 }, make([]float64, n)},
		{"identity", n, tridiagonal(ones, make([]float64, n)), ones},
		{"diagonal", n, tridiagonal(diagonal, make([]float64, n)), sortedCopy(diagonal)},
		{"toeplitz", n, tridiagonal(twos, minus), toeplitz},
		{"wilkinson", n, tridiagonal(wilkinson, ones), nil},
		{"glued", n, tridiagonal(glued, glue), nil},
		{"repeated", n, withValues(rng, repeated), sortedCopy(repeated)},
		{"clustered", n, withValues(rng, clustered), sortedCopy(clustered)},
		{"geometric", n, withValues(rng, geometric), sortedCopy(geometric)},
		{"graded diagonal", n, tridiagonal(graded, make([]float64, n)), sortedCopy(graded)},
		{"graded", n, func(i, j int) float64 { return graded[j] * random[i*n+j] }, nil},
		{"tiny", n, func(i, j int) float64 { return 1e-300 * random[i*n+j] }, nil},
		{"huge", n, func(i, j int) float64 { return 1e300 * random[i*n+j] }, nil},
		{"rank one", n, func(i, j int) float64 { return diagonal[i] * diagonal[j] }, nil},
		{"ones", n, func(i, j int) float64 { return 1 }, nil},
	}
	if n > 0 {
		onesValues := make([]float64, n)
		onesValues[n-1] = float64(n)
		cases[len(cases)-1].values = onesValues
	}
	return cases
}

// checkEigen checks A V - V L, V Vᵀ - I and the order, each against c n eps with c = 8 fixed beforehand, for the matrix scaled
// to norm about 1 by a power of two so that the check itself cannot overflow. The two norms are Frobenius norms.
func checkEigen(t *testing.T, a blas64.Symmetric, s *SymEigen, values []float64) {
	t.Helper()
	n := a.N
	f := full(a)
	scale := powerOfTwo(maxAbs(f))
	var norm float64
	for i := range f {
		f[i] /= scale
		norm = math.Hypot(norm, f[i])
	}
	tol := 8 * float64(n) * 0x1p-53
	v, l := s.Vectors(), s.Values()
	if v.Cols != n || len(l) != n || !slices.IsSorted(l) {
		t.Fatalf("%d values, vectors %d x %d, sorted: %v", len(l), v.Rows, v.Cols, slices.IsSorted(l))
	}
	k := v.Rows
	vm := mat.NewDense(max(k, 1), max(n, 1), nil)
	for i := range k {
		vm.SetRow(i, v.Data[i*v.Stride:i*v.Stride+n])
	}
	am := mat.NewDense(max(n, 1), max(n, 1), append(f, make([]float64, max(n, 1)*max(n, 1)-n*n)...))
	var av, vv mat.Dense
	av.Mul(vm, am)
	vv.Mul(vm, vm.T())
	var residual, orthogonality float64
	for i := range k {
		for j := range n {
			residual = math.Hypot(residual, av.At(i, j)-l[n-k+i]/scale*vm.At(i, j))
		}
		for j := range k {
			e := vv.At(i, j)
			if i == j {
				e--
			}
			orthogonality = math.Hypot(orthogonality, e)
		}
	}
	if !(residual <= tol*norm) {
		t.Errorf("residual %.3g, tolerance %.3g", residual, tol*norm)
	}
	if !(orthogonality <= tol*math.Sqrt(float64(n))) {
		t.Errorf("orthogonality %.3g, tolerance %.3g", orthogonality, tol*math.Sqrt(float64(n)))
	}
	for i, want := range values { // Weyl: each eigenvalue moves by at most ||E||; the matrix itself was rounded when made
		if !(math.Abs(l[i]/scale-want/scale) <= 2*tol*norm) {
			t.Errorf("value %d is %v, want %v within %.3g", i, l[i], want, 2*tol*norm*scale)
			break
		}
	}
}

func TestSymEigen(t *testing.T) {
	sizes := []int{100, 129, 257}
	for n := range 71 {
		sizes = append(sizes, n)
	}
	var s SymEigen
	for _, n := range sizes {
		for i, c := range eigenCases(n) {
			if n > 36 && (n+i)%4 != 0 { // each case at every fourth size
				continue
			}
			uplo := blas.Upper
			if n%2 == 1 {
				uplo = blas.Lower
			}
			t.Run(fmt.Sprintf("%s-%d", c.name, n), func(t *testing.T) {
				a := symmetric(uplo, n, c.at)
				before := slices.Clone(a.Data)
				if err := s.Factorize(a); err != nil {
					t.Fatal(err)
				}
				for i, v := range a.Data {
					if math.Float64bits(v) != math.Float64bits(before[i]) {
						t.Fatalf("the input was changed at %d", i)
					}
				}
				checkEigen(t, a, &s, c.values)
				values := slices.Clone(s.Values())
				if err := s.FactorizeTop(a, (n+2)/3); err != nil {
					t.Fatal(err)
				}
				checkEigen(t, a, &s, c.values)
				if err := s.FactorizeValues(a); err != nil {
					t.Fatal(err)
				}
				sameValues(t, a, s.Values(), values)
			})
		}
	}
}

// sameValues compares two computed spectra of a: each is within c n eps ||A|| of the exact one.
func sameValues(t *testing.T, a blas64.Symmetric, got, want []float64) {
	t.Helper()
	f := full(a)
	scale := powerOfTwo(maxAbs(f))
	var norm float64
	for _, v := range f {
		norm = math.Hypot(norm, v/scale)
	}
	for i := range want {
		if tol := 2 * 8 * float64(a.N) * 0x1p-53 * norm; !(math.Abs(got[i]/scale-want[i]/scale) <= tol) {
			t.Fatalf("value %d is %v and %v, tolerance %.3g", i, got[i], want[i], tol*scale)
		}
	}
}

func TestSymEigenAgainstGonum(t *testing.T) {
	for _, n := range []int{1, 2, 10, 33, 90, 200} {
		for _, c := range eigenCases(n) {
			if c.name == "tiny" || c.name == "huge" || c.name == "graded" || c.name == "graded diagonal" {
				continue // gonum's values are no better than normwise, at a scale that sameValues does not see
			}
			a := symmetric(blas.Upper, n, c.at)
			var s SymEigen
			if err := s.Factorize(a); err != nil {
				t.Fatalf("%s-%d: %v", c.name, n, err)
			}
			var g mat.EigenSym
			if !g.Factorize(mat.NewSymDense(n, full(a)), false) {
				t.Fatalf("%s-%d: gonum did not converge", c.name, n)
			}
			sameValues(t, a, s.Values(), g.Values(nil))
		}
	}
}

func TestSymEigenLarge(t *testing.T) {
	for i, n := range []int{576, 450} {
		for _, c := range eigenCases(n)[i : i+6] {
			t.Run(fmt.Sprintf("%s-%d", c.name, n), func(t *testing.T) {
				a := symmetric(blas.Upper, n, c.at)
				var s SymEigen
				if err := s.Factorize(a); err != nil {
					t.Fatal(err)
				}
				checkEigen(t, a, &s, c.values)
			})
		}
	}
}

func TestSymEigenIsTheSameForAnyGOMAXPROCS(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	a := symmetric(blas.Upper, 400, eigenCases(400)[0].at)
	var want []float64
	for _, procs := range []int{1, 2, 3, 8} {
		runtime.GOMAXPROCS(procs)
		var s SymEigen
		if err := s.Factorize(a); err != nil {
			t.Fatal(err)
		}
		got := slices.Clone(s.Values())
		for i := range 400 {
			got = append(got, s.Vectors().Data[i*s.Vectors().Stride:][:400]...)
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
		var s SymEigen
		if err := s.Factorize(a); err != ErrNotFinite {
			t.Errorf("%v in the matrix: error %v", bad, err)
		}
	}
}

func BenchmarkSymEigen(b *testing.B) {
	for _, n := range []int{256, 512, 576, 1024, 1536, 2048} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			a := symmetric(blas.Upper, n, func(i, j int) float64 { return rng.NormFloat64() })
			var s SymEigen
			for b.Loop() {
				if err := s.Factorize(a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
