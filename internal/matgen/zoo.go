package matgen

import "math"

// Case is a matrix and what is known about it.
type Case[T Float] struct {
	Name string
	M, N int
	A    []T // M x N, row-major without gaps
	// Values are the singular values, descending (Zoo), or the eigenvalues, ascending (SymmetricZoo): exact but for the rounding of A;
	// nil where nothing is known.
	Values []float64
}

// Zoo returns matrices of m x n, m and n >= 0, that a singular value decomposition or a least-squares solver must cope with.
// The names "tiny" and "huge" are at the ends of T's range, where squares under- and overflow.
func Zoo[T Float](m, n int, seed uint64) []Case[T] {
	k := min(m, n)
	eps, tiny, huge := limits[T]()
	var cases []Case[T]
	add := func(name string, a, values []float64) { cases = append(cases, newCase[T](name, m, n, a, values)) }
	given := func(name string, s []float64) { add(name, WithSingularValues(m, n, s, seed), descending(s, k)) }
	scaled := func(name string, scale float64) {
		s := Arithmetic(k, scale, scale/4)
		add(name, WithSingularValues(m, n, s, seed), descending(s, k))
	}
	add("gaussian", Gaussian(m, n, seed), nil)
	add("zero", make([]float64, m*n), make([]float64, k))
	add("identity", rectangular(m, n, func(i, j int) float64 { return delta(i, j) }), ones(k))
	add("ones", rectangular(m, n, func(i, j int) float64 { return 1 }), descending(ones(min(k, 1), math.Sqrt(float64(m)*float64(n))), k))
	given("arithmetic", Arithmetic(k, 1, 1/float64(max(1, k))))
	given("geometric", Geometric(k, 1, eps))
	given("strongly graded", Geometric(k, 1, eps*eps))
	given("power", Power(k, 1))
	given("clustered", Clustered(k, eps))
	given("repeated", Repeated(k, 3))
	given("orthogonal", ones(k))
	given("rank deficient", Step(k, k/2, 0))
	given("numerical rank", Step(k, k/3, 8*eps))
	given("rank one", ones(min(k, 1), 3))
	scaled("tiny", tiny)
	scaled("huge", huge)
	difference, values := Difference(m, n)
	add("difference", difference, values)
	add("hilbert", Hilbert(m, n), nil)
	kahan := Kahan(k, 1.2)
	add("kahan", rectangular(m, n, func(i, j int) float64 {
		if i < k && j < k {
			return kahan[i*k+j]
		}
		return 0
	}), nil)
	g := Gaussian(m, n, seed+1)
	add("graded rows", rectangular(m, n, func(i, j int) float64 { return g[i*n+j] * grade(i, m, eps) }), nil)
	add("graded columns", rectangular(m, n, func(i, j int) float64 { return g[i*n+j] * grade(n-1-j, n, eps) }), nil)
	add("zero rows", rectangular(m, n, func(i, j int) float64 { return g[i*n+j] * float64(i%2) }), nil)
	add("zero columns", rectangular(m, n, func(i, j int) float64 { return g[i*n+j] * float64((j+1)%2) }), nil)
	return cases
}

// SymmetricZoo returns symmetric matrices of order n that an eigensolver must cope with.
func SymmetricZoo[T Float](n int, seed uint64) []Case[T] {
	eps, tiny, huge := limits[T]()
	var cases []Case[T]
	add := func(name string, a, values []float64) { cases = append(cases, newCase[T](name, n, n, a, values)) }
	given := func(name string, values []float64) { add(name, WithEigenvalues(values, seed), ascending(values)) }
	g := Gaussian(n, n, seed)
	symmetric := func(at func(i, j int) float64) []float64 {
		return rectangular(n, n, func(i, j int) float64 { return at(min(i, j), max(i, j)) })
	}
	noise := func(i, j int) float64 { return g[i*n+j] }
	add("gaussian", symmetric(noise), nil)
	add("zero", make([]float64, n*n), make([]float64, n))
	add("identity", rectangular(n, n, delta), ones(n))
	one := make([]float64, n)
	if n > 0 {
		one[n-1] = float64(n)
	}
	add("ones", symmetric(func(i, j int) float64 { return 1 }), one)
	add("rank one", symmetric(func(i, j int) float64 { return g[i] * g[j] }), nil)
	diagonal := make([]float64, n)
	for i := range diagonal {
		diagonal[i] = float64(T(g[i*n+i]))
	}
	add("diagonal", Tridiagonal(diagonal, nil), ascending(diagonal))
	given("indefinite", Arithmetic(n, -1, 1))
	given("geometric", Geometric(n, 1, eps))
	given("strongly graded", Geometric(n, 1, eps*eps))
	given("clustered", Clustered(n, eps))
	given("repeated", Repeated(n, 3))
	given("rank deficient", Step(n, n/2, 0))
	given("numerical rank", Step(n, n/3, 8*eps))
	given("tiny", Arithmetic(n, -tiny, tiny/2))
	given("huge", Arithmetic(n, -huge/2, huge))
	second, values := SecondDifference(n)
	add("second difference", second, values)
	add("wilkinson", Wilkinson(n), nil)
	add("glued wilkinson", GluedWilkinson(n, math.Sqrt(eps)), nil)
	half := n / 2
	_, singular := Difference(half, half)
	gk := GolubKahan(ones(half), ones(max(0, half-1), -1))
	plusMinus := make([]float64, n) // and a zero row for odd n
	for i, s := range singular {
		plusMinus[i], plusMinus[n-1-i] = -s, s
	}
	add("golub-kahan", rectangular(n, n, func(i, j int) float64 {
		if max(i, j) < 2*half {
			return gk[i*2*half+j]
		}
		return 0
	}), plusMinus)
	add("hilbert", Hilbert(n, n), nil)
	add("graded", symmetric(func(i, j int) float64 { return noise(i, j) * grade(j, n, eps) }), nil)
	return cases
}

// limits returns the unit roundoff of T and numbers near the ends of its range: 1e-300 and 1e300, or 1e-35 and 1e35.
func limits[T Float]() (eps, tiny, huge float64) {
	if _, ok := any(T(0)).(float32); ok {
		return 0x1p-24, 1e-35, 1e35
	}
	return 0x1p-53, 1e-300, 1e300
}

// newCase rounds a to T.
func newCase[T Float](name string, m, n int, a, values []float64) Case[T] {
	c := Case[T]{Name: name, M: m, N: n, A: make([]T, len(a)), Values: values}
	for i, v := range a {
		c.A[i] = T(v)
	}
	return c
}

// grade falls from 1 to eps over k steps.
func grade(i, k int, eps float64) float64 { return math.Pow(eps, float64(i)/float64(k)) }

func delta(i, j int) float64 {
	if i == j {
		return 1
	}
	return 0
}

// ones returns k ones, or k times the value given.
func ones(k int, value ...float64) []float64 {
	v := 1.0
	if len(value) > 0 {
		v = value[0]
	}
	s := make([]float64, k)
	for i := range s {
		s[i] = v
	}
	return s
}

func rectangular(m, n int, at func(i, j int) float64) []float64 {
	a := make([]float64, m*n)
	for i := range m {
		for j := range n {
			a[i*n+j] = at(i, j)
		}
	}
	return a
}
