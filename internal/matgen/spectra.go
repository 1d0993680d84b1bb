package matgen

import "math"

// Geometric returns k values from first to last with equal ratios. Both are positive.
func Geometric(k int, first, last float64) []float64 {
	return spectrum(k, func(x float64) float64 { return math.Exp((1-x)*math.Log(first) + x*math.Log(last)) })
}

// Arithmetic returns k values from first to last with equal differences.
func Arithmetic(k int, first, last float64) []float64 {
	return spectrum(k, func(x float64) float64 { return (1-x)*first + x*last })
}

// Power returns the k values 1, 2^-p, 3^-p, ...: the slow decay of many weights and data.
func Power(k int, p float64) []float64 {
	s := make([]float64, k)
	for j := range s {
		s[j] = math.Pow(float64(j+1), -p)
	}
	return s
}

// Clustered returns k values that differ by 4 eps, from 1 down: as close as values can be without being one.
func Clustered(k int, eps float64) []float64 {
	s := make([]float64, k)
	for j := range s {
		s[j] = 1 - 4*eps*float64(j)
	}
	return s
}

// Repeated returns k values of which only distinct (1, 2, ...) differ, each as often as the others.
func Repeated(k, distinct int) []float64 {
	s := make([]float64, k)
	for j := range s {
		s[j] = float64(1 + j*distinct/k)
	}
	return s
}

// Step returns rank ones, then k-rank values floor: 0 gives a matrix of deficient rank, a small one a numerical rank.
func Step(k, rank int, floor float64) []float64 {
	s := make([]float64, k)
	for j := range s {
		s[j] = floor
		if j < rank {
			s[j] = 1
		}
	}
	return s
}

// spectrum samples f at k points from 0 to 1.
func spectrum(k int, f func(x float64) float64) []float64 {
	s := make([]float64, k)
	for j := range s {
		x := 0.0
		if k > 1 {
			x = float64(j) / float64(k-1)
		}
		s[j] = f(x)
	}
	return s
}
