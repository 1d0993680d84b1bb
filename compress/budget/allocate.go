package budget

import (
	"container/heap"
	"fmt"
	"math"
	"slices"
)

// Matrix is one m x n matrix that takes part in an allocation.
type Matrix struct {
	Name  string
	Group string // matrices that GroupLoss compares with each other, such as all q_proj
	M, N  int
	Extra int // parameters that a factorisation has beside its factors, such as a bias
	// Energy holds the squares of the min(m, n) singular values, in the norm of the method, in descending order: what a
	// truncation to rank r loses is the sum of Energy[r:]. Uniform does not read it.
	Energy []float64
	// Trials holds what was measured with this matrix alone cut. Only STRS reads it.
	Trials []Trial
}

// params returns mn.
func (a Matrix) params() int64 { return int64(a.M) * int64(a.N) }

// breakEven returns the largest rank that saves parameters, 0 if none does.
func (a Matrix) breakEven() int { return max(0, a.M*a.N-1-a.Extra) / (a.M + a.N) }

// cost returns the parameters of the matrix cut to rank r, or left dense.
func (a Matrix) cost(r int) int64 {
	if r == Dense {
		return a.params()
	}
	return int64(r)*a.step() + int64(a.Extra)
}

// step returns what one more rank costs.
func (a Matrix) step() int64 { return int64(a.M + a.N) }

// rank returns the rank at which the factorisation holds the share keep of the parameters.
func (a Matrix) rank(keep float64) int {
	return Rank(a.M, a.N, keep-float64(a.Extra)/float64(a.params()))
}

// Dense in place of a rank says that a matrix is left as it is.
const Dense = -1

// Rank returns floor(keep m n / (m + n)), the rank at which a factorisation holds the share keep of an m x n matrix's
// parameters (svd-llm's rule; not keep*min(m, n)).
func Rank(m, n int, keep float64) int {
	return int(keep * float64(m) * float64(n) / float64(m+n))
}

// Rule shares out a keep ratio (of all parameters of the matrices together) as a rank for each matrix, Dense where one
// stays as it is. The total never exceeds the ratio. An error wraps ErrImpossible when not even rank 1 everywhere fits.
type Rule func(matrices []Matrix, keep float64) ([]int, error)

// Uniform gives every matrix the same keep ratio.
func Uniform(matrices []Matrix, keep float64) ([]int, error) {
	ranks := make([]int, len(matrices))
	for i, a := range matrices {
		ranks[i] = min(a.rank(keep), a.breakEven())
		if ranks[i] < 1 {
			return nil, fmt.Errorf("budget: %w: a share of %.3g of %s (%d x %d) is less than rank 1 takes", ErrImpossible, keep, a.Name, a.M, a.N)
		}
	}
	return ranks, nil
}

// Loss minimises the sum over all matrices of the relative loss sum(Energy[r:]) / sum(Energy). Parameters are spent one
// rank at a time where they lower that sum most per parameter; since the energies descend, this greedy order is optimal up
// to the last step (the continuous relaxation is a water level). A matrix whose rank reaches break-even is kept dense if
// what that costs beyond the last rank is still left.
func Loss(matrices []Matrix, keep float64) ([]int, error) {
	left := target(matrices, keep)
	ranks := make([]int, len(matrices))
	steps := &stepHeap{}
	for i, a := range matrices {
		if a.breakEven() < 1 {
			ranks[i] = Dense
			left -= a.params()
			continue
		}
		ranks[i] = 1
		left -= a.cost(1)
		steps.push(i, a, 1)
	}
	if left < 0 {
		return nil, fmt.Errorf("budget: %w: a share of %.3g is less than rank 1 of every matrix takes", ErrImpossible, keep)
	}
	heap.Init(steps)
	for steps.Len() > 0 {
		s := heap.Pop(steps).(step)
		a := matrices[s.index]
		if a.step() > left {
			continue // a narrower matrix may still have room
		}
		ranks[s.index]++
		left -= a.step()
		steps.push(s.index, a, ranks[s.index])
		if steps.grew {
			heap.Fix(steps, steps.Len()-1)
		}
	}
	for i, a := range matrices {
		if extra := a.params() - a.cost(ranks[i]); ranks[i] == a.breakEven() && extra <= left {
			ranks[i] = Dense
			left -= extra
		}
	}
	return ranks, nil
}

// target returns the number of parameters that the ratio allows.
func target(matrices []Matrix, keep float64) int64 {
	var total int64
	for _, a := range matrices {
		total += a.params()
	}
	return int64(keep * float64(total))
}

// step is the next rank of a matrix and what it gains per parameter.
type step struct {
	index int
	gain  float64
}

// stepHeap has the largest gain on top; ties go to the earlier matrix, so that the order is fixed.
type stepHeap struct {
	steps []step
	grew  bool // whether the last push added a step
}

// push adds the step from rank r to r+1 of matrix i, if that still saves parameters. The heap is not restored.
func (h *stepHeap) push(i int, a Matrix, r int) {
	h.grew = r < min(a.breakEven(), len(a.Energy))
	if !h.grew {
		return
	}
	gain := 0.0 // of a zero matrix, which loses nothing at any rank
	if total := sum(a.Energy); total > 0 {
		gain = a.Energy[r] / (total * float64(a.M+a.N))
	}
	h.steps = append(h.steps, step{i, gain})
}

