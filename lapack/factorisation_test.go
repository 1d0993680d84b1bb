package lapack

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/matgen"
)

var shapes = [][2]int{{0, 3}, {1, 1}, {1, 7}, {9, 1}, {16, 16}, {33, 20}, {20, 41}, {70, 70}, {120, 37}, {50, 111}}

// backward is the tolerance of a factorisation by reflections, relative to ||A||_F: c m k eps in the worst case (Higham 2002,
// theorem 19.4), and the root of k where errors have independent signs, with the factor 8 for the constants and for the check.
func backward[T Float](m, n int) float64 {
	return 8 * math.Sqrt(float64(max(1, min(m, n)))) * float64(max(m, n)) * float64(epsilon[T]())
}

// eachCase runs f on the zoo in all shapes; scale is the inverse of a power of two near the largest element, with which norms are
// taken.
func eachCase[T Float](t *testing.T, f func(t *testing.T, c matgen.Case[T], scale float64)) {
	for i, s := range shapes {
		for _, c := range matgen.Zoo[T](s[0], s[1], uint64(i)) {
			t.Run(fmt.Sprintf("%dx%d %s", c.M, c.N, c.Name), func(t *testing.T) { f(t, c, 1/powerOfTwo(float64(maxAbs(c.A)))) })
		}
	}
}

// checkProduct checks ||A - X Y|| <= tol ||A|| in the Frobenius norm.
func checkProduct(t *testing.T, what string, a, x, y *mat.Dense, tol float64) {
	t.Helper()
	if a.IsEmpty() {
		return
	}
	var p mat.Dense
	p.Mul(x, y)
	if e, norm := frobenius(a, &p), frobenius(a, nil); !(e <= tol*norm) {
		t.Errorf("%s: error %.3g of the norm, tolerance %.3g", what, e/norm, tol)
	}
}

func TestReflections(t *testing.T)        { eachCase(t, checkReflections[float64]) }
func TestReflectionsFloat32(t *testing.T) { eachCase(t, checkReflections[float32]) }

// checkReflections checks A = Q R, A = L Q and A P = Q R in LAPACK's storage: products, orthogonality, and that Q is applied as
// it is generated.
func checkReflections[T Float](t *testing.T, c matgen.Case[T], scale float64) {
	m, n, k := c.M, c.N, min(c.M, c.N)
	if k == 0 {
		return
	}
	tol := backward[T](m, n)
	want := inFloat64(m, n, c.A, n, scale)
	columns, tau := make([]int, n), make([]T, k)
	for _, pivoted := range []string{"QR", "pivoted QR"} {
		a, lda := spaced(c)
		if pivoted == "QR" {
			factorQR(m, n, a, lda, tau)
		} else {
			PivotedQR(m, n, a, lda, columns, tau)
			checkPivoting(t, m, n, a, lda, columns, tol*float64(maxAbs(c.A))*math.Sqrt(float64(m)))
			permuted := mat.NewDense(m, n, nil)
			for j, from := range columns {
				permuted.ColView(j).(*mat.VecDense).CopyVec(want.ColView(from))
			}
			want = permuted
		}
		r := make([]T, k*n)
		for i := range k {
			copy(r[i*n+i:(i+1)*n], a[i*lda+i:])
		}
		q := make([]T, m*k)
		for i := range m {
			copy(q[i*k:(i+1)*k], a[i*lda:])
		}
		reflectors[T]{layout: byColumn, n: m, k: k, a: q, lda: k, tau: tau}.generate(k)
		generated := inFloat64(m, k, q, k, 1)
		checkOrthonormalRows(t, pivoted, mat.DenseCopyOf(generated.T()), backward[T](m, n)*math.Sqrt(float64(k)))
		checkProduct(t, pivoted, want, generated, inFloat64(k, n, r, n, scale), tol)
		reflectors[T]{layout: byColumn, n: m, k: k, a: a, lda: lda, tau: tau}.apply(blas.Left, blas.Trans, k, q, k)
		for i := range k {
			q[i*k+i]-- // QᵀQ = I
		}
		if e := frobenius(inFloat64(m, k, q, k, 1), nil); !(e <= tol*math.Sqrt(float64(k))) {
			t.Errorf("%s: Qᵀ applied to Q is %.3g off the identity", pivoted, e)
		}
	}
	a, lda := spaced(c)
	factorLQ(m, n, a, lda, tau)
	l := make([]T, m*k)
	for i := range m {
		copy(l[i*k:], a[i*lda:i*lda+min(i+1, k)])
	}
	reflectors[T]{layout: byRow, n: n, k: k, a: a, lda: lda, tau: tau}.generate(k)
	generated := inFloat64(k, n, a, lda, 1)
	checkOrthonormalRows(t, "LQ", generated, tol*math.Sqrt(float64(k)))
	checkProduct(t, "LQ", inFloat64(m, n, c.A, n, scale), inFloat64(m, k, l, k, scale), generated, tol)
}

