package budget

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
)

// Trial says what a model loses when one of its matrices alone is cut.
type Trial struct {
	Rank int     `json:"rank"` // that the matrix is cut to
	Loss float64 `json:"loss"` // of the model then: its log-perplexity on calibration text, or anything that grows with it
}

// trialKeeps are the ratios that ASVD's released code tries.
var trialKeeps = []float64{0.4, 0.5, 0.6, 0.7, 0.8, 0.9}

// TrialRanks returns the ranks that STRS wants a Trial of, in ascending order: those at which the factorisation holds 0.4,
// 0.5, ..., 0.9 of the matrix. It is empty for a matrix so small that no rank saves anything.
func (a Matrix) TrialRanks() []int {
	var ranks []int
	for _, keep := range trialKeeps {
		if r := min(a.rank(keep), a.breakEven()); r >= 1 && !slices.Contains(ranks, r) {
			ranks = append(ranks, r)
		}
	}
	return ranks
}

// STRS is ASVD's sensitivity-based search for truncation ranks (arXiv 2312.05821, section 3.3). It reads Trials and no
// Energy. All trials are put in one list, the worst first; those after a cut are allowed, and each matrix takes the smallest
// rank that is allowed for it, or stays dense if none is. The cut is the last one, found by binary search, at which the
// model is within the budget: the next would exceed it, so the budget is met within one step of one matrix.
//
// A budget below what all matrices take at their smallest trial is an error that wraps ErrImpossible.
func STRS(matrices []Matrix, keep float64) ([]int, error) {
	type candidate struct {
		matrix int
		Trial
	}
	var list []candidate
	for i, a := range matrices {
		for _, t := range a.Trials {
			list = append(list, candidate{i, t})
		}
	}
	slices.SortStableFunc(list, func(x, y candidate) int { return cmp.Compare(y.Loss, x.Loss) })
	after := func(cut int) []int {
		ranks := slices.Repeat([]int{Dense}, len(matrices))
		for _, c := range list[cut:] {
			if r := ranks[c.matrix]; r == Dense || c.Rank < r {
				ranks[c.matrix] = c.Rank
			}
		}
		return ranks
	}
	// Parameters grow with the cut, up to those of the dense model, which no budget allows.
	allowed := target(matrices, keep)
	first := sort.Search(len(list), func(cut int) bool { return Params(matrices, after(cut)) > allowed })
	if first == 0 {
		return nil, fmt.Errorf("budget: %w: a share of %.3g is less than all matrices take at the smallest ratio that is tried (%v): choose another rule",
			ErrImpossible, keep, trialKeeps[0])
	}
	return after(first - 1), nil
}
