package sketch

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/philox"
	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/linop"
)

// Transform is the orthogonal matrix of a subsampled transform.
type Transform int

const (
	// Hadamard is the Walsh-Hadamard matrix (SRHT: Ailon, Chazelle 2009; Tropp 2011): only additions.
	Hadamard Transform = iota
	// Cosine is the discrete cosine transform, type II (SRCT).
	Cosine
)

// SubsampledOptions tunes NewSubsampled; the zero value is the usual SRHT.
type SubsampledOptions struct {
	Transform Transform
	Rounds    int // of signs and transform before rows are taken; 0 means 1. A second one helps against adversarial inputs.
}

// Subsampled is a sketch R F D sqrt(N/s): random signs D, an orthogonal transform F of order N, the next power of two from n on,
// and s of its rows without replacement. S A takes N log2 N operations a column. Submatrices cost whole columns.
type Subsampled struct {
	s, n, order int
	opts        SubsampledOptions
	key         philox.Key
	rows        []int
	scale       float64
}

var _ Operator = (*Subsampled)(nil)

// NewSubsampled returns an s x n sketch; s is at most the power of two that n is rounded up to.
func NewSubsampled(s, n int, seed uint64, opts SubsampledOptions) *Subsampled {
	checkSize(s, n)
	order := 1
	for order < n {
		order *= 2
	}
	if opts.Rounds == 0 {
		opts.Rounds = 1
	}
	if s > order || opts.Rounds < 1 || opts.Transform != Hadamard && opts.Transform != Cosine {
		panic(fmt.Sprintf("sketch: %d rows of %d rounds of a transform %d of order %d", s, opts.Rounds, opts.Transform, order))
	}
	d := &Subsampled{s: s, n: n, order: order, opts: opts, key: philox.NewKey(seed), scale: math.Sqrt(float64(order) / float64(s))}
	all := make([]int, order)
	for i := range all {
		all[i] = i
	}
	for i := range s { // partial Fisher-Yates shuffle
		j := i + philox.Below(wordAt(d.key, streamRows, uint64(i), 0), order-i)
		all[i], all[j] = all[j], all[i]
	}
	d.rows = append([]int(nil), all[:s]...)
	return d
}

// Dims returns s and n.
func (d *Subsampled) Dims() (s, n int) { return d.s, d.n }

// lane is the number of columns that are transformed together: one cache line, so that a block of many rows fits the cache.
const lane = 8

// MulTo computes dst = S A, blocks of columns in parallel.
func (d *Subsampled) MulTo(dst, a blas64.General) error {
	linop.CheckProduct(d.s, d.n, dst, a)
	pool.Ranges(a.Cols, lane, func(lo, hi int) {
		w := hi - lo
		x, work := make([]float64, d.order*w), make([]float64, d.order*w)
		for i := range d.n {
			copy(x[i*w:(i+1)*w], row(a, i)[lo:hi])
		}
		d.forward(x, work, w)
		for i, r := range d.rows {
			scaleTo(row(dst, i)[lo:hi], x[r*w:(r+1)*w], d.scale)
		}
	})
	return nil
}

// MulTransTo computes dst = Sᵀ Y, blocks of columns in parallel.
func (d *Subsampled) MulTransTo(dst, y blas64.General) error {
	linop.CheckProduct(d.n, d.s, dst, y)
	pool.Ranges(y.Cols, lane, func(lo, hi int) {
		w := hi - lo
		x, work := make([]float64, d.order*w), make([]float64, d.order*w)
		for i, r := range d.rows {
			scaleTo(x[r*w:(r+1)*w], row(y, i)[lo:hi], d.scale)
		}
		d.backward(x, work, w)
		for i := range d.n {
			copy(row(dst, i)[lo:hi], x[i*w:(i+1)*w])
		}
	})
	return nil
}

// RightTo computes dst = A Sᵀ, blocks of rows in parallel.
func (d *Subsampled) RightTo(dst, a blas64.General) {
	checkRight(d, dst, a)
	pool.Ranges(a.Rows, lane, func(lo, hi int) {
		w := hi - lo
		x, work := make([]float64, d.order*w), make([]float64, d.order*w)
		for r := lo; r < hi; r++ {
			for j, v := range row(a, r) {
				x[j*w+r-lo] = v
			}
		}
		d.forward(x, work, w)
		for r := lo; r < hi; r++ {
			for i, at := range d.rows {
				dst.Data[r*dst.Stride+i] = d.scale * x[at*w+r-lo]
			}
		}
	})
}

// BlockTo sets dst to the submatrix of S whose first element is (i, j).
func (d *Subsampled) BlockTo(dst blas64.General, i, j int) {
	checkBlock(d, dst, i, j)
	pool.Ranges(dst.Cols, lane, func(lo, hi int) {
		w := hi - lo
		x, work := make([]float64, d.order*w), make([]float64, d.order*w)
		for c := lo; c < hi; c++ {
			x[(j+c)*w+c-lo] = 1
		}
		d.forward(x, work, w)
		for r := range dst.Rows {
			at := d.rows[i+r]
			scaleTo(row(dst, r)[lo:hi], x[at*w:(at+1)*w], d.scale)
		}
	})
}

// forward applies all rounds of signs and transform to x (order x w, contiguous).
func (d *Subsampled) forward(x, work []float64, w int) {
	for round := range d.opts.Rounds {
		d.signs(x, w, round)
		if d.opts.Transform == Cosine {
			cosine(x, work, w)
		} else {
			hadamard(x, w)
			scaleTo(x, x, 1/math.Sqrt(float64(d.order)))
		}
	}
}

