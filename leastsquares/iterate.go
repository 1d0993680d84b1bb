package leastsquares

import (
	"math"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/linop"
)

// solve runs the method from the solution of the sketched problem, or from zero if that is worse.
func (s *solver) solve() (*Result, error) {
	x := s.start
	r, err := s.residual(x)
	if err != nil {
		return nil, err
	}
	if norm(r) > norm(s.b) && s.opts.Method != Rough {
		x = make([]float64, s.n)
		if r, err = s.residual(x); err != nil {
			return nil, err
		}
	}
	s.result.Method, s.result.Converged = methodNames[s.opts.Method], true
	loops := map[Method]int{Stable: 2, Momentum: 1}[s.opts.Method]
	for loop := range loops {
		if x, r, err = s.momentum(x, r, loop == 1); err != nil {
			return nil, err
		}
	}
	if s.opts.Method == LSQR {
		if x, r, err = s.lsqr(x, r); err != nil {
			return nil, err
		}
	}
	gradient, err := s.applyTrans(r)
	if err != nil {
		return nil, err
	}
	s.result.X, s.result.Residual, s.result.Cost = x, norm(r[:s.m]), s.a.Cost
	s.result.BackwardError = s.backward(x, r, gradient)
	return &s.result, nil
}

// testEvery is how many steps there are between estimates of the backward error.
const testEvery = 5

// momentum returns x + P y and its residual, where y approaches the solution of PᵀAᵀA P y = PᵀAᵀr by the heavy ball method:
// with a sketch of d rows the eigenvalues are within (1 -+ sqrt(n/d))^-2, for which momentum n/d and step (1 - n/d)^2 are the best,
// and every step divides the error by sqrt(d/n). The first loop ends when updates are as small as rounding lets them be; the
// second, which repairs what that has left, when the backward error is rounding.
func (s *solver) momentum(x, r []float64, repair bool) ([]float64, []float64, error) {
	beta := float64(len(s.sigma)) / float64(s.d)
	step := (1 - beta) * (1 - beta)
	gradient, err := s.applyTrans(r)
	if err != nil {
		return nil, nil, err
	}
	c := s.overSigma(s.timesVT(gradient))
	y, update := make([]float64, len(c)), make([]float64, len(c))
	for range s.opts.Steps {
		ap, err := s.apply(s.timesP(y))
		if err != nil {
			return nil, nil, err
		}
		if gradient, err = s.applyTrans(ap); err != nil {
			return nil, nil, err
		}
		g := s.overSigma(s.timesVT(gradient))
		for k := range y {
			update[k] = step*(c[k]-g[k]) + beta*update[k]
			y[k] += update[k]
		}
		s.result.Steps++
		size := norm(update)
		s.result.Updates = append(s.result.Updates, size)
		next := add(x, s.timesP(y))
		// ||A|| and ||x|| are those of the scaled columns
		if limit := 10 * eps * (s.sigma[0]*s.scaledNorm(next) + 0.04*s.result.Condition*norm(r)); size <= limit && !repair {
			return s.moved(next)
		}
		if repair && s.result.Steps%testEvery == 0 {
			_, rest, err := s.moved(next)
			if err != nil {
				return nil, nil, err
			}
			if gradient, err = s.applyTrans(rest); err != nil {
				return nil, nil, err
			}
			if s.backward(next, rest, gradient) <= eps*s.size() || size <= eps*norm(y) || size == 0 {
				return next, rest, nil
			}
		}
	}
	s.result.Converged = false
	return s.moved(add(x, s.timesP(y)))
}

// moved returns x and its residual.
func (s *solver) moved(x []float64) ([]float64, []float64, error) {
	r, err := s.residual(x)
	return x, r, err
}

func (s *solver) overSigma(y []float64) []float64 {
	for k := range y {
		y[k] /= s.sigma[k]
	}
	return y
}

func add(x, y []float64) []float64 {
	sum := append([]float64(nil), x...)
	simd.Daxpy(1, y, sum)
	return sum
}

