package simd

// gemmKernel is one implementation of the matrix products: what a machine must provide. Everything else is in Go, once.
type gemmKernel[T float] struct {
	name   string
	usable bool // by this CPU and the level chosen
	mr, nr int  // rows and columns of the tile of C that is kept in registers

	panel     panelFunc[T]
	interlace packFunc[T]
	transpose packFunc[T]
}

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

// packFunc copies a k x n block (n <= w) into k rows of w, zero beyond n: dst[p*w+j] = src[p*ld+j] for interlace, which
// gathers neighbouring columns of a matrix, and src[j*ld+p] for transpose, which gathers neighbouring rows.
type packFunc[T float] func(dst []T, w int, src []T, ld, k, n int)

// pickGemm returns the first usable kernel.
func pickGemm[T float](kernels []gemmKernel[T]) gemmKernel[T] {
	for _, k := range kernels {
		if k.usable {
			return k
		}
	}
	panic("simd: no usable kernel") // the portable one always is
}

// gemmKernels lists all implementations of an element type, the best first, the portable one last.
func gemmKernels[T float](special []gemmKernel[T]) []gemmKernel[T] {
	return append(special, gemmKernel[T]{
		name: isaGeneric.String(), usable: true, mr: 4, nr: 4,
		panel: panelGeneric[T], interlace: interlaceGeneric[T], transpose: transposeGeneric[T],
	})
}