// checkPivoting: columns is a permutation, and each diagonal element of R is at least the norm of what is left of every column on
// its right, up to the backward error.
func checkPivoting[T Float](t *testing.T, m, n int, a []T, lda int, columns []int, tol float64) {
	t.Helper()
	sorted := slices.Sorted(slices.Values(columns))
	for j, c := range sorted {
		if c != j {
			t.Fatalf("%v is no permutation", columns)
		}
	}
	for i := range min(m, n) {
		for j := i + 1; j < n; j++ {
			var rest float64
			for p := i; p < min(m, j+1); p++ {
				rest = math.Hypot(rest, float64(a[p*lda+j]))
			}
			if d := math.Abs(float64(a[i*(lda+1)])); !(rest <= d*(1+1e-3)+tol) {
				t.Fatalf("column %d has norm %.3g below row %d, the pivot only %.3g", j, rest, i, d)
			}
		}
	}
}

func TestLU(t *testing.T)        { eachCase(t, checkLU[float64]) }
func TestLUFloat32(t *testing.T) { eachCase(t, checkLU[float32]) }

// checkLU: |P A - L U| <= n eps |L||U| element by element, twice that for the check (Higham 2002, theorem 9.3), and a residual of
// at most 3 n eps |L||U||x| for solves (theorem 9.4).
func checkLU[T Float](t *testing.T, c matgen.Case[T], scale float64) {
	m, n, k := c.M, c.N, min(c.M, c.N)
	a, lda := spaced(c)
	pivots := make([]int, k)
	err := LU(m, n, a, lda, pivots)
	if k == 0 {
		return
	}
	rows := make([]int, m)
	for i := range rows {
		rows[i] = i
	}
	for i, p := range pivots {
		rows[i], rows[p] = rows[p], rows[i]
	}
	l, u := mat.NewDense(m, k, nil), mat.NewDense(k, n, nil)
	for i := range m {
		for j := range n {
			if j < i && j < k {
				l.Set(i, j, float64(a[i*lda+j]))
			} else if j >= i && i < k {
				u.Set(i, j, float64(a[i*lda+j])*scale)
			}
		}
		if i < k {
			l.Set(i, i, 1)
		}
	}
	size := absoluteProduct(l, u)
	var p mat.Dense
	p.Mul(l, u)
	eps, tiny := float64(epsilon[T]()), float64(k)*float64(safeMinimum[T]())*scale
	for i := range m {
		for j := range n {
			want := float64(c.A[rows[i]*n+j]) * scale
			if tol := 2*float64(k)*eps*size.At(i, j) + tiny; !(math.Abs(p.At(i, j)-want) <= tol) {
				t.Fatalf("(L U)[%d, %d] is %.3g off, tolerance %.3g", i, j, p.At(i, j)-want, tol)
			}
		}
	}
	var singular *Singular
	if zero := zeroDiagonal(k, a, lda); (zero >= 0) != errors.As(err, &singular) || zero >= 0 && singular.Pivot != zero {
		t.Fatalf("U[%d, %d] is the first zero, and the error is %v", zero, zero, err)
	}
	if m == n && err == nil && c.Name == "gaussian" {
		checkLUSolve(t, c, a, lda, pivots, size)
	}
}

