package sketch

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/stat/distuv"

	eblas "github.com/eckart-go/eckart/blas"
	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/linop"
)

// Residual returns A - Q B as an operator: what estimates are asked about.
func Residual(a linop.Operator, q, b blas64.General) linop.Operator {
	return linop.Sum(a, linop.Scaled(-1, linop.Product(linop.Dense(q), linop.Dense(b))))
}

// SpectralBound returns a number that ||E||_2 does not exceed, but with probability 10^-probes over the seed: 10 sqrt(2/pi)
// times the largest of probes norms ||E w||, w Gaussian (HMT 2011, lemma 4.1). It takes one product with that many columns.
func SpectralBound(e linop.Operator, probes int, seed uint64) (float64, error) {
	norms, err := probe(e, probes, seed)
	if err != nil {
		return 0, err
	}
	var largest float64
	for _, v := range norms {
		largest = max(largest, v)
	}
	return 10 * math.Sqrt(2/math.Pi) * largest, nil
}

// Interval is an estimate with its confidence interval.
type Interval struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// FrobeniusEstimate estimates ||E||_F by the root mean square of probes norms ||E w||, w Gaussian; its square is unbiased. The
// interval of 95 % is that of a matrix of rank one, the worst case: probes degrees of freedom of a chi-square. It takes one
// product with that many columns.
func FrobeniusEstimate(e linop.Operator, probes int, seed uint64) (Interval, error) {
	norms, err := probe(e, probes, seed)
	if err != nil {
		return Interval{}, err
	}
	return IntervalOf(norms), nil
}

// IntervalOf returns the estimate of a Frobenius norm from norms ||E w|| for independent Gaussian w: see FrobeniusEstimate.
func IntervalOf(norms []float64) Interval {
	r := float64(len(norms))
	var largest, sum float64
	for _, v := range norms {
		largest = max(largest, v)
	}
	if largest == 0 {
		return Interval{}
	}
	for _, v := range norms {
		sum += (v / largest) * (v / largest)
	}
	estimate := largest * math.Sqrt(sum/r)
	chi := distuv.ChiSquared{K: r}
	return Interval{estimate, estimate * math.Sqrt(r/chi.Quantile(0.975)), estimate * math.Sqrt(r/chi.Quantile(0.025))}
}

// probe returns ||E w|| for Gaussian vectors w.
func probe(e linop.Operator, probes int, seed uint64) ([]float64, error) {
	if probes < 1 {
		panic(fmt.Sprintf("sketch: %d probes", probes))
	}
	m, n := e.Dims()
	w, y := newBlock(n, probes), newBlock(m, probes)
	gaussianTo(w, seed, streamProbe)
	if err := e.MulTo(y, w); err != nil {
		return nil, err
	}
	return columnNorms(y), nil
}

// columnNorms returns the norms of columns.
func columnNorms(y blas64.General) []float64 {
	sums, largest := make([]float64, y.Cols), 0.0
	for _, v := range y.Data {
		largest = max(largest, math.Abs(v))
	}
	if largest == 0 {
		return sums
	}
	_, exp := math.Frexp(largest)
	scale := math.Ldexp(1, -min(max(exp, -1000), 1000))
	for i := range y.Rows {
		for j, v := range row(y, i) {
			sums[j] += v * scale * v * scale
		}
	}
	for j, s := range sums {
		sums[j] = math.Sqrt(s) / scale
	}
	return sums
}

// PowerNorm returns a lower bound of ||E||_2 by steps of the power method on EᵀE from a random start: usually within some percent
// after 10 to 20. A step takes a product with E and one with Eᵀ.
func PowerNorm(e linop.Operator, steps int, seed uint64) (float64, error) {
	m, n := e.Dims()
	x, y := newBlock(n, 1), newBlock(m, 1)
	gaussianTo(x, seed, streamProbe)
	var norm float64
	for range steps {
		length := columnNorms(x)[0]
		if length == 0 {
			return norm, nil
		}
		simd.Dscal(1/length, x.Data)
		if err := e.MulTo(y, x); err != nil {
			return 0, err
		}
		norm = max(norm, columnNorms(y)[0])
		if err := e.MulTransTo(x, y); err != nil {
			return 0, err
		}
	}
	return norm, nil
}

// LeaveOneOut estimates ||A - QQᵀA||_F from nothing but the triangular factor R of Y = A Omega = Q R, Omega Gaussian or of random
// signs: the mean over columns j of what column j has outside the range of the others, 1/||row j of R^-1||^2 (Epperly, Tropp
// 2024, arXiv 2207.06342). It estimates the error of a basis with one column less, so it errs on the safe side; where singular
// values decay faster than by a factor of two from one to the next, or the basis has everything, it is not reliable. It is
// zero if R is singular.
func LeaveOneOut(r blas64.General) float64 {
	n := r.Cols
	if n == 0 {
		return 0
	}
	inverse := newBlock(n, n)
	for i := range n {
		if r.Data[i*r.Stride+i] == 0 {
			return 0
		}
		inverse.Data[i*n+i] = 1
	}
	var kernel eblas.Implementation
	kernel.Dtrsm(blas.Left, blas.Upper, blas.NoTrans, blas.NonUnit, n, n, 1, r.Data, r.Stride, inverse.Data, n)
	var sum float64
	for i := range n {
		sum += 1 / simd.Dsumsq(row(inverse, i)[i:])
	}
	return math.Sqrt(sum / float64(n))
}
