package studio

import (
	"math"
	"strconv"
	"strings"
)

// place takes a layer's name apart: "model.layers.3.mlp.up_proj" is of kind "up_proj" in block 3. The block is -1 if the
// name has no number.
func place(name string) (block int, kind string) {
	parts := strings.Split(name, ".")
	for _, p := range parts {
		if n, err := strconv.Atoi(p); err == nil && n >= 0 {
			return n, parts[len(parts)-1]
		}
	}
	return -1, parts[len(parts)-1]
}

// indexOf returns which singular value the i-th of a thinned spectrum is: compress keeps evenly spaced ones, from the first
// to the last.
func (l layer) indexOf(i int) int {
	n, kept := min(l.M, l.N), len(l.Spectrum)
	if kept >= n || kept < 2 {
		return i
	}
	return i * (n - 1) / (kept - 1)
}

// valueAt returns the singular value of the given rank, counted from 1, interpolated between those that were kept on a
// logarithmic scale.
func (l layer) valueAt(rank int) (float64, bool) {
	values := positive(l.Spectrum)
	for i := range values {
		at := l.indexOf(i) + 1
		switch {
		case at == rank:
			return values[i], true
		case at > rank && i > 0:
			before := l.indexOf(i-1) + 1
			t := float64(rank-before) / float64(at-before)
			return math.Exp((1-t)*math.Log(values[i-1]) + t*math.Log(values[i])), true
		}
	}
	return 0, false
}
