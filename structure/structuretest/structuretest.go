// Package structuretest has the test that every structure.Layer passes: its products against its own dense form in
// float64, strides, counts, saving and loading, and the layer in a GoMLX graph.
package structuretest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/eckart-go/eckart/structure"
)

// Build returns a random structure and its cost, counted by hand. Calls with different generators return different sizes.
type Build func(rng *rand.Rand) (structure.Layer, structure.Cost)

// Suite is the test with its two adjustments; the zero value suits structures whose arithmetic is float32 throughout.
type Suite struct {
	// InputRounding bounds ||x - x'|| / ||x|| where the structure rounds an input vector x to x' before it multiplies, as
	// products with blocks of integers do.
	InputRounding float64
	// Backend runs the graphs; nil means GoMLX's own Go backend.
	Backend compute.Backend
}

// Run checks what build returns with the zero Suite.
func Run(t *testing.T, build Build) {
	t.Helper()
	Suite{}.Run(t, build)
}

// Run checks twelve structures made by build from fixed seeds.
func (s Suite) Run(t *testing.T, build Build) {
	t.Helper()
	if s.Backend == nil {
		backend, err := gobackend.New("")
		if err != nil {
			t.Fatalf("GoMLX's Go backend: %v", err)
		}
		defer backend.Finalize()
		s.Backend = backend
	}
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 1936))
		layer, cost := build(rng)
		m, n := layer.Dims()
		t.Run(fmt.Sprintf("%s-%dx%d", layer.Kind(), m, n), func(t *testing.T) {
			checkCost(t, layer, cost)
			s.checkProduct(t, layer, rng)
			checkShapePanics(t, layer)
			checkSaved(t, layer)
			s.checkGraph(t, layer, rng)
		})
	}
}

// checkCost compares with the hand count, and the hand count with the parts.
func checkCost(t *testing.T, layer structure.Layer, want structure.Cost) {
	t.Helper()
	if got := layer.Cost(); got != want {
		t.Errorf("cost %+v, counted by hand %+v", got, want)
	}
	var params, bits int64
	names := map[string]bool{}
	for _, p := range layer.Parts() {
		values := int64(1)
		for _, d := range p.Shape {
			values *= int64(d)
		}
		params += values
		bits += values / int64(p.Type.BlockSize()) * int64(p.Type.BlockBytes()) * 8
		if names[p.Name] {
			t.Errorf("two parts are named %q", p.Name)
		}
		names[p.Name] = true
		if (p.Float32 == nil) == (p.Blocks == nil) || (p.Float32 != nil && int64(len(p.Float32)) != values) {
			t.Errorf("part %q: shape %v with %d values and %d bytes of blocks", p.Name, p.Shape, len(p.Float32), len(p.Blocks))
		}
	}
	if params != want.Params || bits != want.Bits {
		t.Errorf("parts hold %d parameters in %d bits, counted by hand %d in %d", params, bits, want.Params, want.Bits)
	}
}

// checkProduct compares MulTo with the dense form in float64, with strides wider than the matrices, outputs full of NaN and
// cells between the rows that must stay as they are.
func (s Suite) checkProduct(t *testing.T, layer structure.Layer, rng *rand.Rand) {
	t.Helper()
	m, n := layer.Dims()
	for _, tokens := range []int{0, 1, 2, 7, 33} {
		for _, pad := range []int{0, 3} {
			x := randomMatrix(rng, tokens, n, n+pad)
			dst := poisoned(tokens, m, m+2*pad)
			layer.MulTo(dst, x)
			checkPadding(t, dst)
			s.compare(t, fmt.Sprintf("MulTo of %d vectors, padding %d", tokens, pad), layer, dst, x)
		}
	}
	dense := poisoned(m, n, n+5)
	layer.DenseTo(dense)
	checkPadding(t, dense)
}

