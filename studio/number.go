package studio

import (
	"fmt"
	"math"
	"strconv"
)

// size writes bytes in decimal units.
func size(bytes int64) string {
	v := float64(bytes)
	if v < 1e3 {
		return fmt.Sprintf("%d B", bytes)
	}
	unit, name := byteUnit(v)
	return fmt.Sprintf("%.*f %s", decimalsOf(v/unit), v/unit, name)
}

// decimalsOf returns how many decimals show three or four digits of v.
func decimalsOf(v float64) int {
	switch {
	case v >= 100:
		return 0
	case v >= 10:
		return 1
	}
	return 2
}

// count writes a whole number with its thousands apart.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return minus(s)
}

// percent writes a share.
func percent(part, whole float64) string {
	if !(whole > 0) {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100*part/whole)
}

// perplexity writes a perplexity with its standard error.
func perplexity(v, stderr float64) string {
	switch {
	case v == 0:
		return "not measured"
	case math.IsInf(v, 0):
		return "∞"
	case math.IsNaN(v):
		return "not a number"
	}
	s := significant(v)
	if stderr > 0 && !math.IsInf(stderr, 0) {
		s += " ± " + significantLike(stderr, v)
	}
	return s
}

// significant writes a perplexity with three decimals, or fewer if it is large.
func significant(v float64) string { return significantLike(v, v) }

// significantLike writes v with the decimals that suit like.
func significantLike(v, like float64) string {
	switch {
	case like < 100:
		return fmt.Sprintf("%.3f", v)
	case like < 1e4:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// errorOf writes a relative error.
func errorOf(v float64) string { return fmt.Sprintf("%.4f", v) }

// seconds writes a duration.
func seconds(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.1f s", v)
	}
	return fmt.Sprintf("%.0f min %02.0f s", math.Floor(v/60), math.Mod(v, 60))
}
