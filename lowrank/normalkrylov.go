package lowrank

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/sketch"
)

// normal is a block Lanczos process with AᵀA for an A with many more rows than columns: the same spaces as bidiagonal's, without
// orthonormalising on the long side, which is most of the work where A is sparse. U = A V R^-1 is implied by H = VᵀAᵀA V = RᵀR,
// so that directions below sqrt(eps) ||A|| are lost: where those would matter, it gives up.
type normal struct {
	a      *sketch.Counted
	m, n   int
	v      columns
	h      blas64.General // room for VᵀAᵀAV
	block  int
	orth   sketch.Orthonormaliser
	energy growth
	c      blas64.General // UᵀAV of the last step, V with the block that is to come
}

// tallEnough is the ratio of the sides from which the long side is avoided.
const tallEnough = 3

// normalFactors runs the process on a tall operator. It reports false if directions too small for it are needed.
func normalFactors(a linop.Operator, k int, opts Options) (f *approximation, ok bool, err error) {
	m, n := a.Dims()
	p := &normal{a: &sketch.Counted{Operator: a}, m: m, n: n, block: opts.Krylov.block(k, a)}
	if err := p.start(opts.Krylov.Seed); err != nil {
		return nil, false, err
	}
	norm, known, err := p.a.FrobeniusNorm()
	if err != nil {
		return nil, false, err
	}
	stop := stopping{accuracy: opts.Krylov.accuracy(), norm: norm, known: known}
	for {
		if p.v.Cols+p.block > n {
			return nil, false, errSpaceFull
		}
		exhausted, definite, err := p.step(k)
		if err != nil || !definite {
			return nil, false, err
		}
		excess, done := stop.check(p.energy, sumsq(p.c), exhausted)
		if p.c.Rows >= k && (done || p.a.Cost.Passes+2 >= opts.Krylov.passes()) {
			f, err := p.finish(k)
			if err != nil {
				return nil, false, err
			}
			f.excess, f.cost = excess, p.a.Cost
			return f, f.s[k-1] > validNorms*f.s[0], nil
		}
	}
}

// start makes the first block: the range of AᵀΩ, or of AᵀAΩ if that is one pass too.
func (p *normal) start(seed uint64) error {
	v := general(p.n, p.block)
	var err error
	if linop.OnePassGram(p.a.Operator) {
		x := general(p.n, p.block)
		sketch.GaussianTo(x, seed, 0)
		err = p.a.MulGramTo(v, blas64.General{}, x)
	} else {
		x := general(p.m, p.block)
		sketch.GaussianTo(x, seed, 0)
		err = p.a.MulTransTo(v, x)
	}
	if err != nil {
		return err
	}
	if err := finiteBlock(v); err != nil {
		return err
	}
	p.orth.Basis(v)
	p.v.add(v)
	return nil
}

// step applies AᵀA to the last block. It reports whether nothing new came of that, and whether H is safely definite.
func (p *normal) step(k int) (exhausted, definite bool, err error) {
	b := p.block
	z, t := general(p.n, b), general(b, b)
	if err := p.a.MulGramTo(z, blas64.General{}, contiguous(p.v.last(b))); err != nil {
		return false, false, err
	}
	if err := finiteBlock(z); err != nil {
		return false, false, err
	}
	size := norm(z)
	h := outside(&p.orth, p.v.General, z, t)
	p.setColumns(h)
	p.v.add(z)
	if !p.implied(t) {
		return false, false, nil
	}
	order := p.c.Rows
	if order >= k {
		p.energy = append(p.energy, topOf(blas64.General{Rows: order, Cols: order, Stride: p.h.Stride, Data: p.h.Data}, k), topEnergy(p.c, k))
	}
	return norm(t) <= rounding*size, true, nil
}

// setColumns makes h the last columns, and rows, of H.
func (p *normal) setColumns(h blas64.General) {
	order := p.v.Cols
	if order > p.h.Rows {
		grown := general(2*order, 2*order)
		for i := range p.h.Rows {
			copy(grown.Data[i*grown.Stride:], p.h.Data[i*p.h.Stride:i*p.h.Stride+p.h.Cols])
		}
		p.h = grown
	}
	first := order - p.block
	for i := range order {
		for j, v := range h.Data[i*h.Stride : i*h.Stride+p.block] {
			p.h.Data[i*p.h.Stride+first+j] = v
			p.h.Data[(first+j)*p.h.Stride+i] = v
		}
	}
}

// implied sets C = [R, e TᵀR_jj^-ᵀ...] = UᵀA[V, V_j+1] from H = RᵀR and AᵀA V_j = V h + V_j+1 t: the last rows of UᵀA V_j+1 are
// (t R_jj^-1)ᵀ.
func (p *normal) implied(t blas64.General) bool {
	b := p.block
	order := p.v.Cols - b
	p.c = general(order, order+b)
	for i := range order {
		copy(p.c.Data[i*p.c.Stride:], p.h.Data[i*p.h.Stride:i*p.h.Stride+order])
	}
	if lapack.Cholesky(blas.Upper, order, p.c.Data, p.c.Stride) != nil {
		return false
	}
	largest, smallest := 0.0, math.Inf(1)
	for i := range order {
		clear(p.c.Data[i*p.c.Stride : i*p.c.Stride+i])
		largest, smallest = max(largest, p.c.Data[i*p.c.Stride+i]), min(smallest, p.c.Data[i*p.c.Stride+i])
	}
	if smallest < validNorms*largest {
		return false
	}
	first := order - b
	corner := blas64.General{Rows: b, Cols: b, Stride: p.c.Stride, Data: p.c.Data[first*p.c.Stride+first:]}
	blas64Implementation.Dtrsm(blas.Right, blas.Upper, blas.NoTrans, blas.NonUnit, b, b, 1, corner.Data, corner.Stride, t.Data, t.Stride)
	for i := range b {
		for j := range b {
			p.c.Data[(first+i)*p.c.Stride+order+j] = t.Data[j*t.Stride+i]
		}
	}
	return true
}

// finish multiplies A by the leading right singular vectors of U C Vᵀ and decomposes the product, to full accuracy.
func (p *normal) finish(k int) (*approximation, error) {
	svd := svds.Get()
	defer svds.Put(svd)
	if err := svd.FactorizeTop(p.c.Rows, p.c.Cols, p.c.Data, p.c.Stride, k); err != nil {
		panic(err) // finite
	}
	rest := length(svd.Values()[k:])
	right, w := general(p.n, k), general(p.m, k)
	multiply(blas.NoTrans, blas.Trans, 1, p.v.General, blas64.General(svd.V()), 0, right)
	p.orth.Basis(right)
	if err := p.a.MulTo(w, right); err != nil {
		return nil, err
	}
	if err := finiteBlock(w); err != nil {
		return nil, err
	}
	r := general(k, k)
	p.orth.Once(w, r) // the columns are nearly orthogonal: once is enough
	f := compress(w, r, right, k)
	f.rest = rest
	return f, nil
}

// topOf returns the sum of the k largest eigenvalues of a symmetric h.
func topOf(h blas64.General, k int) float64 {
	e := eigens.Get()
	defer eigens.Put(e)
	if err := e.FactorizeValues(blas.Upper, h.Rows, h.Data, h.Stride); err != nil {
		return math.NaN()
	}
	return sum(e.Values()[max(0, h.Rows-k):])
}
