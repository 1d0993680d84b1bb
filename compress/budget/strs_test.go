package budget

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// withTrials returns model's matrices with losses that grow as the rank falls, up to noise, and repeat now and then.
func withTrials(rng *rand.Rand, count int) []Matrix {
	matrices := model(rng, count)
	for i, a := range matrices {
		weight := rng.Float64()
		for _, r := range a.TrialRanks() {
			loss := weight*(1-float64(a.cost(r))/float64(a.params())) + 0.1*rng.Float64()
			matrices[i].Trials = append(matrices[i].Trials, Trial{Rank: r, Loss: float64(int(50*loss)) / 50})
		}
	}
	return matrices
}

// The card's acceptance: the result is within the budget, and one more step of one matrix exceeds it. The definition is
// tried at every cut of the list, where the rule searches.
func TestSTRSMeetsTheBudgetWithinOneStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		matrices := withTrials(rng, rapid.IntRange(1, 12).Draw(t, "matrices"))
		keep := rapid.Float64Range(0.45, 0.999).Draw(t, "keep")
		ranks, err := STRS(matrices, keep)
		if err != nil {
			t.Fatal(err)
		}
		allowed := target(matrices, keep)
		if got := Params(matrices, ranks); got > allowed {
			t.Fatalf("keep %.3f: %d parameters, budget %d", keep, got, allowed)
		}
		// The list by its definition, worst first, and the ranks after every cut.
		type entry struct{ matrix, trial int }
		var list []entry
		for i, a := range matrices {
			for j := range a.Trials {
				list = append(list, entry{i, j})
			}
		}
		slices.SortStableFunc(list, func(x, y entry) int {
			a, b := matrices[x.matrix].Trials[x.trial].Loss, matrices[y.matrix].Trials[y.trial].Loss
			switch {
			case a > b:
				return -1
			case a < b:
				return 1
			}
			return 0
		})
		var last []int
		for cut := range len(list) + 1 {
			at := make([]int, len(matrices))
			for i := range at {
				at[i] = Dense
				for _, e := range list[cut:] {
					if e.matrix == i && (at[i] == Dense || matrices[i].Trials[e.trial].Rank < at[i]) {
						at[i] = matrices[i].Trials[e.trial].Rank
					}
				}
			}
			if Params(matrices, at) > allowed {
				break
			}
			last = at
		}
		if !slices.Equal(ranks, last) {
			t.Errorf("keep %.3f: ranks %v, the last cut within the budget gives %v", keep, ranks, last)
		}
		if steps := largestStep(matrices); allowed-Params(matrices, ranks) >= steps {
			t.Errorf("keep %.3f: %d parameters, more than one step (%d) below the budget %d", keep, Params(matrices, ranks), steps, allowed)
		}
	})
}

// largestStep bounds what one cut more can cost: a matrix that goes from its smallest trial to dense.
func largestStep(matrices []Matrix) int64 {
	var most int64
	for _, a := range matrices {
		if len(a.Trials) > 0 {
			most = max(most, a.params()-a.cost(a.Trials[0].Rank))
		}
	}
	return most
}

// The matrix whose cut hurts is left dense, the one whose cut does not is cut to the least.
func TestSTRSCutsWhatHurtsLeast(t *testing.T) {
	matrices := []Matrix{{Name: "hurts", M: 40, N: 40}, {Name: "does not", M: 40, N: 40}}
	for _, r := range matrices[0].TrialRanks() {
		matrices[0].Trials = append(matrices[0].Trials, Trial{r, 9 - float64(r)/100})
		matrices[1].Trials = append(matrices[1].Trials, Trial{r, 3 - float64(r)/100})
	}
	ranks, err := STRS(matrices, 0.7) // 2240 of 3200 parameters: 1600 and 640
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{Dense, 8}; !slices.Equal(ranks, want) {
		t.Errorf("ranks %v, want %v", ranks, want)
	}
}

// The card's grid for a SmolLM2 attention matrix: floor(keep 576/2).
func TestTrialRanks(t *testing.T) {
	if got, want := (Matrix{M: 576, N: 576}).TrialRanks(), []int{115, 144, 172, 201, 230, 259}; !slices.Equal(got, want) {
		t.Errorf("ranks %v, want %v", got, want)
	}
	if got := (Matrix{M: 1, N: 9}).TrialRanks(); len(got) != 0 {
		t.Errorf("ranks %v of a row, which no factors store in less", got)
	}
}

func TestSTRSRefuses(t *testing.T) {
	matrices := withTrials(rand.New(rand.NewPCG(1, 1)), 8)
	for _, keep := range []float64{0.001, 0.39} { // ratios below 0.4 are not tried
		if _, err := STRS(matrices, keep); !errors.Is(err, ErrImpossible) {
			t.Errorf("keep %v: error %v, want ErrImpossible", keep, err)
		}
	}
	if _, err := STRS(model(rand.New(rand.NewPCG(1, 1)), 8), 0.8); !errors.Is(err, ErrImpossible) {
		t.Errorf("without trials: error %v, want ErrImpossible", err)
	}
}