func (h *stepHeap) Len() int { return len(h.steps) }
func (h *stepHeap) Less(i, j int) bool {
	if h.steps[i].gain != h.steps[j].gain {
		return h.steps[i].gain > h.steps[j].gain
	}
	return h.steps[i].index < h.steps[j].index
}
func (h *stepHeap) Swap(i, j int) { h.steps[i], h.steps[j] = h.steps[j], h.steps[i] }
func (h *stepHeap) Push(x any)    { h.steps = append(h.steps, x.(step)) }
func (h *stepHeap) Pop() any {
	last := h.steps[len(h.steps)-1]
	h.steps = h.steps[:len(h.steps)-1]
	return last
}

// maxCut is the largest share of a matrix that GroupLoss removes.
const maxCut = 0.9

// Units of GroupLoss. The logarithm makes the rule depend on what a loss of 1 is. In the paper a loss is summed over the
// tokens of its calibration set, 256 sequences of 2048; a mean over tokens times that number is the same quantity whatever
// text it was estimated on, so that more text changes how well ranks are known and not what they should be.
const (
	paperTokens = 256 * 2048
	leastLoss   = 1.5 // the logarithm needs more than 1: smaller losses count as this
)

// GroupLoss is SVD-LLM v2's rule (arXiv 2503.12340, section 3.1). Matrices are compared within their group only (all
// q_proj, all k_proj, ...). With R = 1 - keep, a matrix loses loss_i = sqrt(N sum(Energy[r:])) at the uniform rank r, and is
// cut by R_i = |G| R w_i / sum_G w, w_i = 1/log(loss_i): the more it loses, the less it is cut. Energy must be a mean over
// tokens, the moment that it was taken with being E[x xᵀ]; N is the paper's number of tokens, 524288.
//
// Where the paper is silent: losses below 1.5 count as 1.5; R_i is clipped to [0, 0.9] and what clipping takes or leaves is
// given to the group's other matrices in proportion, so that each group keeps its number of parameters.
func GroupLoss(matrices []Matrix, keep float64) ([]int, error) {
	uniform, err := Uniform(matrices, keep)
	if err != nil {
		return nil, err
	}
	ranks := make([]int, len(matrices))
	for _, group := range groups(matrices) {
		weights := make([]float64, len(group))
		for j, i := range group {
			tail := sum(matrices[i].Energy[min(uniform[i], len(matrices[i].Energy)):])
			weights[j] = 1 / math.Log(max(leastLoss, math.Sqrt(paperTokens*tail)))
		}
		cuts := shareCuts(matrices, group, weights, 1-keep)
		for j, i := range group {
			a := matrices[i]
			ranks[i] = max(1, a.rank(1-cuts[j]))
			if ranks[i] > a.breakEven() {
				ranks[i] = Dense
			}
		}
	}
	return spendRest(matrices, ranks, target(matrices, keep))
}

// groups returns the indices of each group's matrices, groups in order of first appearance.
func groups(matrices []Matrix) [][]int {
	var order []string
	members := map[string][]int{}
	for i, a := range matrices {
		if members[a.Group] == nil {
			order = append(order, a.Group)
		}
		members[a.Group] = append(members[a.Group], i)
	}
	list := make([][]int, len(order))
	for g, name := range order {
		list[g] = members[name]
	}
	return list
}

// shareCuts returns cuts proportional to weights, clipped to [0, maxCut], whose mean over the group, weighted by
// parameters, is cut.
func shareCuts(matrices []Matrix, group []int, weights []float64, cut float64) []float64 {
	cuts := make([]float64, len(group))
	clipped := make([]bool, len(group))
	for {
		var want, free float64 // parameters to remove, and what a unit of weight removes
		for j, i := range group {
			p := float64(matrices[i].params())
			want += cut * p
			if clipped[j] {
				want -= maxCut * p
			} else {
				free += weights[j] * p
			}
		}
		again := false
		for j := range group {
			if clipped[j] {
				continue
			}
			cuts[j] = max(0, weights[j]*want/free)
			if cuts[j] > maxCut {
				cuts[j], clipped[j], again = maxCut, true, true
			}
		}
		if !again {
			return cuts
		}
	}
}

// spendRest corrects what rounding ranks left over or overspent: ranks go up by one in order of position while they fit,
// or down by one from the largest until they do.
func spendRest(matrices []Matrix, ranks []int, allowed int64) ([]int, error) {
	left := allowed
	for i, a := range matrices {
		left -= a.cost(ranks[i])
	}
	for left < 0 {
		i := mostRanks(ranks)
		if ranks[i] <= 1 {
			return nil, fmt.Errorf("budget: %w: less than rank 1 of every matrix", ErrImpossible)
		}
		ranks[i]--
		left += matrices[i].step()
	}
	for i, a := range matrices {
		if ranks[i] != Dense && ranks[i] < a.breakEven() && a.step() <= left {
			ranks[i]++
			left -= a.step()
		}
	}
	return ranks, nil
}

// mostRanks returns the first index of the largest rank.
func mostRanks(ranks []int) int {
	return slices.Index(ranks, slices.Max(ranks))
}

// Params returns the number of parameters of the matrices cut to ranks.
func Params(matrices []Matrix, ranks []int) int64 {
	var total int64
	for i, a := range matrices {
		total += a.cost(ranks[i])
	}
	return total
}

func sum(x []float64) float64 {
	var s float64
	for _, v := range x {
		s += v
	}
	return s
}
