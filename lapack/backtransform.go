package lapack

import "gonum.org/v1/gonum/blas"

// backBlock is how many reflectors transformBack applies together.
const backBlock = 64

// backSpace returns the workspace of transformBack.
func backSpace(k int) int { return 2 * backBlock * (k + backBlock) }

// transformBack overwrites the rows of z (k x n) with z Qᵀ, Q = H_0 H_1 ... H_count-1, for the reflectors in the rows of v
// (units and zeros stored), of which row j starts at column j+shift: vectors of a condensed matrix, as rows, become those of
// the matrix that Q reduced.
func transformBack[T Float](k, n int, z []T, ldz, count, shift int, v []T, ldv int, tau, work []T) {
	if k == 0 || count == 0 {
		return
	}
	t, work := cut(work, backBlock*backBlock)
	gram, _ := cut(work, backBlock*backBlock)
	for s := (count - 1) / backBlock * backBlock; s >= 0; s -= backBlock {
		at := s + shift
		h := blockReflector[T]{w: min(backBlock, count-s), n: n - at, v: v[s*ldv+at:], ldv: ldv, t: t, ldt: backBlock}
		triangularFactor(h.w, h.n, h.v, ldv, tau[s:s+h.w], t, h.ldt, gram)
		h.applyRight(blas.Trans, k, z[at:], ldz, work)
	}
}
