package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/eckart-go/eckart/compress"
)

// kind sums up the layers of one kind, such as all q_proj: root mean squares of relative errors.
type kind struct {
	name                         string
	count                        int
	least, most                  int // ranks; layers left dense do not count
	dense                        int
	weighted, optimum, frobenius float64
	condition                    float64 // largest
}

// byKind groups layers by the last part of their name, in order of appearance.
func byKind(layers []compress.Layer) []kind {
	var kinds []kind
	at := map[string]int{}
	for _, l := range layers {
		name := l.Name[strings.LastIndex(l.Name, ".")+1:]
		i, ok := at[name]
		if !ok {
			i = len(kinds)
			at[name] = i
			kinds = append(kinds, kind{name: name, least: math.MaxInt})
		}
		kinds[i].add(l)
	}
	for i := range kinds {
		k := &kinds[i]
		if n := float64(k.count - k.dense); n > 0 {
			k.weighted, k.optimum, k.frobenius = math.Sqrt(k.weighted/n), math.Sqrt(k.optimum/n), math.Sqrt(k.frobenius/n)
		}
	}
	return kinds
}

func (k *kind) add(l compress.Layer) {
	k.count++
	if l.Dense() {
		k.dense++
		return
	}
	k.least, k.most = min(k.least, l.Rank), max(k.most, l.Rank)
	if l.WeightedNorm > 0 {
		k.weighted += math.Pow(l.Weighted/l.WeightedNorm, 2)
		k.optimum += math.Pow(l.Optimum/l.WeightedNorm, 2)
	}
	if l.FrobeniusNorm > 0 {
		k.frobenius += math.Pow(l.Frobenius/l.FrobeniusNorm, 2)
	}
	k.condition = max(k.condition, l.Condition)
}

// ranks writes the range of ranks, and how many layers are dense.
func (k *kind) ranks() string {
	var s string
	switch {
	case k.count == k.dense:
		return "dense"
	case k.least == k.most:
		s = fmt.Sprint(k.least)
	default:
		s = fmt.Sprintf("%d to %d", k.least, k.most)
	}
	if k.dense > 0 {
		s += fmt.Sprintf(", %d dense", k.dense)
	}
	return s
}
