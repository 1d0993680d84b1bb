package simd

// blasKernel is one implementation of what the products of this package need from a machine. Everything else is in Go,
// once. Functions that take two vectors read as much of the second as the first has.
type blasKernel[T float] struct {
	isa    isa // what it needs
	mr, nr int // rows and columns of the tile of C that is kept in registers

	panel                  panelFunc[T]
	solveLower, solveUpper solveFunc[T]
	interlace              packFunc[T]
	transpose              packFunc[T]
	dots                   dotsFunc[T]
	addRows                func(y, x, a []T, lda int) // y += xᵀ A, where A has len(x) rows of len(y) elements, lda apart

	dot   func(x, y []T) T
	axpy  func(alpha T, x, y []T)
	scal  func(alpha T, x []T)
	rot   func(x, y []T, c, s T) // (x, y) = (c x + s y, c y - s x)
	asum  func(x []T) T
	sumsq func(x []T) float64
}

// dotsFunc computes D = X Bᵀ for m rows of X (m <= 4) and n rows of B, all of k elements.
type dotsFunc[T float] func(dst []T, rowD int, x []T, ldx int, b []T, ldb, m, n, k int)

// panelFunc multiplies rows of A by one panel of B, a k x n block with n <= nr:
//
//	C[i, j] = alpha sum_p A[i, p] B[p, j] + beta C[i, j]    (beta = 0: C is not read)
//
// for i < m and j < n, p ascending from a zero sum, C[i, j] = c[i*rowC+j]. The same arithmetic is done for every tile, full
// or at an edge, so results do not depend on how C is cut up.
//
// A[i, p] is a[i/mr*stepA + i%mr*rowA + p*colA], which covers matrices where they lie (colA = 1 or rowA = 1) and packed ones.
// B[p, j] is b[p*rowB+j]; a panel narrower than nr is read up to the next whole vector, at most to nr, so b must reach
// that far: a panel at the right edge of a matrix has to be packed.
type panelFunc[T float] func(a []T, rowA, colA, stepA int, b []T, rowB int, c []T, rowC, m, n, k int, alpha, beta T)

// packFunc copies a k x n block (n <= w) into k rows of w: dst[p*w+j] = src[p*ld+j] for interlace, which
// gathers neighbouring columns of a matrix, and src[j*ld+p] for transpose, which gathers neighbouring rows. What is beyond n
// is unspecified, and so are up to packSlack elements of dst beyond k*w.
type packFunc[T float] func(dst []T, w int, src []T, ld, k, n int)

// pickKernel returns the best kernel that needs no more than the level chosen.
func pickKernel[T float](kernels []blasKernel[T]) blasKernel[T] {
	for _, k := range kernels {
		if k.isa <= level {
			return k
		}
	}
	panic("simd: no portable kernel")
}

// kernels lists all implementations of an element type, the best first, the portable one last.
func kernels[T float](special []blasKernel[T]) []blasKernel[T] {
	return append(special, blasKernel[T]{
		isa: isaGeneric, mr: 4, nr: 4,
		panel: panelGeneric[T], solveLower: solveLowerGeneric[T], solveUpper: solveUpperGeneric[T], interlace: interlaceGeneric[T], transpose: transposeGeneric[T],
		dots: dotsGeneric[T], addRows: addRowsGeneric[T],
		dot: dotGeneric[T], axpy: axpyGeneric[T], scal: scalGeneric[T], rot: rotGeneric[T], asum: asumGeneric[T], sumsq: sumsqGeneric[T],
	})
}

// packSlack is what packFunc may write too much: a vector, less one.
const packSlack = 15
