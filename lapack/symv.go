package lapack

import (
	"math"

	"github.com/eckart-go/eckart/internal/pool"
)

const (
	symvRows   = 4         // rows that gemvBoth likes to take together
	symvGroups = 8         // most parallel groups of rows, each with its own sum
	symvGrain  = 16 * 1024 // elements of the triangle that are worth a group
)

// symv computes y = A x for a symmetric A (n x n) of which the upper triangle is stored: each element is read once. sums has
// room for symvGroups*n.
func symv[T Float](n int, a []T, lda int, x, y, sums []T) {
	clear(y[:n])
	groups := min(symvGroups, max(1, n*n/2/symvGrain))
	if groups == 1 {
		symvRange(n, 0, n, a, lda, x, y)
		return
	}
	pool.Run(groups, func(g int) {
		lo, hi := symvBound(n, g, groups), symvBound(n, g+1, groups)
		sum := sums[g*n : (g+1)*n]
		clear(sum[lo:])
		symvRange(n, lo, hi, a, lda, x, sum)
	})
	for g := range groups {
		lo := symvBound(n, g, groups)
		axpy(1, sums[g*n+lo:(g+1)*n], y[lo:n])
	}
}

// symvBound splits the rows of a triangle of n rows so that the groups have about equal areas: the first r rows hold
// 1 - (1-r/n)^2 of it.
func symvBound(n, g, groups int) int {
	if g == groups {
		return n
	}
	r := float64(n) * (1 - math.Sqrt(1-float64(g)/float64(groups)))
	return int(r/symvRows+0.5) * symvRows
}

// symvRange adds to y the contribution of rows lo to hi of the stored triangle, mirrored elements included.
func symvRange[T Float](n, lo, hi int, a []T, lda int, x, y []T) {
	for i0 := lo; i0 < hi; i0 += symvRows {
		i1 := min(i0+symvRows, hi)
		for i := i0; i < i1; i++ { // the triangle on the diagonal
			row, xi := a[i*lda+i:i*lda+i1], x[i]
			sum := row[0] * xi
			for j, v := range row[1:] {
				sum += v * x[i+1+j]
				y[i+1+j] += v * xi
			}
			y[i] += sum
		}
		if i1 < n {
			gemvBoth(i1-i0, n-i1, a[i0*lda+i1:], lda, x[i1:], x[i0:i1], y[i1:], y[i0:i1])
		}
	}
}
