package linop_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/linop/linoptest"
)

func random(m, n int, seed uint64) *mat.Dense {
	rng := rand.New(rand.NewPCG(seed, 7))
	d := mat.NewDense(m, n, nil)
	for i := range m {
		for j := range n {
			d.Set(i, j, rng.NormFloat64())
		}
	}
	return d
}

// blocks delivers a matrix a few rows at a time.
type blocks struct {
	*mat.Dense
	rows int
}

func (b blocks) EachBlock(f func(first int, block blas64.General) error) error {
	m, n := b.Dims()
	for i := 0; i < m; i += b.rows {
		if err := f(i, b.Slice(i, min(m, i+b.rows), 0, n).(*mat.Dense).RawMatrix()); err != nil {
			return err
		}
	}
	return nil
}

func TestOperatorsAreWhatTheySay(t *testing.T) {
	a, b, c := random(23, 11, 1), random(11, 9, 2), random(23, 9, 3)
	wide := random(30, 20, 4).Slice(2, 25, 3, 14).(*mat.Dense)
	operator := linop.Of(a)
	var ab, difference, centred mat.Dense
	ab.Mul(a, b)
	difference.Sub(c, &ab)
	centred.CloneFrom(a)
	mean := make([]float64, 11)
	for j := range mean {
		mean[j] = mat.Sum(a.ColView(j)) / 23
	}
	shifted := mat.DenseCopyOf(a)
	for i := range 23 {
		for j := range mean {
			centred.Set(i, j, a.At(i, j)-mean[j])
			shifted.Set(i, j, a.At(i, j)-float64(j))
		}
	}
	var scaled mat.Dense
	scaled.Scale(-3, a)
	c1, err := linop.Centre(operator)
	if err != nil {
		t.Fatal(err)
	}
	c2, err := linop.Centre(linop.NewStream(blocks{a, 5}))
	if err != nil {
		t.Fatal(err)
	}
	fn := linop.Func{Rows: 23, Cols: 11, Mul: operator.MulTo, MulTrans: operator.MulTransTo}
	norm := mat.Norm(a, 2)
	for _, tc := range []struct {
		name string
		a    linop.Operator
		want mat.Matrix
		size float64
	}{
		{"dense", operator, a, 0},
		{"view", linop.Of(wide), wide, 0},
		{"transposed", linop.Of(a.T()), a.T(), 0},
		{"twice transposed", linop.Transposed(linop.Of(a.T())), a, 0},
		{"symmetric", linop.Of(mat.NewSymDense(2, []float64{1, 2, 2, 3})), mat.NewDense(2, 2, []float64{1, 2, 2, 3}), 0},
		{"function", fn, a, 0},
		{"scaled", linop.Scaled(-3, operator), &scaled, 0},
		{"product", linop.Product(operator, linop.Of(b)), &ab, norm * mat.Norm(b, 2)},
		{"difference", linop.Sum(linop.Of(c), linop.Scaled(-1, linop.Product(operator, linop.Of(b)))), &difference, mat.Norm(c, 2) + norm*mat.Norm(b, 2)},
		{"centred", c1, &centred, 2 * norm},
		{"centred stream", c2, &centred, 2 * norm},
		{"shifted", linop.NewCentred(operator, []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}), shifted, norm + mat.Norm(shifted, 2)},
		{"stream", linop.NewStream(blocks{a, 5}), a, 0},
		{"stream of one block", linop.NewStream(linop.Dense(a.RawMatrix())), a, 0},
		{"centred rows", linop.NewStream(c1), &centred, 2 * norm},
		{"rows of a product", linop.NewStream(linop.NewCentred(linop.Product(operator, linop.Of(b)), make([]float64, 9))), &ab, norm * mat.Norm(b, 2)},
		{"rows with a context", linop.NewStream(linop.WithContext(context.Background(), operator).(linop.Rows)), a, 0},
		{"with a context", linop.WithContext(context.Background(), c1), &centred, 2 * norm},
	} {
		t.Run(tc.name, func(t *testing.T) { linoptest.Run(t, tc.a, tc.want, tc.size) })
	}
}

