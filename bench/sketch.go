package main

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/lowrank"
	"github.com/eckart-go/eckart/sparse"
)

// The suite "sketch": truncated singular value decompositions at equal error against those of Python's libraries, each with its
// defaults (bench/peers/sketch_peer.py). The peer runs first and says how far its product is from the matrix; ours then runs
// with the loosest of a list of accuracies at which its product, measured in the same way, is as near, to six digits.

// sketchMatrix is what both sides build from the same formulas.
type sketchMatrix struct {
	name, kind string
	m, n       int
	make       func() linop.Operator
}

var sketchMatrices = []sketchMatrix{
	{"4000x2000, values 1/j", "dense", 4000, 2000, func() linop.Operator { return harmonic(4000, 2000) }},
	{"sparse 100000x20000, 2e6 entries", "sparse", 100_000, 20_000, func() linop.Operator { return skewed(100_000, 20_000, 20) }},
}

// sketchPeers are the functions that the driver knows.
var sketchPeers = []string{"scikit-learn", "fbpca", "torch", "ARPACK"}

func sketchCases() ([]benchCase, error) {
	var cases []benchCase
	for _, matrix := range sketchMatrices {
		for _, k := range []int{10, 50, 200} {
			for _, peer := range sketchPeers {
				cases = append(cases, benchCase{
					name: fmt.Sprintf("%s, rank %d, as near as %s", matrix.name, k, peer), work: 1, unit: "call", peer: "sketch",
					request: map[string]any{"routine": peer, "kind": matrix.kind, "m": matrix.m, "n": matrix.n, "rank": k},
					prepare: func() (*prepared, error) { return prepareSketch(matrix.make(), k), nil },
				})
			}
		}
	}
	return cases, nil
}

// accuracies are the settings of ours, loosest first: how far the error may be above the least possible.
var accuracies = []float64{0.1, 0.03, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10}

// sixDigits is the margin within which errors are equal.
const sixDigits = 1e-6

func prepareSketch(a linop.Operator, k int) *prepared {
	var opts lowrank.Options
	var f *lowrank.Factors
	p := &prepared{ours: func() (err error) {
		f, err = lowrank.OperatorSVD(a, k, opts)
		if err == nil {
			f.Triplets()
		}
		return err
	}}
	p.match = func(theirs float64) (float64, error) {
		var ours float64
		for _, accuracy := range accuracies {
			opts.Krylov.Accuracy = accuracy
			if err := p.ours(); err != nil {
				return 0, err
			}
			var err error
			if ours, err = relativeError(a, f); err != nil {
				return 0, err
			}
			if ours <= theirs*(1+sixDigits) {
				return ours, nil
			}
		}
		return ours, fmt.Errorf("the error is %.9g here and %.9g there", ours, theirs)
	}
	return p
}

// relativeError returns ||A - U S Vᵀ|| / ||A||, from ||A||^2 - 2 <U S Vᵀ, A> + ||S||^2 for orthonormal U and V.
func relativeError(a linop.Operator, f *lowrank.Factors) (float64, error) {
	norm, _, err := linop.FrobeniusNorm(a)
	if err != nil {
		return 0, err
	}
	u, v := f.Triplets()
	m, k := u.Dims()
	av := mat.NewDense(m, k, nil)
	if err := a.MulTo(av.RawMatrix(), v.RawMatrix()); err != nil {
		return 0, err
	}
	square := norm * norm
	for j, s := range f.S {
		var inner float64
		for i := range m {
			inner += u.At(i, j) * av.At(i, j)
		}
		square += s*s - 2*s*inner
	}
	return math.Sqrt(max(0, square)) / norm, nil
}

// harmonic is U diag(1, 1/2, 1/3, ...) Vᵀ with columns of cosine transforms in U and V, rows of random sign.
func harmonic(m, n int) linop.Operator {
	u, v := cosines(m, n, 1), cosines(n, n, 2)
	for i := range m {
		for j := range n {
			u[i*n+j] /= float64(j + 1)
		}
	}
	a := operand[float64](m * n)
	simd.Dgemm(blas.NoTrans, blas.Trans, m, n, n, 1, u, n, v, n, 0, a, n)
	return linop.Dense(blas64.General{Rows: m, Cols: n, Stride: n, Data: a})
}

// cosines returns the first cols columns of the orthogonal cosine transform of order rows, with rows of random sign.
func cosines(rows, cols int, seed uint32) []float64 {
	c, signs := make([]float64, rows*cols), noise[float64](rows, seed)
	for i := range rows {
		for j := range cols {
			scale := math.Sqrt(2 / float64(rows))
			if j == 0 {
				scale = math.Sqrt(1 / float64(rows))
			}
			c[i*cols+j] = math.Copysign(scale, signs[i]) * math.Cos(math.Pi*float64(j*(2*i+1)%(4*rows))/float64(2*rows))
		}
	}
	return c
}

// skewed is a sparse matrix with perRow draws in every row of columns whose frequencies fall like j^(-2/3), as words' do, of
// values in [1/2, 3/2).
func skewed(m, n, perRow int) linop.Operator {
	column, value := noise[float64](m*perRow, 3), noise[float64](m*perRow, 4)
	starts, index := make([]int, m+1), make([]int32, m*perRow)
	for i := range m {
		starts[i+1] = (i + 1) * perRow
		for e := i * perRow; e < (i+1)*perRow; e++ {
			x := column[e] + 0.5
			index[e] = int32(float64(n) * (x * x * x))
			value[e]++
		}
	}
	a, err := sparse.New(m, n, starts, index, value)
	if err != nil {
		panic(err) // the formulas above are wrong
	}
	return a
}