func absoluteProduct(l, u *mat.Dense) *mat.Dense {
	abs := func(_, _ int, v float64) float64 { return math.Abs(v) }
	var x, y, p mat.Dense
	x.Apply(abs, l)
	y.Apply(abs, u)
	p.Mul(&x, &y)
	return &p
}

// checkLUSolve checks solves with A and Aᵀ, and the inverse: A⁻¹ A - I is at most 3 n eps ||A⁻¹|| || |L||U| || (Higham 2002,
// section 14.3.2).
func checkLUSolve[T Float](t *testing.T, c matgen.Case[T], a []T, lda int, pivots []int, size *mat.Dense) {
	n, eps := c.N, float64(epsilon[T]())
	dense := inFloat64(n, n, c.A, n, 1)
	bound := 2 * 3 * float64(n) * eps * frobenius(size, nil) * powerOfTwo(float64(maxAbs(c.A)))
	for _, op := range []blas.Transpose{blas.NoTrans, blas.Trans} {
		const k = 5
		b := make([]T, n*k)
		for i := range b {
			b[i] = T(i%7) - 3
		}
		x := slices.Clone(b)
		LUSolve(op, n, k, a, lda, pivots, x, k)
		matrix, solution := mat.Matrix(dense), inFloat64(n, k, x, k, 1)
		if op == blas.Trans {
			matrix = dense.T()
		}
		var r mat.Dense
		r.Mul(matrix, solution)
		if e, tol := frobenius(&r, inFloat64(n, k, b, k, 1)), bound*frobenius(solution, nil); !(e <= tol) {
			t.Errorf("solve %c: residual %.3g, tolerance %.3g", op, e, tol)
		}
	}
	if err := LUInverse(n, a, lda, pivots); err != nil {
		t.Fatal(err)
	}
	inverse := inFloat64(n, n, a, lda, 1)
	var p mat.Dense
	p.Mul(inverse, dense)
	for i := range n {
		p.Set(i, i, p.At(i, i)-1)
	}
	if e, tol := frobenius(&p, nil), bound*frobenius(inverse, nil); !(e <= tol) {
		t.Errorf("inverse: A⁻¹ A is %.3g off the identity, tolerance %.3g", e, tol)
	}
}

func TestPositiveDefinite(t *testing.T)        { positiveDefinite[float64](t) }
func TestPositiveDefiniteFloat32(t *testing.T) { positiveDefinite[float32](t) }

// positiveDefinite: ||A - L Lᵀ|| <= (n+1) eps tr(A), twice that for the check (Higham 2002, theorem 10.3; the norm of |L||Lᵀ| is at
// most the trace), and A⁻¹ A - I at most 8 n eps ||A|| ||A⁻¹|| (section 14.3).
func positiveDefinite[T Float](t *testing.T) {
	for _, n := range []int{1, 2, 8, 9, 31, 64, 65, 150} {
		for _, uplo := range []blas.Uplo{blas.Upper, blas.Lower} {
			values := matgen.Geometric(n, 1, 1e-3)
			full := matgen.WithEigenvalues(values, uint64(n))
			lda := n + 1
			a := make([]T, n*lda)
			for i := range a {
				a[i] = T(math.NaN())
			}
			var trace float64
			for i := range n {
				for j := range n {
					full[i*n+j] = float64(T(full[i*n+j]))
					if (uplo == blas.Upper) == (j > i) || i == j {
						a[i*lda+j] = T(full[i*n+j])
					}
				}
				trace += full[i*n+i]
			}
			if err := Cholesky(uplo, n, a, lda); err != nil {
				t.Fatal(err)
			}
			eps, dense := float64(epsilon[T]()), mat.NewDense(n, n, full)
			factor := inFloat64(n, n, a, lda, 1)
			clearOther(factor, uplo)
			var p mat.Dense
			if uplo == blas.Upper {
				p.Mul(factor.T(), factor)
			} else {
				p.Mul(factor, factor.T())
			}
			if e, tol := frobenius(&p, dense), 2*float64(n+1)*eps*trace; !(e <= tol) {
				t.Errorf("n=%d %c: error %.3g, tolerance %.3g", n, uplo, e, tol)
			}
			if err := CholeskyInverse(uplo, n, a, lda); err != nil {
				t.Fatal(err)
			}
			inverse := inFloat64(n, n, a, lda, 1)
			clearOther(inverse, uplo)
			for i := range n {
				for j := range i {
					v := inverse.At(i, j) + inverse.At(j, i)
					inverse.Set(i, j, v)
					inverse.Set(j, i, v)
				}
			}
			p.Mul(inverse, dense)
			for i := range n {
				p.Set(i, i, p.At(i, i)-1)
			}
			if e, tol := frobenius(&p, nil), 8*float64(n)*eps*frobenius(inverse, nil)*frobenius(dense, nil); !(e <= tol) {
				t.Errorf("n=%d %c: A⁻¹ A is %.3g off the identity, tolerance %.3g", n, uplo, e, tol)
			}
		}
	}
}

