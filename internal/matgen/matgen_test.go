package matgen

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// gonum's decompositions are the oracle of all values that a zoo claims: both are backward stable, so values differ by the
// errors of two decompositions, c n eps ||A|| each with c = 8 fixed beforehand, and that of making the matrix (rounding to T
// included).
func TestZooHasTheValuesItClaims(t *testing.T) { zoo[float64](t, 0x1p-53) }

func TestFloat32ZooHasTheValuesItClaims(t *testing.T) { zoo[float32](t, 0x1p-24) }

func zoo[T Float](t *testing.T, eps float64) {
	for _, size := range [][2]int{{1, 1}, {1, 7}, {7, 1}, {2, 2}, {5, 9}, {21, 21}, {40, 24}, {33, 64}} {
		m, n := size[0], size[1]
		for _, c := range Zoo[T](m, n, 1) {
			a, scale := dense(c)
			var svd mat.SVD
			if !svd.Factorize(a, mat.SVDNone) {
				t.Fatalf("%s %dx%d: gonum failed", c.Name, m, n)
			}
			compare(t, c, svd.Values(nil), scale, eps)
		}
		for _, c := range SymmetricZoo[T](n, 1) {
			a, scale := dense(c)
			for i := range n {
				for j := range i {
					if a.At(i, j) != a.At(j, i) {
						t.Fatalf("%s: not symmetric at %d, %d", c.Name, i, j)
					}
				}
			}
			var eig mat.EigenSym
			if !eig.Factorize(mat.NewSymDense(n, a.RawMatrix().Data), false) {
				t.Fatalf("%s %d: gonum failed", c.Name, n)
			}
			compare(t, c, eig.Values(nil), scale, eps)
		}
	}
}

// dense returns c's matrix divided by scale, a power of two.
func dense[T Float](c Case[T]) (a *mat.Dense, scale float64) {
	a = mat.NewDense(c.M, c.N, nil)
	var largest float64
	for _, v := range c.A {
		largest = max(largest, math.Abs(float64(v)))
	}
	_, exp := math.Frexp(largest)
	scale = math.Ldexp(1, min(max(exp, -1000), 1000))
	for i, v := range c.A {
		a.RawMatrix().Data[i] = float64(v) / scale
	}
	return a, scale
}

func compare[T Float](t *testing.T, c Case[T], got []float64, scale, eps float64) {
	t.Helper()
	if c.Values == nil {
		return
	}
	if len(got) != len(c.Values) {
		t.Fatalf("%s: %d values, gonum has %d", c.Name, len(c.Values), len(got))
	}
	var norm float64
	for _, v := range got {
		norm = max(norm, math.Abs(v))
	}
	tol := 3 * 8 * float64(max(c.M, c.N)) * eps * norm
	for i, v := range got {
		if want := c.Values[i] / scale; !(math.Abs(v-want) <= tol) {
			t.Errorf("%s %dx%d: value %d is %v, gonum finds %v, tolerance %.2g", c.Name, c.M, c.N, i, want, v, tol)
			return
		}
	}
}

func TestEmptyZoo(t *testing.T) {
	for _, size := range [][2]int{{0, 0}, {0, 3}, {3, 0}} {
		for _, c := range Zoo[float64](size[0], size[1], 1) {
			if len(c.A) != 0 || len(c.Values) != 0 {
				t.Errorf("%s: %d elements, %d values", c.Name, len(c.A), len(c.Values))
			}
		}
	}
	for _, c := range SymmetricZoo[float32](0, 1) {
		if len(c.A) != 0 || len(c.Values) != 0 {
			t.Errorf("%s: %d elements, %d values", c.Name, len(c.A), len(c.Values))
		}
	}
}

// Columns are orthonormal up to the rounding of the rounds, and no element of a factor is as large as an untouched unit
// vector's: for m = 200 the largest of 200*20 Gaussians of variance 1/m stays under 6/sqrt(m).
func TestOrthogonal(t *testing.T) {
	const m, n = 200, 20
	q := Orthogonal(m, n, 7)
	a := mat.NewDense(m, n, q)
	var gram mat.Dense
	gram.Mul(a.T(), a)
	for i := range n {
		for j := range n {
			if e := gram.At(i, j) - delta(i, j); !(math.Abs(e) <= 8*m*0x1p-53) {
				t.Errorf("QᵀQ - I is %v at %d, %d", e, i, j)
			}
		}
	}
	for i, v := range q {
		if math.Abs(v) > 6/math.Sqrt(m) {
			t.Errorf("element %d is %v", i, v)
		}
	}
	if !slices.Equal(q, Orthogonal(m, n, 7)) || slices.Equal(q, Orthogonal(m, n, 8)) {
		t.Error("the seed does not decide the matrix")
	}
}

// Wilkinson printed the largest eigenvalues of W21+: 10.746194182903322 and ...393.
func TestWilkinson(t *testing.T) {
	var eig mat.EigenSym
	eig.Factorize(mat.NewSymDense(21, Wilkinson(21)), false)
	v := eig.Values(nil)
	for i, want := range []float64{10.746194182903322, 10.746194182903393} {
		if got := v[19+i]; !(math.Abs(got-want) <= 21*0x1p-53*11) {
			t.Errorf("eigenvalue %d is %v, want %v", 19+i, got, want)
		}
	}
}

func ExampleWithSingularValues() {
	a := WithSingularValues(3, 2, []float64{4, 3}, 1)
	var squares float64
	for _, v := range a {
		squares += v * v
	}
	fmt.Printf("%.3f\n", math.Sqrt(squares)) // the Frobenius norm
	// Output: 5.000
}
