package sparse_test

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/linop/linoptest"
	"github.com/eckart-go/eckart/sparse"
)

// random returns a matrix with about density*m*n entries, some of them at the same place, and empty rows and columns.
func random[T sparse.Float](m, n int, density float64, seed uint64) *sparse.CSR[T] {
	rng := rand.New(rand.NewPCG(seed, 5))
	entries := make([]sparse.Triplet[T], int(density*float64(m)*float64(n)))
	for k := range entries {
		entries[k] = sparse.Triplet[T]{Row: rng.IntN(m), Col: rng.IntN(n), Value: T(rng.NormFloat64())}
	}
	a, err := sparse.FromTriplets(m, n, entries)
	if err != nil {
		panic(err)
	}
	return a
}

// Products, norms and adjoints of both forms and both types are those of the dense matrix, for every width of block. The last
// is large enough for several pieces of every kind.
func TestProductsAreThoseOfTheDenseMatrix(t *testing.T) {
	for _, tc := range []struct {
		name    string
		m, n    int
		density float64
	}{{"small", 7, 5, 0.4}, {"wide", 20, 150, 0.05}, {"tall", 200, 30, 0.1}, {"one row", 1, 40, 0.5}, {"one column", 40, 1, 0.5}, {"no entries", 6, 4, 0}, {"full", 12, 9, 5}, {"large", 600, 90, 0.6}} {
		a, b := random[float64](tc.m, tc.n, tc.density, 1), random[float32](tc.m, tc.n, tc.density, 2)
		t.Run(tc.name, func(t *testing.T) { linoptest.Run(t, a, a.Dense(), 0) })
		t.Run(tc.name+" float32", func(t *testing.T) { linoptest.Run(t, b, b.Dense(), 0) })
		t.Run(tc.name+" CSC", func(t *testing.T) { linoptest.Run(t, a.CSC(), a.Dense(), 0) })
		t.Run(tc.name+" T", func(t *testing.T) { linoptest.Run(t, linop.Of(a.T()), a.Dense().T(), 0) })
		t.Run(tc.name+" streamed", func(t *testing.T) { linoptest.Run(t, linop.NewStream(a), a.Dense(), 0) })
	}
}

// A matrix is a function of its entries: their order, duplicates and the way they are given do not matter.
func TestConstruction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, n := rapid.IntRange(1, 12).Draw(t, "m"), rapid.IntRange(1, 12).Draw(t, "n")
		entry := rapid.Custom(func(t *rapid.T) sparse.Triplet[float64] {
			return sparse.Triplet[float64]{Row: rapid.IntRange(0, m-1).Draw(t, "i"), Col: rapid.IntRange(0, n-1).Draw(t, "j"), Value: float64(rapid.IntRange(-9, 9).Draw(t, "v"))}
		})
		entries := rapid.SliceOfN(entry, 0, 60).Draw(t, "entries")
		want := mat.NewDense(m, n, nil)
		for _, e := range entries {
			want.Set(e.Row, e.Col, want.At(e.Row, e.Col)+e.Value) // integers: exact in any order
		}
		a, err := sparse.FromTriplets(m, n, entries)
		if err != nil {
			t.Fatal(err)
		}
		starts, index, values := a.Arrays()
		byRow := [][]sparse.Triplet[float64]{}
		for range m {
			byRow = append(byRow, nil)
		}
		for _, e := range entries {
			byRow[e.Row] = append(byRow[e.Row], e)
		}
		unsorted, err := fromRows(byRow, n)
		if err != nil {
			t.Fatal(err)
		}
		again, err := sparse.New(m, n, slices.Clone(starts), slices.Clone(index), slices.Clone(values))
		if err != nil {
			t.Fatal(err)
		}
		columns := a.CSC()
		cs, ci, cv := columns.Arrays()
		fromColumns, err := sparse.NewCSC(m, n, cs, ci, cv)
		if err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string]mat.Matrix{
			"triplets": a, "unsorted rows": unsorted, "arrays": again, "columns": columns, "from columns": fromColumns, "rows of columns": columns.CSR(),
			"twice transposed": a.T().T(), "dense": a.Dense(), "dense columns": columns.Dense(), "of dense": sparse.Of(want),
		} {
			if !mat.Equal(got, want) {
				t.Fatalf("%s: %v, want %v", name, mat.Formatted(got), mat.Formatted(want))
			}
		}
		for i := range m {
			if cols, _ := a.Row(i); !slices.IsSorted(cols) || len(slices.Compact(slices.Clone(cols))) != len(cols) {
				t.Fatalf("row %d has columns %v", i, cols)
			}
		}
		sum, entriesSeen := 0., 0
		columns.DoNonZero(func(i, j int, v float64) {
			entriesSeen++
			sum += v
			if v != want.At(i, j) {
				t.Fatalf("DoNonZero gives %v at (%d, %d), want %v", v, i, j, want.At(i, j))
			}
		})
		if entriesSeen != a.NNZ() || sum != mat.Sum(want) {
			t.Fatalf("%d of %d entries with sum %v, want %v", entriesSeen, a.NNZ(), sum, mat.Sum(want))
		}
	})
}

