// Package linoptest checks implementations of linop.Operator: one suite for all of them.
package linoptest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/linop"
)

// Run compares the products of a with those of want, the same matrix with its elements, for blocks of several widths and
// strides; results start as NaN, and the space between the rows of a block must stay as it is. It checks the adjoint identity
// <A X, Y> = <X, Aᵀ Y>, and FrobeniusNorm, CheckFinite and MulGramTo where a has them.
//
// Products may differ by 8 (m+n) eps size ||X||_F, the bound of any order of summation (Higham 2002, section 3.5) with room for
// a few operators in sequence. size is the norm of what a is made of, which may be larger than that of a, as in a difference;
// 0 means ||want||_F.
func Run(t *testing.T, a linop.Operator, want mat.Matrix, size float64) {
	t.Helper()
	m, n := a.Dims()
	if wm, wn := want.Dims(); wm != m || wn != n {
		t.Fatalf("%d x %d, want %d x %d", m, n, wm, wn)
	}
	if size == 0 {
		size = mat.Norm(want, 2)
	}
	c := &checker{T: t, a: a, want: mat.DenseCopyOf(want), unit: 8 * float64(m+n) * 0x1p-53 * size, rng: rand.New(rand.NewPCG(1, 2))}
	for _, p := range []int{1, 2, 3, 8, 17, 64} {
		for _, gap := range []int{0, 3} {
			c.products(p, gap)
		}
	}
	if norm, known, err := linop.FrobeniusNorm(a); err != nil {
		t.Errorf("FrobeniusNorm: %v", err)
	} else if exact := mat.Norm(want, 2); known && !(math.Abs(norm*norm-exact*exact) <= c.unit*(size+exact)) {
		t.Errorf("the norm is %v, want %v", norm, exact)
	}
	if err := linop.CheckFinite(a); err != nil {
		t.Errorf("CheckFinite: %v", err)
	}
}

type checker struct {
	*testing.T
	a    linop.Operator
	want *mat.Dense
	unit float64 // tolerance for X of norm 1
	rng  *rand.Rand
}

// products checks all products with p columns in blocks whose stride is p + gap.
func (c *checker) products(p, gap int) {
	c.Helper()
	m, n := c.a.Dims()
	x, y := c.random(n, p, gap), c.random(m, p, gap)
	ax, aty, gram := poisoned(m, p, gap), poisoned(n, p, gap), poisoned(n, p, gap)
	if err := c.a.MulTo(ax, x); err != nil {
		c.Fatalf("MulTo: %v", err)
	}
	if err := c.a.MulTransTo(aty, y); err != nil {
		c.Fatalf("MulTransTo: %v", err)
	}
	var wantAX, wantATY, wantGram mat.Dense
	wantAX.Mul(c.want, view(x))
	wantATY.Mul(c.want.T(), view(y))
	wantGram.Mul(c.want.T(), &wantAX)
	what := fmt.Sprintf("%d columns, stride %d", p, p+gap)
	nx, ny := mat.Norm(view(x), 2), mat.Norm(view(y), 2)
	c.compare("A X, "+what, ax, &wantAX, c.unit*nx)
	c.compare("Aᵀ Y, "+what, aty, &wantATY, c.unit*ny)
	if d := math.Abs(inner(ax, y) - inner(x, aty)); !(d <= 2*c.unit*nx*ny) {
		c.Errorf("%s: <A X, Y> and <X, Aᵀ Y> differ by %g, tolerance %g", what, d, 2*c.unit*nx*ny)
	}
	size := c.unit / (8 * float64(m+n) * 0x1p-53)
	for _, kept := range []blas64.General{{}, poisoned(m, p, gap)} {
		if err := linop.MulGramTo(c.a, gram, kept, x); err != nil {
			c.Fatalf("MulGramTo: %v", err)
		}
		c.compare("AᵀA X, "+what, gram, &wantGram, 3*c.unit*size*nx)
		if kept.Rows > 0 {
			c.compare("A X beside AᵀA X, "+what, kept, &wantAX, c.unit*nx)
		}
	}
}

func (c *checker) random(rows, cols, gap int) blas64.General {
	b := poisoned(rows, cols, gap)
	for i := range rows {
		for j := range cols {
			b.Data[i*b.Stride+j] = c.rng.NormFloat64()
		}
	}
	return b
}

// poisoned returns a block of NaN; the space between rows is filled with the value mark.
func poisoned(rows, cols, gap int) blas64.General {
	b := blas64.General{Rows: rows, Cols: cols, Stride: cols + gap, Data: make([]float64, rows*(cols+gap))}
	for i := range b.Data {
		b.Data[i] = mark
		if i%b.Stride < cols {
			b.Data[i] = math.NaN()
		}
	}
	return b
}

const mark = 12345

func (c *checker) compare(what string, got blas64.General, want *mat.Dense, tol float64) {
	c.Helper()
	for i, v := range got.Data {
		row, col := i/got.Stride, i%got.Stride
		if col >= got.Cols {
			if v != mark {
				c.Fatalf("%s: wrote beside row %d", what, row)
			}
			continue
		}
		if d := math.Abs(v - want.At(row, col)); !(d <= tol) {
			c.Fatalf("%s: element (%d, %d) is %v, want %v within %g", what, row, col, v, want.At(row, col), tol)
		}
	}
}

func view(b blas64.General) *mat.Dense {
	var d mat.Dense
	d.SetRawMatrix(b)
	return &d
}

func inner(a, b blas64.General) float64 {
	var sum float64
	for i := range a.Rows {
		for j := range a.Cols {
			sum += a.Data[i*a.Stride+j] * b.Data[i*b.Stride+j]
		}
	}
	return sum
}
