package sparse

import (
	"fmt"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/linop"
)

// block is a row-major block of columns.
type block[B Float] struct {
	rows, cols, stride int
	data               []B
}

// row returns row i.
func (b block[B]) row(i int) []B { return b.data[i*b.stride:][:b.cols] }

// gather adds a weighted sum of rows of x to dst: simd.DgatherRows or SgatherRows.
type gather[B Float] func(dst, x []B, ldx, rows int, index []int32, values []B)

// MulTo computes dst = A X for x (n x p); dst is m x p, overwritten, and must not overlap x. It returns nil.
func (a *CSR[T]) MulTo(dst, x blas64.General) error {
	linop.CheckProduct(a.rows(), a.cols, dst, x)
	multiply(a, block64(dst), block64(x), simd.DgatherRows)
	return nil
}

// MulTransTo computes dst = Aᵀ X for x (m x p); dst is n x p, overwritten, and must not overlap x. It returns nil. The first such
// product stores A by columns too.
func (a *CSR[T]) MulTransTo(dst, x blas64.General) error {
	linop.CheckProduct(a.cols, a.rows(), dst, x)
	multiply(a.mirrored(), block64(dst), block64(x), simd.DgatherRows)
	return nil
}

// Mul32To is MulTo for blocks of float32, with sums in float32.
func (a *CSR[T]) Mul32To(dst, x blas32.General) {
	check32(a.rows(), a.cols, dst, x)
	multiply(a, block32(dst), block32(x), simd.SgatherRows)
}

// MulTrans32To is MulTransTo for blocks of float32, with sums in float32.
func (a *CSR[T]) MulTrans32To(dst, x blas32.General) {
	check32(a.cols, a.rows(), dst, x)
	multiply(a.mirrored(), block32(dst), block32(x), simd.SgatherRows)
}

// MulVecTo computes dst = A x for n numbers; dst has m.
func (a *CSR[T]) MulVecTo(dst, x []float64) { a.MulTo(column(dst), column(x)) }

// MulTransVecTo computes dst = Aᵀ x for m numbers; dst has n.
func (a *CSR[T]) MulTransVecTo(dst, x []float64) { a.MulTransTo(column(dst), column(x)) }

func column(x []float64) blas64.General {
	return blas64.General{Rows: len(x), Cols: 1, Stride: 1, Data: x}
}

func block64(b blas64.General) block[float64] {
	return block[float64]{b.Rows, b.Cols, b.Stride, b.Data}
}

func block32(b blas32.General) block[float32] {
	return block[float32]{b.Rows, b.Cols, b.Stride, b.Data}
}

func check32(rows, cols int, dst, x blas32.General) {
	if x.Rows != cols || dst.Rows != rows || dst.Cols != x.Cols {
		panic(fmt.Sprintf("sparse: a product of %d x %d with %d x %d into %d x %d", rows, cols, x.Rows, x.Cols, dst.Rows, dst.Cols))
	}
}

// pieceWork is how many entries a piece of a product has at least, with one more for each row: tens of microseconds.
const pieceWork = 8192

// cut finds the rows at which products are cut into pieces.
func (a *CSR[T]) cut() {
	a.cuts = []int{0}
	work := 0
	for i := range a.rows() {
		if work += 1 + a.starts[i+1] - a.starts[i]; work >= pieceWork {
			a.cuts, work = append(a.cuts, i+1), 0
		}
	}
	if a.cuts[len(a.cuts)-1] != a.rows() {
		a.cuts = append(a.cuts, a.rows())
	}
}

// multiply computes dst = A X, rows in parallel.
func multiply[T, B Float](a *CSR[T], dst, x block[B], add gather[B]) {
	if dst.cols == 0 || dst.rows == 0 {
		return
	}
	if dst.cols == 1 {
		multiplyVector(a, dst, x)
		return
	}
	pool.Run(len(a.cuts)-1, func(piece int) {
		var converted []B
		for i := a.cuts[piece]; i < a.cuts[piece+1]; i++ {
			cols, values := a.Row(i)
			weights, same := any(values).([]B)
			if !same {
				converted = converted[:0]
				for _, v := range values {
					converted = append(converted, B(v))
				}
				weights = converted
			}
			to := dst.row(i)
			clear(to)
			add(to, x.data, x.stride, x.rows, cols, weights)
		}
	})
}

// multiplyVector computes dst = A x for one column, rows in parallel.
func multiplyVector[T, B Float](a *CSR[T], dst, x block[B]) {
	vector := x.data[:x.rows*min(1, x.stride)]
	if x.stride > 1 {
		vector = make([]B, x.rows)
		for j := range vector {
			vector[j] = x.data[j*x.stride]
		}
	}
	pool.Run(len(a.cuts)-1, func(piece int) {
		for i := a.cuts[piece]; i < a.cuts[piece+1]; i++ {
			cols, values := a.Row(i)
			dst.data[i*dst.stride] = sparseDot(cols, values, vector)
		}
	})
}

// sparseDot returns the sum of values[k] * x[cols[k]], in four sums so that an addition need not wait for the one before.
func sparseDot[T, B Float](cols []int32, values []T, x []B) B {
	values = values[:len(cols)]
	var s0, s1, s2, s3 B
	for ; len(cols) >= 4; cols, values = cols[4:], values[4:] {
		s0 += B(values[0]) * x[cols[0]]
		s1 += B(values[1]) * x[cols[1]]
		s2 += B(values[2]) * x[cols[2]]
		s3 += B(values[3]) * x[cols[3]]
	}
	for k, j := range cols {
		s0 += B(values[k]) * x[j]
	}
	return (s0 + s1) + (s2 + s3)
}

// blockElements is how many elements EachBlock delivers at once, at most, if a row is not more.
const blockElements = 1 << 20

// EachBlock calls f for consecutive blocks of rows with all their elements, for methods that read a matrix by rows.
func (a *CSR[T]) EachBlock(f func(first int, block blas64.General) error) error {
	if a.cols == 0 {
		return f(0, blas64.General{Rows: a.rows(), Stride: 1})
	}
	most := max(1, min(a.rows(), blockElements/a.cols))
	data := make([]float64, most*a.cols)
	for first := 0; first < a.rows(); first += most {
		rows := min(most, a.rows()-first)
		clear(data)
		for i := range rows {
			cols, values := a.Row(first + i)
			for k, j := range cols {
				data[i*a.cols+int(j)] = float64(values[k])
			}
		}
		if err := f(first, blas64.General{Rows: rows, Cols: a.cols, Stride: a.cols, Data: data[:rows*a.cols]}); err != nil {
			return err
		}
	}
	return nil
}