func fromRows(rows [][]sparse.Triplet[float64], n int) (*sparse.CSR[float64], error) {
	starts, index, values := []int{0}, []int32{}, []float64{}
	for _, row := range rows {
		for _, e := range row {
			index, values = append(index, int32(e.Col)), append(values, e.Value)
		}
		starts = append(starts, len(values))
	}
	return sparse.New(len(rows), n, starts, index, values)
}

// Arrays that do not make a matrix are errors that name the place, and never a panic.
func TestHostileArrays(t *testing.T) {
	for _, tc := range []struct {
		name       string
		rows, cols int
		starts     []int
		index      []int32
		values     int
		want       string
	}{
		{"few starts", 2, 2, []int{0, 1}, []int32{0}, 1, "expected 3 starts"},
		{"no starts", 0, 2, nil, nil, 0, "expected 1 starts"},
		{"values", 1, 2, []int{0, 1}, []int32{0}, 2, "as many columns as values"},
		{"first", 1, 2, []int{1, 1}, []int32{0}, 1, "from 1 to 1"},
		{"last", 1, 2, []int{0, 2}, []int32{0}, 1, "from 0 to 2"},
		{"descending", 3, 2, []int{0, 2, 1, 2}, []int32{0, 1}, 2, "row 1 goes from entry 2 to 1"},
		{"beyond", 2, 2, []int{0, 9, 2}, []int32{0, 1}, 2, "row 0 goes from entry 0 to 9"},
		{"negative start", 2, 2, []int{0, -9, 2}, []int32{0, 1}, 2, "row 0 goes from entry 0 to -9"},
		{"column", 2, 2, []int{0, 1, 2}, []int32{0, 2}, 2, "row 1, entry 1: column 2 of 2"},
		{"negative column", 2, 2, []int{0, 1, 2}, []int32{-1, 1}, 2, "row 0, entry 0: column -1 of 2"},
		{"no columns", 1, 0, []int{0, 1}, []int32{0}, 1, "column 0 of 0"},
		{"negative rows", -1, 2, []int{}, nil, 0, "-1 x 2"},
		{"many rows", math.MaxInt32 + 1, 2, []int{0}, nil, 0, "2147483648 x 2"},
	} {
		_, err := sparse.New(tc.rows, tc.cols, tc.starts, tc.index, make([]float64, tc.values))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v; want %q", tc.name, err, tc.want)
		}
	}
	if _, err := sparse.FromTriplets(2, 3, []sparse.Triplet[float32]{{1, 2, 1}, {2, 0, 1}}); err == nil || !strings.Contains(err.Error(), "entry 1 is at row 2, column 0") {
		t.Errorf("a triplet outside: %v", err)
	}
}

// FuzzNew gives New arrays of any content: it fails or returns a matrix that works.
func FuzzNew(f *testing.F) {
	f.Add(uint8(2), uint8(3), []byte{0, 1, 3, 2, 0, 2})
	f.Fuzz(func(t *testing.T, rows, cols uint8, data []byte) {
		n := min(int(rows)+1, len(data))
		starts := make([]int, n)
		for i := range starts {
			starts[i] = int(int8(data[i]))
		}
		index := make([]int32, len(data)-n)
		for i := range index {
			index[i] = int32(int8(data[n+i]))
		}
		a, err := sparse.New(int(rows), int(cols), starts, index, make([]float64, len(index)))
		if err != nil {
			return
		}
		if m, n := a.Dims(); m != int(rows) || n != int(cols) || a.CSC().CSR().NNZ() != a.NNZ() {
			t.Fatalf("%d x %d, %d entries, %d there and back", m, n, a.NNZ(), a.CSC().CSR().NNZ())
		}
		y := make([]float64, rows)
		a.MulVecTo(y, make([]float64, cols))
	})
}

