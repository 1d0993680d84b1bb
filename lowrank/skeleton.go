package lowrank

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/sketch"
)

// Interpolative is A ~ A(:, Columns) W: k columns of A itself, and how they combine. W has the identity in those columns and small
// elements elsewhere.
type Interpolative struct {
	Columns []int
	W       *mat.Dense // k x n
	// Error estimates ||A - A(:, Columns) W||_F from ten Gaussian probes, with its 95 % interval.
	Error sketch.Interval
	Cost  sketch.Cost
}

// InterpolativeColumns chooses k columns of an operator by pivoted QR of QᵀA, for a basis Q by subspace iteration (HMT 2011, section
// 5.2; Voronin, Martinsson 2017): the error is at most sqrt(1 + 4k(n-k)) times that of Q (Gu, Eisenstat 1996, for a stronger
// pivoting), and a small factor in practice.
func InterpolativeColumns(a linop.Operator, k int, opts RandomizedOptions) (*Interpolative, error) {
	m, n := a.Dims()
	if err := checkRank(k, m, n); err != nil {
		return nil, err
	}
	basis, err := sketch.Range(a, k, sketch.RangeOptions{Oversamples: opts.Oversamples, Passes: 1 + 2*opts.powerIterations(), Seed: opts.Seed})
	if err != nil {
		return nil, err
	}
	counted := &sketch.Counted{Operator: a, Cost: basis.Cost}
	z, b := general(n, basis.Q.Cols), general(basis.Q.Cols, n)
	if err := counted.MulTransTo(z, basis.Q); err != nil {
		return nil, err
	}
	if err := finiteBlock(z); err != nil {
		return nil, err
	}
	transposeInto(b, z)
	d := interpolate(b, k)
	c, err := columnsOf(counted, d.Columns)
	if err != nil {
		return nil, err
	}
	d.Error, err = sketch.FrobeniusEstimate(sketch.Residual(counted, c, d.W.RawMatrix()), probes, opts.Seed)
	d.Cost = counted.Cost
	return d, err
}

// interpolate returns the interpolative decomposition of b (l x n), which it overwrites, of rank k at most: fewer where the
// diagonal of R is rounding.
func interpolate(b blas64.General, k int) *Interpolative {
	n := b.Cols
	columns, tau := make([]int, n), make([]float64, min(b.Rows, n))
	lapack.PivotedQR(b.Rows, n, b.Data, b.Stride, columns, tau)
	rank := 1
	for rank < min(k, b.Rows) && math.Abs(b.Data[rank*b.Stride+rank]) > float64(n)*0x1p-52*math.Abs(b.Data[0]) {
		rank++
	}
	rest := general(rank, n-rank) // R11^-1 R12
	for i := range rank {
		copy(rest.Data[i*rest.Stride:], b.Data[i*b.Stride+rank:i*b.Stride+n])
	}
	if b.Data[0] != 0 {
		blas64Implementation.Dtrsm(blas.Left, blas.Upper, blas.NoTrans, blas.NonUnit, rank, n-rank, 1, b.Data, b.Stride, rest.Data, rest.Stride)
	}
	w := mat.NewDense(rank, n, nil)
	for i := range rank {
		w.Set(i, columns[i], 1)
		for j := range n - rank {
			w.Set(i, columns[rank+j], rest.Data[i*rest.Stride+j])
		}
	}
	return &Interpolative{Columns: columns[:rank:rank], W: w}
}

// columnsOf returns A(:, columns), by a product.
func columnsOf(a linop.Operator, columns []int) (blas64.General, error) {
	m, n := a.Dims()
	c, unit := general(m, len(columns)), general(n, len(columns))
	for j, at := range columns {
		unit.Data[at*unit.Stride+j] = 1
	}
	return c, a.MulTo(c, unit)
}

// CURFactors is A ~ C U R with C = A(:, Columns) and R = A(Rows, :).
type CURFactors struct {
	Rows, Columns []int
	C, U, R       *mat.Dense      // m x k, k x k, k x n
	Error         sketch.Interval // of ||A - C U R||_F, as in Interpolative
	Cost          sketch.Cost
}

// CUR chooses k columns of an operator by InterpolativeColumns, k rows by the same decomposition of those columns, and U such that
// C U R = C (W R^+): W itself where R spans it (Voronin, Martinsson 2017, algorithm 3).
func CUR(a linop.Operator, k int, opts RandomizedOptions) (*CURFactors, error) {
	d, err := InterpolativeColumns(a, k, opts)
	if err != nil {
		return nil, err
	}
	_, n := a.Dims()
	counted := &sketch.Counted{Operator: a, Cost: d.Cost}
	c, err := columnsOf(counted, d.Columns)
	if err != nil {
		return nil, err
	}
	across := general(c.Cols, c.Rows)
	transposeInto(across, c)
	rows := interpolate(across, c.Cols).Columns
	rt, err := columnsOf(linop.Transposed(counted), rows) // n x k
	if err != nil {
		return nil, err
	}
	r := general(rt.Cols, n)
	transposeInto(r, rt)
	// min ||W - U R||: the columns of Uᵀ are least squares solutions with Rᵀ
	ut := general(n, len(d.Columns))
	transposeInto(ut, d.W.RawMatrix())
	solution, err := leastSquares(rt, ut)
	if err != nil {
		return nil, err
	}
	u := mat.NewDense(len(d.Columns), len(rows), nil)
	transposeInto(u.RawMatrix(), solution)
	f := &CURFactors{
		Rows: rows, Columns: d.Columns, U: u,
		C: mat.NewDense(c.Rows, c.Cols, c.Data), R: mat.NewDense(r.Rows, n, r.Data),
	}
	f.Error, err = sketch.FrobeniusEstimate(sketch.Residual(counted, c, product(u.RawMatrix(), r)), probes, opts.Seed)
	f.Cost = counted.Cost
	return f, err
}

// leastSquares returns the X (k x p) that minimises ||A X - B|| for a (n x k) of full rank, n >= k.
func leastSquares(a, b blas64.General) (blas64.General, error) {
	f, err := sketch.PivotedQR(a, sketch.TallOptions{Rows: a.Rows})
	if err != nil {
		return b, err
	}
	k := f.Q.Cols
	y, x := general(k, b.Cols), general(a.Cols, b.Cols)
	multiply(blas.Trans, blas.NoTrans, 1, f.Q, b, 0, y)
	if k > 0 {
		blas64Implementation.Dtrsm(blas.Left, blas.Upper, blas.NoTrans, blas.NonUnit, k, b.Cols, 1, f.R.Data, f.R.Stride, y.Data, y.Stride)
	}
	for i := range k {
		copy(x.Data[f.Columns[i]*x.Stride:], y.Data[i*y.Stride:i*y.Stride+b.Cols])
	}
	return x, nil
}

// Leverage returns the leverage scores of the rows of A for its leading part: the squared norms of the rows of U, of sum k.
func (f *Factors) Leverage() []float64 {
	u, _ := f.Triplets()
	return sketch.RowNorms(u.RawMatrix())
}