// compare checks dst = X Aᵀ + 1 bᵀ, a row at a time in the Euclidean norm. With float32 parts P1, P2, ... multiplied one
// after the other, each product of inner dimension d errs by at most d u ||P1|| ||P2|| ... ||x|| in Frobenius norms (Higham
// 2002, (3.13), any order of summation), DenseTo as much again, and the bias adds one more rounding of the result.
func (s Suite) compare(t *testing.T, what string, layer structure.Layer, dst, x blas32.General) {
	t.Helper()
	m, n := layer.Dims()
	dense := denseOf(layer)
	growth, inner := partNorms(layer)
	bias, biasNorm := layer.Bias(), 0.0
	for _, b := range bias {
		biasNorm = math.Hypot(biasNorm, float64(b))
	}
	for i := range x.Rows {
		row := x.Data[i*x.Stride:][:n]
		var e, norm float64
		for _, v := range row {
			norm = math.Hypot(norm, float64(v))
		}
		for j := range m {
			var want float64
			for k, v := range row {
				want += float64(v) * float64(dense[j*n+k])
			}
			if bias != nil {
				want += float64(bias[j])
			}
			e = math.Hypot(e, float64(dst.Data[i*dst.Stride+j])-want)
		}
		tol := 1.01*0x1p-24*float64(2*inner+2)*(growth*norm+biasNorm) + s.InputRounding*growth*norm
		if !(e <= tol) {
			t.Errorf("%s: row %d is off by %.3g, tolerance %.3g", what, i, e, tol)
		}
	}
}

// partNorms returns the product of the Frobenius norms of the matrices that an input passes through, and the sum of their
// inner dimensions.
func partNorms(layer structure.Layer) (growth float64, inner int) {
	growth = 1
	for _, p := range layer.Parts() {
		if len(p.Shape) != 2 {
			continue
		}
		values := p.Float32
		if values == nil {
			values = denseOf(layer)
		}
		var norm float64
		for _, v := range values {
			norm = math.Hypot(norm, float64(v))
		}
		growth *= norm
		inner += p.Shape[1]
	}
	return growth, inner
}

// checkShapePanics: a wrong shape is a programmer's error and must not pass.
func checkShapePanics(t *testing.T, layer structure.Layer) {
	t.Helper()
	m, n := layer.Dims()
	for name, call := range map[string]func(){
		"inputs of n+1":   func() { layer.MulTo(poisoned(2, m, m), poisoned(2, n+1, n+1)) },
		"outputs of m+1":  func() { layer.MulTo(poisoned(2, m+1, m+1), poisoned(2, n, n)) },
		"too few outputs": func() { layer.MulTo(poisoned(1, m, m), poisoned(2, n, n)) },
		"dense m+1 x n":   func() { layer.DenseTo(poisoned(m+1, n, n)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

// checkGraph compiles Apply, with the parts as parameters, and compares like MulTo, for one and two leading axes.
func (s Suite) checkGraph(t *testing.T, layer structure.Layer, rng *rand.Rand) {
	t.Helper()
	m, n := layer.Dims()
	for _, leading := range [][]int{{5}, {2, 3}} {
		tokens := 1
		for _, d := range leading {
			tokens *= d
		}
		x := randomMatrix(rng, tokens, n, n)
		args := []any{tensors.FromFlatDataAndDimensions(x.Data, append(append([]int{}, leading...), n)...)}
		for _, p := range layer.Parts() {
			args = append(args, p.Tensor())
		}
		y, err := graph.CallOnce(s.Backend, func(nodes []*graph.Node) *graph.Node {
			return layer.Apply(nodes[0], nodes[1:])
		}, args...)
		if err != nil {
			t.Fatalf("graph: %v", err)
		}
		if want := append(append([]int{}, leading...), m); fmt.Sprint(y.Shape().Dimensions) != fmt.Sprint(want) {
			t.Fatalf("graph: shape %v, want %v", y.Shape().Dimensions, want)
		}
		flat := tensors.MustCopyFlatData[float32](y)
		s.compare(t, "graph", layer, blas32.General{Rows: tokens, Cols: m, Stride: m, Data: flat}, x)
	}
}

func denseOf(layer structure.Layer) []float32 {
	m, n := layer.Dims()
	dst := poisoned(m, n, n)
	layer.DenseTo(dst)
	return dst.Data
}

func randomMatrix(rng *rand.Rand, rows, cols, stride int) blas32.General {
	x := poisoned(rows, cols, stride)
	for i := range rows {
		for j := range cols {
			x.Data[i*stride+j] = float32(rng.NormFloat64())
		}
	}
	return x
}

// poisoned returns a matrix of NaN.
func poisoned(rows, cols, stride int) blas32.General {
	data := make([]float32, rows*stride)
	for i := range data {
		data[i] = float32(math.NaN())
	}
	return blas32.General{Rows: rows, Cols: cols, Stride: stride, Data: data}
}

// checkPadding checks that the cells between the rows are still NaN.
func checkPadding(t *testing.T, a blas32.General) {
	t.Helper()
	for i, v := range a.Data {
		if i%a.Stride >= a.Cols && !math.IsNaN(float64(v)) {
			t.Fatalf("cell %d of row %d, outside of the matrix, was written", i%a.Stride, i/a.Stride)
		}
	}
}