// backward applies the transpose of forward.
func (d *Subsampled) backward(x, work []float64, w int) {
	for round := d.opts.Rounds - 1; round >= 0; round-- {
		if d.opts.Transform == Cosine {
			cosineInverse(x, work, w)
		} else {
			hadamard(x, w)
			scaleTo(x, x, 1/math.Sqrt(float64(d.order)))
		}
		d.signs(x, w, round)
	}
}

// signs multiplies rows by the random signs of a round: 128 rows share one counter.
func (d *Subsampled) signs(x []float64, w, round int) {
	var words [4]uint32
	for i := range d.order {
		if i%128 == 0 {
			words[0], words[1], words[2], words[3] = d.key.At(streamSigns, uint32(round), uint64(i/128))
		}
		if words[i%128/32]>>(i%32)&1 == 0 {
			continue
		}
		for e := i * w; e < (i+1)*w; e++ {
			x[e] = -x[e]
		}
	}
}

// hadamard overwrites x (a power of two of rows of w numbers) with the Walsh-Hadamard matrix times x, not normalised. Halves
// are finished before they are combined, so that most of the work is on rows in the cache.
func hadamard(x []float64, w int) {
	if len(x) == w {
		return
	}
	half := len(x) / 2
	hadamard(x[:half], w)
	hadamard(x[half:], w)
	a, b := x[:half], x[half:]
	for i, v := range a {
		u := b[i]
		a[i], b[i] = v+u, v-u
	}
}

// cosine overwrites x (N rows of w numbers, N a power of two) with C x, where C_kj = sqrt((2 - [k=0])/N) cos(k (2j+1) pi/2N)
// is the orthogonal discrete cosine transform of type II. It splits into types II and IV of half the order by orthogonal
// butterflies and rotations only, so that rounding stays at log2(N) eps (Plonka, Tasche 2005). work is as long as x.
func cosine(x, work []float64, w int) {
	n := len(x) / w
	if n == 1 {
		return
	}
	m := n / 2
	butterflies(x, work, w)
	cosine(work[:m*w], x[:m*w], w)
	cosineIV(work[m*w:], x[m*w:], w)
	for k := range m {
		copy(x[2*k*w:(2*k+1)*w], work[k*w:(k+1)*w])
		copy(x[(2*k+1)*w:(2*k+2)*w], work[(m+k)*w:(m+k+1)*w])
	}
}

// cosineInverse overwrites x with Cᵀ x.
func cosineInverse(x, work []float64, w int) {
	n := len(x) / w
	if n == 1 {
		return
	}
	m := n / 2
	for k := range m {
		copy(work[k*w:(k+1)*w], x[2*k*w:(2*k+1)*w])
		copy(work[(m+k)*w:(m+k+1)*w], x[(2*k+1)*w:(2*k+2)*w])
	}
	cosineInverse(work[:m*w], x[:m*w], w)
	cosineIV(work[m*w:], x[m*w:], w)
	for j := range m {
		u, v := work[j*w:(j+1)*w], work[(m+j)*w:(m+j+1)*w]
		first, last := x[j*w:(j+1)*w], x[(n-1-j)*w:(n-j)*w]
		for e := range u {
			first[e], last[e] = (u[e]+v[e])*math.Sqrt2/2, (u[e]-v[e])*math.Sqrt2/2
		}
	}
}

// butterflies sets work to the sums and differences of rows j and N-1-j of x, over sqrt 2: the sums first.
func butterflies(x, work []float64, w int) {
	n := len(x) / w
	m := n / 2
	for j := range m {
		first, last := x[j*w:(j+1)*w], x[(n-1-j)*w:(n-j)*w]
		u, v := work[j*w:(j+1)*w], work[(m+j)*w:(m+j+1)*w]
		for e := range u {
			u[e], v[e] = (first[e]+last[e])*math.Sqrt2/2, (first[e]-last[e])*math.Sqrt2/2
		}
	}
}

// cosineIV overwrites x with the orthogonal, symmetric cosine transform of type IV, C_kj = sqrt(2/N) cos((2k+1)(2j+1) pi/4N).
// With angles t_j = (2j+1) pi/4N, the sums and differences of neighbouring results y_2k, y_2k-1 are transforms of type II of
// p_j = cos(t_j) x_j + sin(t_j) x_N-1-j and of q_j = (-1)^j (sin(t_j) x_j - cos(t_j) x_N-1-j).
func cosineIV(x, work []float64, w int) {
	n := len(x) / w
	if n == 1 {
		return
	}
	m := n / 2
	for j := range m {
		sin, cos := math.Sincos(float64(2*j+1) * math.Pi / float64(4*n))
		flip := 1 - 2*float64(j%2)
		first, last := x[j*w:(j+1)*w], x[(n-1-j)*w:(n-j)*w]
		p, q := work[j*w:(j+1)*w], work[(m+j)*w:(m+j+1)*w]
		for e := range p {
			p[e], q[e] = cos*first[e]+sin*last[e], flip*(sin*first[e]-cos*last[e])
		}
	}
	cosine(work[:m*w], x[:m*w], w)
	cosine(work[m*w:], x[m*w:], w)
	copy(x[:w], work[:w])
	copy(x[(n-1)*w:], work[m*w:(m+1)*w])
	for k := 1; k < m; k++ {
		p, q := work[k*w:(k+1)*w], work[(n-k)*w:(n-k+1)*w]
		odd, even := x[(2*k-1)*w:2*k*w], x[2*k*w:(2*k+1)*w]
		for e := range p {
			odd[e], even[e] = (p[e]+q[e])*math.Sqrt2/2, (p[e]-q[e])*math.Sqrt2/2
		}
	}
}

// scaleTo sets dst to a x; dst may be x.
func scaleTo(dst, x []float64, a float64) {
	for i, v := range x {
		dst[i] = a * v
	}
}