// clearOther clears the triangle that is not uplo, where NaN stood.
func clearOther(a *mat.Dense, uplo blas.Uplo) {
	n, _ := a.Dims()
	for i := range n {
		for j := range n {
			if i != j && (uplo == blas.Upper) == (j < i) {
				a.Set(i, j, 0)
			}
		}
	}
}

func TestLeastSquares(t *testing.T)        { leastSquaresOracle[float64](t) }
func TestLeastSquaresFloat32(t *testing.T) { leastSquaresOracle[float32](t) }

// leastSquaresOracle builds problems whose solution is known, at scales whose squares under- and overflow: A = Q D with orthonormal
// columns Q and a condition of 4, b = A x + r with r orthogonal to Q; and b = Aᵀ y, where the solution of least norm of AᵀX = b is Q Qᵀ x = the
// part of x in the range of A. The error is at most c n eps (cond + cond^2 ||r|| / ||A|| ||x||) (Higham 2002, theorem 20.1), with
// c = 8 sqrt(n).
func leastSquaresOracle[T Float](t *testing.T) {
	safe := float64(safeMinimum[T]())
	for _, s := range [][2]int{{1, 1}, {7, 3}, {40, 40}, {90, 31}} {
		for _, scale := range []float64{1, safe * 0x1p10, 0x1p-10 / safe} {
			m, n := s[0], s[1]
			q := matgen.Orthogonal(m, n, uint64(m))
			x := make([]float64, n)
			a, b := make([]T, m*n), make([]T, m)
			noise := matgen.Gaussian(m, 1, 5)
			residual := mat.NewVecDense(m, noise)
			dense := mat.NewDense(m, n, q)
			var inside, projected mat.VecDense
			inside.MulVec(dense.T(), residual)
			projected.MulVec(dense, &inside)
			residual.SubVec(residual, &projected)
			for j := range n {
				x[j] = float64(j%5) - 2.5
			}
			for i := range m {
				sum := residual.AtVec(i)
				for j := range n {
					d := 1 + 3*float64(j)/float64(n)
					a[i*n+j] = T(q[i*n+j] * d * scale)
					sum += q[i*n+j] * d * x[j]
				}
				b[i] = T(sum)
			}
			tol := 8 * math.Sqrt(float64(n)) * float64(max(m, n)) * float64(epsilon[T]()) * (4 + 16*math.Sqrt(float64(m)))
			if err := LeastSquares(blas.NoTrans, m, n, 1, slices.Clone(a), n, b, 1); err != nil {
				t.Fatal(err)
			}
			var e float64
			for j := range n {
				e = math.Hypot(e, float64(b[j])*scale-x[j])
			}
			if norm := math.Sqrt(float64(n)) * 2.5; !(e <= tol*norm) {
				t.Errorf("%dx%d, scale %.3g: error %.3g, tolerance %.3g", m, n, scale, e, tol*norm)
			}
			// Aᵀ z = Aᵀ (Q w) has the solution of least norm Q w, which spans all of the columns of Q.
			z, right := make([]float64, m), make([]T, m)
			for i := range m {
				for j := range n {
					z[i] += q[i*n+j] * x[j]
				}
			}
			for j := range n {
				right[j] = T((1 + 3*float64(j)/float64(n)) * x[j])
			}
			if err := LeastSquares(blas.Trans, m, n, 1, slices.Clone(a), n, right, 1); err != nil {
				t.Fatal(err)
			}
			e = 0
			for i := range m {
				e = math.Hypot(e, float64(right[i])*scale-z[i])
			}
			if norm := math.Sqrt(float64(n)) * 2.5; !(e <= tol*norm) {
				t.Errorf("%dx%d transposed, scale %.3g: error %.3g, tolerance %.3g", m, n, scale, e, tol*norm)
			}
		}
	}
}