// A combination takes one pass for both products where what it is made of does.
func TestOnePassGram(t *testing.T) {
	a := random(20, 6, 1)
	stream, dense := linop.NewStream(blocks{a, 7}), linop.Of(a)
	centred := func(a linop.Operator) linop.Operator {
		c, err := linop.Centre(a)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, tc := range []struct {
		a    linop.Operator
		want bool
	}{
		{stream, true}, {dense, false}, {centred(stream), true}, {centred(dense), false}, {linop.NewCentred(stream, make([]float64, 6)), false},
		{linop.WithContext(context.Background(), stream), true}, {linop.WithContext(context.Background(), dense), false},
	} {
		if linop.OnePassGram(tc.a) != tc.want {
			t.Errorf("%T: %v", tc.a, !tc.want)
		}
		before := stream.Passes()
		x, g := random(6, 2, 2).RawMatrix(), mat.NewDense(6, 2, nil).RawMatrix()
		if err := linop.MulGramTo(tc.a, g, blas64.General{}, x); err != nil {
			t.Fatal(err)
		}
		if passes := stream.Passes() - before; tc.want && passes != 1 {
			t.Errorf("%T: %d passes", tc.a, passes)
		}
	}
}

func TestStreamCountsPasses(t *testing.T) {
	a := random(20, 6, 1)
	s := linop.NewStream(blocks{a, 7})
	x, y, g := random(6, 2, 2).RawMatrix(), mat.NewDense(20, 2, nil).RawMatrix(), mat.NewDense(6, 2, nil).RawMatrix()
	if err := linop.MulGramTo(s, g, y, x); err != nil {
		t.Fatal(err)
	}
	if _, known, err := linop.FrobeniusNorm(s); !known || err != nil {
		t.Fatal(known, err)
	}
	if s.Passes() != 1 {
		t.Errorf("%d passes for both products and the norm, want 1", s.Passes())
	}
}

func TestFirstElementThatIsNotFinite(t *testing.T) {
	a := random(20, 6, 1)
	a.Set(13, 4, math.Inf(-1))
	a.Set(14, 0, math.NaN())
	const want = "element (13, 4) is -Inf"
	x, y := random(6, 2, 2).RawMatrix(), mat.NewDense(20, 2, nil).RawMatrix()
	for name, err := range map[string]error{
		"dense":            linop.CheckFinite(linop.Of(a)),
		"transposed twice": linop.CheckFinite(linop.Transposed(linop.Scaled(1, linop.Of(a.T())))),
		"product":          linop.CheckFinite(linop.Product(linop.Of(random(3, 20, 1)), linop.Of(a))),
		"stream":           linop.CheckFinite(linop.NewStream(blocks{a, 7})),
		"pass":             linop.NewStream(blocks{a, 7}).MulTo(y, x),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q in it", name, err, want)
		}
	}
	transposed := linop.Transposed(linop.NewStream(blocks{a, 7}))
	for name, err := range map[string]error{"check": linop.CheckFinite(transposed), "product": transposed.MulTransTo(y, x)} {
		var at *linop.ElementError
		if !errors.As(err, &at) || at.Row != 4 || at.Col != 13 || !math.IsInf(at.Value, -1) {
			t.Errorf("%s of the transpose: %v", name, err)
		}
	}
}

// Finite elements whose sums and squares leave the range of float64 are no error, and their norm is.
func TestNormOfExtremeElements(t *testing.T) {
	for _, v := range []float64{1e-300, 5e-324, 1e154, 1e300} {
		a := linop.Of(mat.NewDense(2, 2, []float64{v, -v, v, v}))
		norm, known, err := linop.FrobeniusNorm(a)
		if !known || err != nil || !(math.Abs(norm-2*v) <= 4*0x1p-53*2*v) {
			t.Errorf("norm %v of elements %v, want %v", norm, v, 2*v)
		}
		if err := linop.CheckFinite(a); err != nil {
			t.Error(err)
		}
	}
}

func TestCancelledProducts(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	a := linop.WithContext(ctx, linop.Of(random(4, 3, 1)))
	x, y := random(3, 2, 2).RawMatrix(), random(4, 2, 3).RawMatrix()
	if err := a.MulTo(y, x); err != nil {
		t.Fatal(err)
	}
	cancel()
	for name, err := range map[string]error{"MulTo": a.MulTo(y, x), "MulTransTo": a.MulTransTo(x, y), "MulGramTo": linop.MulGramTo(a, x, y, random(3, 2, 4).RawMatrix())} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A source that misbehaves is an error, not a wrong product.
func TestSourcesAreNotTrusted(t *testing.T) {
	whole := random(10, 3, 1)
	x, y := random(3, 2, 2).RawMatrix(), mat.NewDense(10, 2, nil).RawMatrix()
	for name, source := range map[string]rowsFunc{
		"ends early":        func(f pass) error { return f(0, whole.Slice(0, 4, 0, 3).(*mat.Dense).RawMatrix()) },
		"skips":             func(f pass) error { return f(4, whole.Slice(4, 10, 0, 3).(*mat.Dense).RawMatrix()) },
		"delivers too much": func(f pass) error { return f(0, random(11, 3, 1).RawMatrix()) },
		"is too narrow":     func(f pass) error { return f(0, random(10, 2, 1).RawMatrix()) },
	} {
		if err := linop.NewStream(source).MulTo(y, x); err == nil {
			t.Errorf("a source that %s: no error", name)
		}
	}
}

type pass = func(first int, block blas64.General) error

type rowsFunc func(f pass) error

func (rowsFunc) Dims() (m, n int)         { return 10, 3 }
func (r rowsFunc) EachBlock(f pass) error { return r(f) }

func TestResultsDoNotDependOnThreads(t *testing.T) {
	a := random(700, 300, 1)
	c, err := linop.Centre(linop.NewStream(blocks{a, 128}))
	if err != nil {
		t.Fatal(err)
	}
	x := random(300, 20, 2).RawMatrix()
	run := func(threads int) []float64 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
		g := mat.NewDense(300, 20, nil)
		if err := linop.MulGramTo(c, g.RawMatrix(), blas64.General{}, x); err != nil {
			t.Fatal(err)
		}
		return g.RawMatrix().Data
	}
	if !slices.Equal(run(1), run(4)) {
		t.Error("one thread and four give different bits")
	}
}

func TestWrongShapesPanic(t *testing.T) {
	a := linop.Of(random(4, 3, 1))
	for name, f := range map[string]func(){
		"x":   func() { a.MulTo(random(4, 2, 1).RawMatrix(), random(4, 2, 1).RawMatrix()) },
		"dst": func() { a.MulTransTo(random(4, 2, 1).RawMatrix(), random(4, 2, 1).RawMatrix()) },
		"short": func() {
			a.MulTo(blas64.General{Rows: 4, Cols: 2, Stride: 2, Data: make([]float64, 7)}, random(3, 2, 1).RawMatrix())
		},
		"product": func() { linop.Product(a, a) },
		"sum":     func() { linop.Sum(a, linop.Transposed(a)) },
		"mean":    func() { linop.NewCentred(a, []float64{1}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
