package sketch

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/philox"
	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/linop"
)

// Streams of the generator, one for each use, so that the parts of an algorithm that share a seed are independent.
const (
	streamDense uint32 = iota + 1
	streamSparse
	streamLong
	streamSigns
	streamRows
	streamSampling
	streamProbe
	streamBlock // streamBlock + i is block i of an adaptive method
)

// Dense is a sketch with independent elements of variance 1/s.
type Dense struct {
	s, n   int
	key    philox.Key
	stream uint32
	scale  float64
	law    func(words [4]uint32, dst *[4]float64)
}

var _ Operator = (*Dense)(nil)

// NewGaussian returns an s x n sketch of independent normal elements of variance 1/s.
func NewGaussian(s, n int, seed uint64) *Dense { return newDense(s, n, seed, streamDense, normals) }

// NewUniform returns an s x n sketch of independent elements, uniform with variance 1/s. It is cheaper to make than a Gaussian
// one, and as good in practice.
func NewUniform(s, n int, seed uint64) *Dense { return newDense(s, n, seed, streamDense, uniforms) }

func newDense(s, n int, seed uint64, stream uint32, law func([4]uint32, *[4]float64)) *Dense {
	checkSize(s, n)
	return &Dense{s: s, n: n, key: philox.NewKey(seed), stream: stream, scale: 1 / math.Sqrt(float64(s)), law: law}
}

// normals makes four normal numbers of four words (Box, Muller 1958); none is beyond 6.8 standard deviations.
func normals(w [4]uint32, dst *[4]float64) {
	for i := 0; i < 4; i += 2 {
		r := math.Sqrt(-2 * math.Log(philox.Unit(w[i])))
		sin, cos := math.Sincos(2 * math.Pi * philox.Unit(w[i+1]))
		dst[i], dst[i+1] = r*cos, r*sin
	}
}

// uniforms makes four numbers uniform on (-sqrt 3, sqrt 3).
func uniforms(w [4]uint32, dst *[4]float64) {
	for i, word := range w {
		dst[i] = 2 * math.Sqrt(3) * (philox.Unit(word) - 0.5)
	}
}

// Dims returns s and n.
func (d *Dense) Dims() (s, n int) { return d.s, d.n }

// BlockTo sets dst to the submatrix of S whose first element is (i, j).
func (d *Dense) BlockTo(dst blas64.General, i, j int) {
	checkBlock(d, dst, i, j)
	d.fill(dst, i, j, d.scale)
}

// fill sets dst to scale sqrt(s) times the submatrix at (i, j). Elements 4q to 4q+3 of a row share one counter.
func (d *Dense) fill(dst blas64.General, i, j int, scale float64) {
	grain := max(1, 4096/max(1, dst.Cols))
	pool.Ranges(dst.Rows, grain, func(lo, hi int) {
		var four [4]float64
		for r := lo; r < hi; r++ {
			out := row(dst, r)
			for q := j / 4; 4*q < j+len(out); q++ {
				x0, x1, x2, x3 := d.key.At(d.stream, uint32(q), uint64(i+r))
				d.law([4]uint32{x0, x1, x2, x3}, &four)
				for e, v := range four {
					if at := 4*q + e - j; at >= 0 && at < len(out) {
						out[at] = v * scale
					}
				}
			}
		}
	})
}

// panelElements bounds the elements of S that are made at a time.
const panelElements = 1 << 20

// eachPanel calls f with columns j, j+1, ... of S, all rows.
func (d *Dense) eachPanel(f func(j int, panel blas64.General)) {
	width := min(d.n, max(64, panelElements/d.s/4*4))
	buffer := newBlock(d.s, width)
	for j := 0; j < d.n; j += width {
		panel := colsOf(buffer, 0, min(width, d.n-j))
		d.BlockTo(panel, 0, j)
		f(j, panel)
	}
}

// MulTo computes dst = S A.
func (d *Dense) MulTo(dst, a blas64.General) error {
	linop.CheckProduct(d.s, d.n, dst, a)
	d.eachPanel(func(j int, panel blas64.General) {
		gemm(blas.NoTrans, blas.NoTrans, 1, panel, rowsOf(a, j, panel.Cols), after(j), dst)
	})
	return nil
}

// MulTransTo computes dst = Sᵀ Y.
func (d *Dense) MulTransTo(dst, y blas64.General) error {
	linop.CheckProduct(d.n, d.s, dst, y)
	d.eachPanel(func(j int, panel blas64.General) {
		gemm(blas.Trans, blas.NoTrans, 1, panel, y, 0, rowsOf(dst, j, panel.Cols))
	})
	return nil
}

// RightTo computes dst = A Sᵀ.
func (d *Dense) RightTo(dst, a blas64.General) {
	checkRight(d, dst, a)
	d.eachPanel(func(j int, panel blas64.General) {
		gemm(blas.NoTrans, blas.Trans, 1, colsOf(a, j, panel.Cols), panel, after(j), dst)
	})
}

// after is the beta of a sum's term: 0 for the first.
func after(j int) float64 {
	if j == 0 {
		return 0
	}
	return 1
}

// checkRight panics unless dst = A Sᵀ has fitting shapes.
func checkRight(s Operator, dst, a blas64.General) {
	rows, n := s.Dims()
	checkDims("A Sᵀ", a.Cols, n)
	checkShape("A Sᵀ", dst, a.Rows, rows)
}

// checkBlock panics unless the submatrix is within S.
func checkBlock(s Operator, dst blas64.General, i, j int) {
	rows, n := s.Dims()
	if i < 0 || j < 0 || i > rows-dst.Rows || j > n-dst.Cols {
		panic("sketch: the submatrix is not within the sketch")
	}
}
