package lapack

import (
	"fmt"
	"testing"
	"time"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/matgen"
)

// The benchmarks here time the phases of the two decompositions on one matrix of each order, and report each phase's
// milliseconds and its part of the speed of a product of two matrices of order 1024, measured in the same run.

func BenchmarkSVDPhases(b *testing.B)             { svdPhases[float64](b) }
func BenchmarkSVDPhasesFloat32(b *testing.B)      { svdPhases[float32](b) }
func BenchmarkSymEigenPhases(b *testing.B)        { eigenPhases[float64](b) }
func BenchmarkSymEigenPhasesFloat32(b *testing.B) { eigenPhases[float32](b) }

// phase is a part of a decomposition with its nominal number of operations.
type phase struct {
	name  string
	flops float64
	run   func()
	spent time.Duration
}

func measure(b *testing.B, peak float64, phases ...*phase) {
	for b.Loop() {
		for _, p := range phases {
			start := time.Now()
			p.run()
			p.spent += time.Since(start)
		}
	}
	for _, p := range phases {
		seconds := p.spent.Seconds() / float64(b.N)
		b.ReportMetric(1e3*seconds, p.name+"-ms")
		b.ReportMetric(100*p.flops/seconds/peak, p.name+"-%peak")
	}
}

// peakOf returns the operations a second of gemm.
func peakOf[T Float]() float64 {
	const n = 1024
	a, c := gaussian[T](n), make([]T, n*n)
	best := time.Hour
	for range 4 {
		start := time.Now()
		gemm(blas.NoTrans, blas.NoTrans, n, n, n, 1, a, n, a, n, 0, c, n)
		best = min(best, time.Since(start))
	}
	return 2 * n * n * n / best.Seconds()
}

func gaussian[T Float](n int) []T {
	return matgen.Zoo[T](n, n, 1)[0].A
}

func svdPhases[T Float](b *testing.B) {
	for _, n := range []int{128, 256, 512, 1024, 2048} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a := gaussian[T](n)
			var r bidiagonal[T]
			var c divideSVD[T]
			r.resize(n, n)
			c.resize(n, true)
			d := make([]float64, n)
			left, right := rows[T]{make([]T, n*stride(n)), stride(n), n}, rows[T]{make([]T, n*stride(n)), stride(n), n}
			work := make([]T, backSpace(n))
			cube := float64(n) * float64(n) * float64(n)
			measure(b, peakOf[T](),
				&phase{name: "reduce", flops: 8. / 3 * cube, run: func() {
					for i := range n {
						copy(r.a[i*r.lda:], a[i*n:(i+1)*n])
					}
					r.reduce()
				}},
				&phase{name: "divide", flops: 8. / 3 * cube, run: func() {
					copy(d, r.d)
					if !c.solve(d, r.e, n) {
						b.Fatal("the leaves did not converge")
					}
				}},
				&phase{name: "back", flops: 4 * cube, run: func() {
					left.gather(n, c.order[:n], c.u, c.ldu)
					right.gather(n, c.order[:n], c.v, c.ldv)
					transformBack(n, n, right.data, right.ld, n-1, 1, r.right, r.ldr, r.tauRight, work)
					transformBack(n, n, left.data, left.ld, n, 0, r.left, r.ldl, r.tauLeft, work)
				}})
		})
	}
}

func eigenPhases[T Float](b *testing.B) {
	for _, n := range []int{128, 256, 512, 1024, 2048} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a := gaussian[T](n)
			var r reduction[T]
			var c divide[T]
			r.resize(n)
			c.resize(n)
			d := make([]float64, n)
			cube := float64(n) * float64(n) * float64(n)
			measure(b, peakOf[T](),
				&phase{name: "reduce", flops: 4. / 3 * cube, run: func() {
					for i := range n {
						copy(r.a[i*r.ld:], a[i*n:(i+1)*n])
					}
					r.reduce()
				}},
				&phase{name: "divide", flops: 4. / 3 * cube, run: func() {
					copy(d, r.d)
					if !c.solve(d, r.e, n) {
						b.Fatal("the leaves did not converge")
					}
				}},
				&phase{name: "back", flops: 2 * cube, run: func() { r.apply(n, c.z, c.ld) }})
		})
	}
}
