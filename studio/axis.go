package studio

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// axis maps a range of values to the unit interval, with ticks at round numbers.
type axis struct {
	lo, hi float64 // lo < hi; both positive when log
	log    bool
	ticks  []tick
}

type tick struct {
	value float64
	label string
}

// at returns where v lies: 0 at lo, 1 at hi.
func (a axis) at(v float64) float64 {
	if a.log {
		return math.Log(v/a.lo) / math.Log(a.hi/a.lo)
	}
	return (v - a.lo) / (a.hi - a.lo)
}

// widestSpan is the ratio of largest to smallest value from which on a logarithmic axis is easier to read.
const widestSpan = 6

// scale says whether an axis is logarithmic.
type scale int

const (
	byRange     scale = iota // logarithmic if the values are wide apart
	linear                   // always linear
	logarithmic              // wherever that is possible
	counting                 // linear, from the least value to the largest, with ticks at whole numbers
)

// axisFor returns an axis that holds the finite values, with about most ticks. Only values that are positive and not all
// the same have a logarithmic one.
func axisFor(s scale, values []float64, most int) axis {
	lo, hi, any := extremes(values)
	if s == counting {
		return countingAxis(lo, hi, most)
	}
	if any && lo > 0 && hi > 1.01*lo && s != linear && (s == logarithmic || hi/lo > widestSpan) {
		return logAxis(lo, hi, most)
	}
	return linearAxis(lo, hi, most)
}

// extremes returns the least and the largest finite value, and whether there is one. Numbers so small that distances between
// ticks would be subnormal are zero.
func extremes(values []float64) (lo, hi float64, any bool) {
	for _, v := range values {
		if math.IsInf(v, 0) || math.IsNaN(v) {
			continue
		}
		if math.Abs(v) < 1e-290 {
			v = 0
		}
		if !any {
			lo, hi, any = v, v, true
		}
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi, any
}

// linearAxis returns a linear axis from a multiple of the tick distance to another.
func linearAxis(lo, hi float64, most int) axis {
	size := max(math.Abs(lo), math.Abs(hi))
	switch {
	case size == 0:
		lo, hi = -1, 1
	case !(hi-lo > 1e-9*size): // one value, or so near that ticks would not differ
		lo, hi = lo-0.1*size, hi+0.1*size
	}
	step := roundStep((hi - lo) / float64(max(2, most-1)))
	first, last := math.Floor(lo/step+1e-9), math.Ceil(hi/step-1e-9)
	a := axis{lo: first * step, hi: last * step}
	for i := first; i <= last; i++ {
		v := i * step
		a.ticks = append(a.ticks, tick{v, linearLabel(v, step)})
	}
	return a
}

// countingAxis is a linear axis for numbers of things. Its ends have ticks too, and others keep their distance from them.
func countingAxis(lo, hi float64, most int) axis {
	a := linearAxis(lo, hi, most)
	ends := []float64{lo}
	if hi > lo {
		a.lo, a.hi, ends = lo, hi, []float64{lo, hi}
	}
	const apart = 0.12 // of the axis
	values := ends
	for _, t := range a.ticks {
		if t.value == math.Round(t.value) && t.value-lo > apart*(hi-lo) && hi-t.value > apart*(hi-lo) {
			values = append(values, t.value)
		}
	}
	slices.Sort(values)
	a.ticks = nil
	for _, v := range values {
		a.ticks = append(a.ticks, tick{v, minus(strconv.FormatFloat(v, 'f', 0, 64))})
	}
	return a
}

// roundStep returns the least of 1, 2, 2.5 and 5 times a power of ten that is not below v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// linearLabel writes a multiple of step with the digits that tell it from its neighbours.
func linearLabel(v, step float64) string {
	if v == 0 {
		return "0"
	}
	if math.Abs(v) >= 1e6 || step < 1e-4 {
		digits := int(math.Ceil(math.Log10(math.Abs(v)/step))) + 1
		return strconv.FormatFloat(v, 'g', max(1, digits), 64)
	}
	decimals := 0
	for scaled := step; decimals < 8 && math.Abs(scaled-math.Round(scaled)) > 1e-6*scaled; scaled *= 10 {
		decimals++
	}
	return minus(strconv.FormatFloat(v, 'f', decimals, 64))
}

// minus replaces the hyphen of a negative number by a minus sign.
func minus(s string) string { return strings.Replace(s, "-", "−", 1) }

// logAxis returns a logarithmic axis that begins and ends a little outside of [lo, hi], 0 < lo < hi.
func logAxis(lo, hi float64, most int) axis {
	pad := math.Pow(hi/lo, 0.06)
	a := axis{lo: lo / pad, hi: hi * pad, log: true}
	first, last := int(math.Floor(math.Log10(a.lo))), int(math.Floor(math.Log10(a.hi)))
	for _, mantissas := range [][]float64{{1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 5, 7}, {1, 2, 5}, {1, 3}, {1}} {
		a.ticks = a.logTicks(first, last, 1, mantissas)
		if len(a.ticks) <= most {
			break
		}
	}
	for every := 2; len(a.ticks) > most; every++ {
		a.ticks = a.logTicks(first, last, every, []float64{1})
	}
	if len(a.ticks) < 2 { // less than a decade, and few ticks
		a.ticks = slices.DeleteFunc(linearAxis(lo, hi, most).ticks, func(t tick) bool { return t.value < a.lo || t.value > a.hi })
	}
	return a
}

// logTicks returns the mantissas times every power of ten, divisible by every, that lie on the axis.
func (a axis) logTicks(first, last, every int, mantissas []float64) []tick {
	var ticks []tick
	for e := first; e <= last; e++ {
		if e%every != 0 {
			continue
		}
		for _, m := range mantissas {
			v, err := strconv.ParseFloat(strconv.FormatFloat(m, 'f', -1, 64)+"e"+strconv.Itoa(e), 64) // nearest to the decimal
			if err == nil && v >= a.lo && v <= a.hi {
				ticks = append(ticks, tick{v, logLabel(m, e)})
			}
		}
	}
	return ticks
}

// logLabel writes m times ten to the e.
func logLabel(m float64, e int) string {
	if e >= -3 && e <= 4 {
		return strconv.FormatFloat(m*math.Pow(10, float64(e)), 'f', max(0, -e), 64)
	}
	power := "10" + superscript(e)
	if m == 1 {
		return power
	}
	return strconv.FormatFloat(m, 'f', -1, 64) + "·" + power
}

func superscript(e int) string {
	return strings.NewReplacer("-", "⁻", "0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴", "5", "⁵", "6", "⁶", "7", "⁷", "8", "⁸", "9", "⁹").
		Replace(strconv.Itoa(e))
}