// lsqr is Paige and Saunders' method for min ||A P y - r||: bidiagonalisation of A P by Golub and Kahan, the triangular factor
// kept by Givens rotations. It stops when the backward error of x + P y is rounding, which is tested now and then.
func (s *solver) lsqr(x, r []float64) ([]float64, []float64, error) {
	u := append([]float64(nil), r...)
	beta := norm(u)
	if beta == 0 {
		return x, r, nil
	}
	simd.Dscal(1/beta, u)
	g, err := s.applyTrans(u)
	if err != nil {
		return nil, nil, err
	}
	v := s.overSigma(s.timesVT(g))
	alpha := norm(v)
	if alpha == 0 {
		return x, r, nil
	}
	simd.Dscal(1/alpha, v)
	w, y := append([]float64(nil), v...), make([]float64, len(v))
	phi, rho := beta, alpha
	for i := range s.opts.Steps {
		av, err := s.apply(s.timesP(v))
		if err != nil {
			return nil, nil, err
		}
		simd.Daxpy(-alpha, u, av)
		u, beta = av, norm(av)
		if beta > 0 {
			simd.Dscal(1/beta, u)
		}
		if g, err = s.applyTrans(u); err != nil {
			return nil, nil, err
		}
		next := s.overSigma(s.timesVT(g))
		simd.Daxpy(-beta, v, next)
		v, alpha = next, norm(next)
		if alpha > 0 {
			simd.Dscal(1/alpha, v)
		}
		length := math.Hypot(rho, beta)
		cos, sin := rho/length, beta/length
		theta := sin * alpha
		rho = -cos * alpha
		step := cos * phi / length
		phi *= sin
		simd.Daxpy(step, w, y)
		s.result.Updates = append(s.result.Updates, math.Abs(step)*norm(w))
		ratio := theta / length
		for k := range w {
			w[k] = v[k] - ratio*w[k]
		}
		s.result.Steps++
		if (i+1)%testEvery != 0 && alpha != 0 && beta != 0 {
			continue
		}
		at, rest, err := s.moved(add(x, s.timesP(y)))
		if err != nil {
			return nil, nil, err
		}
		if g, err = s.applyTrans(rest); err != nil {
			return nil, nil, err
		}
		if alpha == 0 || beta == 0 || s.backward(at, rest, g) <= eps*s.size() || math.Abs(step)*norm(w) <= eps*norm(y) {
			return at, rest, nil
		}
	}
	s.result.Converged = false
	return s.moved(add(x, s.timesP(y)))
}

// direct collects the elements of A and takes their singular value decomposition.
func direct(a linop.Operator, b []float64, opts Options) (*Result, error) {
	m, n := a.Dims()
	rows := m
	if opts.Ridge > 0 {
		rows += n
	}
	d, unit := general(rows, n), general(n, n)
	for i := range n {
		unit.Data[i*n+i] = 1
		if opts.Ridge > 0 {
			d.Data[(m+i)*n+i] = math.Sqrt(opts.Ridge)
		}
	}
	top := d
	top.Rows = m
	if err := a.MulTo(top, unit); err != nil {
		return nil, err
	}
	var svd lapack.SVD[float64]
	if err := svd.Factorize(lapack.Thin, lapack.Thin, rows, n, d.Data, d.Stride); err != nil {
		return nil, err
	}
	x, r := make([]float64, n), append([]float64(nil), b...)
	values, u, v := svd.Values(), svd.U(), svd.V()
	rank := 0
	for k, sigma := range values {
		if !(sigma > float64(m)*eps*values[0]) {
			break
		}
		simd.Daxpy(simd.Ddot(b, u.Data[k*u.Stride:k*u.Stride+m])/sigma, v.Data[k*v.Stride:k*v.Stride+n], x)
		rank++
	}
	simd.Dgemv(blas.NoTrans, m, n, -1, d.Data, d.Stride, x, 1, 1, r, 1)
	result := &Result{X: x, Residual: norm(r), Rank: rank, Converged: true, Method: methodNames[Direct]}
	result.Cost.Passes, result.Cost.Products = 1, n
	if rank == n {
		result.Condition = values[0] / values[n-1]
	}
	return result, nil
}
