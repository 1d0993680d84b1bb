package sketch

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	eblas "github.com/eckart-go/eckart/blas"
	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/linop"
)

// TallOptions tunes PivotedQR and PreconditionedQR; the zero value is the recommended setting.
type TallOptions struct {
	Rows int // of the sketch; 0 means 2 n
	Zeta int // nonzeros in its columns; 0 means 8
	Seed uint64
}

// TallQR is A P = Q R for an A with more rows than columns: column j of A P is column Columns[j] of A.
type TallQR struct {
	Q       blas64.General // m x k, orthonormal columns; k is the numerical rank
	R       blas64.General // k x n, upper trapezoidal
	Columns []int
}

// PivotedQR factorises a tall a (m x n, m >= n), which is not modified, with column pivoting at the speed of products (CQRRPT:
// Melnichenko, Balabanov, Murray and others 2023, arXiv 2311.08316): the pivots are those of a sketch, whose triangular factor
// preconditions the columns so that one step of CholeskyQR makes them orthogonal to c n eps, at any condition. Columns beyond
// the numerical rank, where the sketch's diagonal falls below 2 eps^0.95, are left out. It fails if elements are not finite.
func PivotedQR(a blas64.General, opts TallOptions) (*TallQR, error) {
	sketched, err := sketchTall(a, opts)
	if err != nil {
		return nil, err
	}
	f := &TallQR{Columns: make([]int, a.Cols)}
	tau := make([]float64, min(sketched.Rows, a.Cols))
	lapack.PivotedQR(sketched.Rows, a.Cols, sketched.Data, sketched.Stride, f.Columns, tau)
	k := 0
	for limit := 2 * math.Pow(0x1p-52, 0.95) * math.Abs(sketched.Data[0]); k < a.Cols && math.Abs(sketched.Data[k*sketched.Stride+k]) > limit; k++ {
	}
	clearBelow(sketched)
	return f, f.orthogonalise(a, sketched, k)
}

// PreconditionedQR is PivotedQR with columns in their order: CholeskyQR after preconditioning by the sketch's triangular factor,
// orthogonal to c n eps up to conditions of about 1/eps. It fails beyond.
func PreconditionedQR(a blas64.General, opts TallOptions) (*TallQR, error) {
	sketched, err := sketchTall(a, opts)
	if err != nil {
		return nil, err
	}
	var qr lapack.QR[float64]
	qr.Factorize(sketched.Rows, a.Cols, sketched.Data, sketched.Stride)
	r := newBlock(a.Cols, a.Cols)
	qr.RTo(r.Data, r.Stride)
	f := &TallQR{Columns: make([]int, a.Cols)}
	var largest, smallest float64
	for j := range f.Columns {
		f.Columns[j] = j
		d := math.Abs(r.Data[j*r.Stride+j])
		largest = max(largest, d)
		if j == 0 || d < smallest {
			smallest = d
		}
	}
	if !(smallest > 4*0x1p-52*largest) {
		return nil, fmt.Errorf("sketch: columns are dependent to working precision: the diagonal of R goes from %.3g to %.3g: use PivotedQR", largest, smallest)
	}
	if err := f.orthogonalise(a, r, a.Cols); err != nil {
		return nil, err
	}
	if f.Q.Cols < a.Cols {
		return nil, errors.New("sketch: columns are dependent to working precision: use PivotedQR")
	}
	return f, nil
}

// sketchTall returns S A.
func sketchTall(a blas64.General, opts TallOptions) (blas64.General, error) {
	if a.Rows < a.Cols || a.Cols == 0 {
		return a, fmt.Errorf("sketch: a matrix of %d x %d: expected at least as many rows as columns, and one", a.Rows, a.Cols)
	}
	if err := linop.Dense(a).CheckFinite(); err != nil {
		return a, fmt.Errorf("sketch: %w", err)
	}
	d := opts.Rows
	if d == 0 {
		d = 2 * a.Cols
	}
	if d < a.Cols {
		return a, fmt.Errorf("sketch: %d rows for %d columns", d, a.Cols)
	}
	if d >= a.Rows { // nothing to gain
		all := newBlock(a.Rows, a.Cols)
		copyTo(all, a)
		return all, nil
	}
	zeta := opts.Zeta
	if zeta == 0 {
		zeta = min(defaultZeta, d)
	}
	sketched := newBlock(d, a.Cols)
	return sketched, newSparseSign(d, a.Rows, zeta, opts.Seed).MulTo(sketched, a)
}

func clearBelow(r blas64.General) {
	for i := 1; i < r.Rows; i++ {
		clear(r.Data[i*r.Stride : i*r.Stride+min(i, r.Cols)])
	}
}

// orthogonalise sets Q and R from the triangular factor of the sketch, at rank k or where its columns turn out to be dependent.
func (f *TallQR) orthogonalise(a, sketched blas64.General, k int) error {
	var kernel eblas.Implementation
	for {
		q, gram := newBlock(a.Rows, k), newBlock(k, k)
		f.R = newBlock(k, a.Cols)
		f.Q = q
		if k == 0 {
			return nil
		}
		for i := range a.Rows {
			out, in := row(q, i), row(a, i)
			for j, at := range f.Columns[:k] {
				out[j] = in[at]
			}
		}
		kernel.Dtrsm(blas.Right, blas.Upper, blas.NoTrans, blas.NonUnit, q.Rows, k, 1, sketched.Data, sketched.Stride, q.Data, q.Stride)
		simd.Dsyrk(blas.Upper, blas.Trans, k, q.Rows, 1, q.Data, q.Stride, 0, gram.Data, gram.Stride)
		var singular *lapack.NotPositiveDefinite
		if err := lapack.Cholesky(blas.Upper, k, gram.Data, gram.Stride); errors.As(err, &singular) {
			k = singular.Pivot
			continue
		}
		kernel.Dtrsm(blas.Right, blas.Upper, blas.NoTrans, blas.NonUnit, q.Rows, k, 1, gram.Data, gram.Stride, q.Data, q.Stride)
		for i := range k { // R = R_c R_s
			for p := i; p < k; p++ {
				simd.Daxpy(gram.Data[i*gram.Stride+p], row(sketched, p)[p:], row(f.R, i)[p:])
			}
		}
		return nil
	}
}