func TestFirstEntryThatIsNotFinite(t *testing.T) {
	a, err := sparse.FromTriplets(3, 4, []sparse.Triplet[float64]{{2, 1, math.Inf(1)}, {1, 3, math.NaN()}, {0, 0, math.MaxFloat64}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"CSR":       {a.CheckFinite(), "element (1, 3) is NaN"},
		"CSC":       {a.CSC().CheckFinite(), "element (2, 1) is +Inf"},
		"transpose": {linop.CheckFinite(linop.Of(a.T())), "element (3, 1) is NaN"},
	} {
		if tc.err == nil || !strings.Contains(tc.err.Error(), tc.want) {
			t.Errorf("%s: %v; want %q", name, tc.err, tc.want)
		}
	}
}

func TestNormOfExtremeEntries(t *testing.T) {
	for _, v := range []float64{5e-324, 1e-300, 1e-160, 1, 1e160, 1e300} {
		a, err := sparse.FromTriplets(2, 2, []sparse.Triplet[float64]{{0, 0, v}, {0, 1, -v}, {1, 0, v}, {1, 1, v}})
		if err != nil {
			t.Fatal(err)
		}
		if norm, _ := a.FrobeniusNorm(); !(math.Abs(norm-2*v) <= 8*0x1p-53*2*v) {
			t.Errorf("norm %v of entries %v, want %v", norm, v, 2*v)
		}
	}
}

// Products with float32 blocks agree with those in float64 within the rounding of any order of summation.
func TestFloat32Blocks(t *testing.T) {
	const m, n = 150, 70
	a := random[float32](m, n, 0.2, 3)
	d := a.Dense()
	for _, p := range []int{1, 2, 7, 8, 33} {
		x, y := blas32.General{Rows: n, Cols: p, Stride: p + 1, Data: make([]float32, n*(p+1))}, blas32.General{Rows: m, Cols: p, Stride: p, Data: make([]float32, m*p)}
		rng := rand.New(rand.NewPCG(1, 1))
		for _, b := range []blas32.General{x, y} {
			for i := range b.Data {
				b.Data[i] = float32(rng.NormFloat64())
			}
		}
		ax := blas32.General{Rows: m, Cols: p, Stride: p, Data: make([]float32, m*p)}
		aty := blas32.General{Rows: n, Cols: p, Stride: p, Data: make([]float32, n*p)}
		a.Mul32To(ax, x)
		a.CSC().MulTrans32To(aty, y)
		check := func(what string, got, x blas32.General, a mat.Matrix) {
			rows, inner := a.Dims()
			for i := range rows {
				for j := range p {
					var want, size float64
					for k := range inner {
						v := a.At(i, k) * float64(x.Data[k*x.Stride+j])
						want, size = want+v, size+math.Abs(v)
					}
					tol := 1.01 * float64(inner) * 0x1p-24 * size // Higham 2002, (3.5)
					if g := float64(got.Data[i*got.Stride+j]); !(math.Abs(g-want) <= tol) {
						t.Fatalf("%s, %d columns: element (%d, %d) is %v, want %v within %.2g", what, p, i, j, g, want, tol)
					}
				}
			}
		}
		check("A X", ax, x, d)
		check("Aᵀ Y", aty, y, d.T())
	}
}

func TestResultsDoNotDependOnThreads(t *testing.T) {
	a := random[float64](3000, 400, 0.1, 4)
	rng := rand.New(rand.NewPCG(1, 1))
	for _, p := range []int{1, 3, 8, 20, 60} {
		x, y := make([]float64, 400*p), make([]float64, 3000*p)
		for _, b := range [][]float64{x, y} {
			for i := range b {
				b[i] = rng.NormFloat64()
			}
		}
		run := func(threads int) []float64 {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
			ax, aty := make([]float64, 3000*p), make([]float64, 400*p)
			a.MulTo(blas64.General{Rows: 3000, Cols: p, Stride: p, Data: ax}, blas64.General{Rows: 400, Cols: p, Stride: p, Data: x})
			a.MulTransTo(blas64.General{Rows: 400, Cols: p, Stride: p, Data: aty}, blas64.General{Rows: 3000, Cols: p, Stride: p, Data: y})
			return append(ax, aty...)
		}
		if !slices.Equal(run(1), run(4)) {
			t.Errorf("%d columns: one thread and four give different bits", p)
		}
	}
}

func TestAccessOutsidePanics(t *testing.T) {
	a := random[float64](3, 4, 0.5, 1)
	for name, f := range map[string]func(){
		"row":     func() { a.At(3, 0) },
		"column":  func() { a.At(0, -1) },
		"CSC":     func() { a.CSC().At(0, 4) },
		"product": func() { a.MulVecTo(make([]float64, 4), make([]float64, 4)) },
		"float32": func() {
			a.Mul32To(blas32.General{Rows: 3, Cols: 1, Stride: 1}, blas32.General{Rows: 3, Cols: 1, Stride: 1})
		},
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

// The zero value is an empty matrix.
func TestZeroValue(t *testing.T) {
	var a sparse.CSR[float64]
	m, n := a.Dims()
	norm, err := a.FrobeniusNorm()
	if m != 0 || n != 0 || a.NNZ() != 0 || norm != 0 || err != nil {
		t.Errorf("%d x %d, %d entries, norm %v, %v", m, n, a.NNZ(), norm, err)
	}
	if err := a.MulTo(blas64.General{Cols: 2, Stride: 2}, blas64.General{Cols: 2, Stride: 2}); err != nil {
		t.Error(err)
	}
}
