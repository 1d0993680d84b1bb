package sparse

import "github.com/eckart-go/eckart/internal/pool"

// transpose returns Aᵀ by rows: a counting sort of the entries by column, for parts of the rows in parallel. Each part knows
// where in a column its entries begin, so that rows ascend in every column whatever part is done first.
func (a *CSR[T]) transpose() *CSR[T] {
	t := &CSR[T]{cols: a.rows(), starts: make([]int, a.cols+1), index: make([]int32, len(a.index)), values: make([]T, len(a.values))}
	parts := a.parts()
	next := make([][]int, len(parts)-1) // of part p: where the next entry of a column goes
	pool.Run(len(next), func(p int) {
		next[p] = make([]int, a.cols)
		for _, j := range a.index[a.starts[parts[p]]:a.starts[parts[p+1]]] {
			next[p][j]++
		}
	})
	at := 0
	for j := range a.cols {
		t.starts[j] = at
		for _, counts := range next {
			counts[j], at = at, at+counts[j]
		}
	}
	t.starts[a.cols] = at
	pool.Run(len(next), func(p int) {
		for i := parts[p]; i < parts[p+1]; i++ {
			for k := a.starts[i]; k < a.starts[i+1]; k++ {
				to := next[p][a.index[k]]
				t.index[to], t.values[to] = int32(i), a.values[k]
				next[p][a.index[k]]++
			}
		}
	})
	t.cut()
	return t
}

// parts cuts the rows into up to eight parts of about as many entries, each with at least as many as there are columns.
func (a *CSR[T]) parts() []int {
	cuts := []int{0}
	if a.rows() == 0 {
		return cuts
	}
	count := min(8, len(a.values)/(pieceWork+a.cols))
	for i := range a.rows() {
		if len(cuts) < count && a.starts[i+1] >= len(a.values)/count*len(cuts) {
			cuts = append(cuts, i+1)
		}
	}
	if cuts[len(cuts)-1] != a.rows() {
		cuts = append(cuts, a.rows())
	}
	return cuts
}