// allResults runs every factorisation of this file on a (n x n) and returns all that they computed.
func allResults[T Float](n int, a []T) []T {
	var out []T
	keep := func(f func(a []T)) {
		x := slices.Clone(a)
		f(x)
		out = append(out, x...)
	}
	tau, pivots := make([]T, n), make([]int, n)
	var q QR[T]
	keep(func(a []T) { factorQR(n, n, a, n, tau) })
	keep(func(a []T) { factorLQ(n, n, a, n, tau) })
	keep(func(a []T) { PivotedQR(n, n, a, n, pivots, tau) })
	keep(func(a []T) { q.Factorize(n, n, a, n); q.QTo(n, a, n) })
	keep(func(a []T) {
		if LU(n, n, a, n, pivots) == nil {
			_ = LUInverse(n, a, n, pivots) // U has no zero on its diagonal
		}
	})
	keep(func(a []T) {
		for i := range n {
			a[i*n+i] += T(2 * n)
		}
		if Cholesky(blas.Lower, n, a, n) == nil {
			_ = CholeskyInverse(blas.Lower, n, a, n) // nor has L
		}
	})
	keep(func(a []T) {
		b := slices.Clone(a)
		_ = LeastSquares(blas.NoTrans, n, n, n, a, n, b, n)
		copy(a, b)
	})
	return out
}

func TestSameBitsForAnyGOMAXPROCS(t *testing.T) {
	sameBits[float64](t)
	sameBits[float32](t)
}

func sameBits[T Float](t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	const n = 330
	a := make([]T, n*n)
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range a {
		a[i] = T(rng.NormFloat64())
	}
	var want []T
	for _, threads := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(threads)
		got := allResults(n, a)
		if want == nil {
			want = got
		} else if !slices.Equal(got, want) {
			t.Errorf("%T: results differ with %d threads", a, threads)
		}
	}
}

// A NaN or an infinity ends in a NaN, an infinity or an error, never in a hang or a panic; Cholesky names it.
func TestNotFiniteIsPassedOn(t *testing.T) {
	const n = 70
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, at := range []int{0, 5*n + 5, n - 1, n*n - 1, (n-1)*n + 3} {
			a := matgen.Gaussian(n, n, 3)
			a[at] = bad
			finite := 0
			for part := range slices.Chunk(allResults(n, a), n*n) {
				if !slices.ContainsFunc(part, func(v float64) bool { return v-v != 0 }) {
					finite++
				}
			}
			if finite > 1 { // Cholesky of a lower triangle does not see what is above it
				t.Errorf("%v at %d: %d results are finite", bad, at, finite)
			}
			b := make([]float64, n*n)
			w, work := make([]float64, n), make([]float64, 3*n)
			if (Implementation{}).Dsyev('V', blas.Upper, n, append(b[:0], a...), n, w, work, len(work)) && at%n >= at/n {
				t.Errorf("%v at %d: Dsyev reports success", bad, at)
			}
		}
	}
}
