package lowrank

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/sketch"
)

// KrylovOptions tunes Method Krylov; the zero value is the recommended setting.
type KrylovOptions struct {
	// Accuracy is how far the error may be above that of the best rank-k matrix, relative to it, when the iteration stops;
	// 0 means 1e-3. The distance is estimated from how the singular values still grow.
	Accuracy   float64
	Oversample int    // columns of a block beyond the rank, for blocks of the rank's size; 0 means 10
	Block      int    // columns of a block; 0 means rank + Oversample, for A in memory at most 32
	MaxPasses  int    // passes over A after which it stops in any case; 0 means 100
	Seed       uint64 // of the random start
}

// defaultAccuracy is what KrylovOptions.Accuracy 0 means.
const defaultAccuracy = 1e-3

// bidiagonal is a block Golub-Kahan process: bases U and V of the Krylov spaces of A Aᵀ and AᵀA, started by a random block V_1,
// and C = UᵀA V (Golub, Luk, Overton 1981; its spaces are those of Musco, Musco 2015). AᵀU = V Cᵀ holds to rounding after
// every pair of products, so U C Vᵀ = U UᵀA: the best approximation in the range of U is that of the small C.
type bidiagonal struct {
	a       *sketch.Counted
	m, n    int
	u, v    columns
	c       blas64.General // room for all of UᵀAV
	block   int
	orth    sketch.Orthonormaliser
	energy  growth
	endless bool // the residual of the last step is rounding: nothing is left to find
}

// columns is a growing list of columns, m x n, with room for more.
type columns struct {
	blas64.General
	room int
}

// add appends a block.
func (c *columns) add(b blas64.General) {
	if need := c.Cols + b.Cols; need > c.room {
		room := max(need, 2*c.room)
		grown := make([]float64, b.Rows*room)
		for i := range b.Rows {
			copy(grown[i*room:], c.Data[i*c.Stride:i*c.Stride+c.Cols])
		}
		c.General = blas64.General{Rows: b.Rows, Cols: c.Cols, Stride: room, Data: grown}
		c.room = room
	}
	for i := range b.Rows {
		copy(c.Data[i*c.Stride+c.Cols:], b.Data[i*b.Stride:i*b.Stride+b.Cols])
	}
	c.Cols += b.Cols
}

// last returns the last b columns.
func (c *columns) last(b int) blas64.General {
	return blas64.General{Rows: c.Rows, Cols: b, Stride: c.Stride, Data: c.Data[c.Cols-b:]}
}

// krylovFactors finds the rank-k part by a Krylov process: on the short side alone where the other is much longer, and on both
// sides elsewhere, or where the former finds that it cannot be accurate.
func krylovFactors(a linop.Operator, k int, opts Options) (*approximation, error) {
	m, n := a.Dims()
	if m >= tallEnough*n || linop.OnePassGram(a) && m >= n {
		f, ok, err := normalFactors(a, k, opts)
		if err != nil || ok {
			return f, err
		}
	}
	if n >= tallEnough*m && !linop.OnePassGram(a) {
		f, ok, err := normalFactors(linop.Transposed(a), k, opts)
		if err != nil {
			return nil, err
		}
		if ok {
			f.u, f.v = f.v, f.u
			return f, nil
		}
	}
	return bidiagonalFactors(a, k, opts)
}

// bidiagonalFactors runs the process on both sides until the rank-k part is accurate enough.
func bidiagonalFactors(a linop.Operator, k int, opts Options) (*approximation, error) {
	m, n := a.Dims()
	counted := &sketch.Counted{Operator: a}
	p := &bidiagonal{a: counted, m: m, n: n, block: opts.Krylov.block(k, a)}
	if err := p.start(opts.Krylov.Seed); err != nil {
		return nil, err
	}
	stop := stopping{accuracy: opts.Krylov.accuracy()}
	for right := false; ; right = !right {
		// the next product needs room for a block on its side
		if p.u.Cols+p.block > min(m, n) {
			return nil, errSpaceFull
		}
		multiply := p.extendLeft
		if right {
			multiply = p.extendRight
		}
		if err := multiply(k); err != nil {
			return nil, err
		}
		if p.a.Cost.Passes == 1 { // a stream finds its norm on its first pass
			var err error
			if stop.norm, stop.known, err = counted.FrobeniusNorm(); err != nil {
				return nil, err
			}
		}
		if excess, done := stop.check(p.energy, sumsq(p.small()), p.endless); p.u.Cols >= k && (done || p.a.Cost.Passes >= opts.Krylov.passes()) {
			f := compress(p.u.General, p.small(), p.v.General, k)
			f.excess, f.cost = excess, p.a.Cost
			return f, nil
		}
	}
}

// start makes the random first block of V.
func (p *bidiagonal) start(seed uint64) error {
	v := general(p.n, p.block)
	sketch.GaussianTo(v, seed, 0)
	p.orth.Basis(v)
	p.v.add(v)
	return nil
}

// extendLeft adds a block to U: what A V_j has outside of U. A V = U C holds then too, so the process may end here as well.
func (p *bidiagonal) extendLeft(k int) error {
	b := p.block
	w, r := general(p.m, b), general(b, b)
	if err := p.a.MulTo(w, contiguous(p.v.last(b))); err != nil {
		return err
	}
	if err := finiteBlock(w); err != nil {
		return err
	}
	size := norm(w)
	outside(&p.orth, p.u.General, w, r)
	p.u.add(w)
	p.setHalf(r)
	p.note(k, norm(r) <= rounding*size)
	return nil
}

// extendRight adds a block to V: what AᵀU_j has outside of V.
func (p *bidiagonal) extendRight(k int) error {
	b := p.block
	z, t := general(p.n, b), general(b, b)
	if err := p.a.MulTransTo(z, contiguous(p.u.last(b))); err != nil {
		return err
	}
	if err := finiteBlock(z); err != nil {
		return err
	}
	size := norm(z)
	h := outside(&p.orth, p.v.General, z, t)
	p.v.add(z)
	p.setRows(h, t)
	p.note(k, norm(t) <= rounding*size)
	return nil
}

// rounding is what a product's part outside of a space may be, relatively, and still be nothing.
const rounding = 64 * 0x1p-52

// note keeps the energy after a product, once there are k values.
func (p *bidiagonal) note(k int, exhausted bool) {
	p.endless = exhausted
	if p.u.Cols >= k {
		p.energy = append(p.energy, topEnergy(p.small(), k))
	}
}

// outside overwrites w by an orthonormal basis of what it has outside of the range of the orthonormal q, and r by the triangular
// factor of that; it returns the coefficients qᵀw. Everything is done twice, which is enough (Barlow, Smoktunowicz 2013).
func outside(orth *sketch.Orthonormaliser, q, w, r blas64.General) (h blas64.General) {
	h = general(q.Cols, w.Cols)
	r1, r2, h2 := general(w.Cols, w.Cols), general(w.Cols, w.Cols), general(q.Cols, w.Cols)
	subtractProjection(q, w, h)
	before := orth.Householder
	orth.Once(w, r1)
	subtractProjection(q, w, h2)
	orth.Once(w, r2)
	if orth.Householder > before { // directions that were made up have to leave q's range too
		r3, h3 := general(w.Cols, w.Cols), general(q.Cols, w.Cols)
		subtractProjection(q, w, h3)
		orth.Factorize(w, r3)
		multiply(blas.NoTrans, blas.NoTrans, 1, h3, r2, 1, h2)
		r2 = product(r3, r2)
	}
	multiply(blas.NoTrans, blas.NoTrans, 1, h2, r1, 1, h) // w = q h + (q h2 + w' r2) r1
	multiply(blas.NoTrans, blas.NoTrans, 1, r2, r1, 0, r)
	return h
}

// subtractProjection computes h = qᵀw and w -= q h.
func subtractProjection(q, w, h blas64.General) {
	if q.Cols == 0 {
		return
	}
	multiply(blas.Trans, blas.NoTrans, 1, q, w, 0, h)
	multiply(blas.NoTrans, blas.NoTrans, -1, q, h, 1, w)
}

// reserve makes room in C for the next block of rows, and of columns.
func (p *bidiagonal) reserve() {
	need := p.v.Cols + p.block
	if need <= p.c.Cols {
		return
	}
	c := general(2*need, 2*need)
	for i := range p.c.Rows {
		copy(c.Data[i*c.Stride:], p.c.Data[i*p.c.Stride:i*p.c.Stride+p.c.Cols])
	}
	p.c = c
}

// setHalf sets the last rows of C to what A V_j = U h + U_j r says of them while the product with Aᵀ is to come: [0 r].
func (p *bidiagonal) setHalf(r blas64.General) {
	p.reserve()
	first := p.u.Cols - p.block
	for i := range p.block {
		row := p.c.Data[(first+i)*p.c.Stride:]
		clear(row[:first])
		copy(row[first:], r.Data[i*r.Stride:i*r.Stride+p.block])
	}
}

// setRows sets the last rows of C to what AᵀU_j = V h + V_j+1 t says of them: [hᵀ tᵀ].
func (p *bidiagonal) setRows(h, t blas64.General) {
	first := p.u.Cols - p.block
	for j := range p.block {
		row := p.c.Data[(first+j)*p.c.Stride:]
		for i := range h.Rows {
			row[i] = h.Data[i*h.Stride+j]
		}
		for i := range t.Rows {
			row[h.Rows+i] = t.Data[i*t.Stride+j]
		}
	}
}

// small returns C.
func (p *bidiagonal) small() blas64.General {
	return blas64.General{Rows: p.u.Cols, Cols: p.v.Cols, Stride: p.c.Stride, Data: p.c.Data}
}

// topEnergy returns the sum of the k largest squared singular values of c, from its Gram matrix.
func topEnergy(c blas64.General, k int) float64 {
	gram := general(c.Rows, c.Rows)
	simd.Dsyrk(blas.Upper, blas.NoTrans, c.Rows, c.Cols, 1, c.Data, c.Stride, 0, gram.Data, gram.Stride)
	return topOf(gram, k)
}

// startFactor is by how much the first steps' growth, which is that from a random start, may mislead about the next.
const startFactor = 3

// growth is the sum of the k largest squared singular values that a space has, after each product that enlarged it.
type growth []float64

// stopping decides when a rank-k part is good enough.
type stopping struct {
	accuracy float64
	norm     float64
	known    bool
}

// check estimates by how much, relatively, the error is above the best one of rank k. The energy of the k leading values grows
// towards its limit faster and faster, so that a geometric series, with the larger of the last two ratios of growth, is no less
// than what is still to come as a rule; error^2 = ||A||^2 - energy. seen is the energy of the whole space, which stands in for
// ||A||^2 where that is not known; exhausted says that the last product had nothing new.
func (s stopping) check(energy growth, seen float64, exhausted bool) (excess float64, done bool) {
	if exhausted {
		return 0, true
	}
	i := len(energy) - 1
	if i < 1 {
		return math.Inf(1), false
	}
	now := energy[i]
	last := now - energy[i-1]
	noise := 0x1p-50 * now // of the energies
	if last <= noise {
		return 0, true
	}
	missing := startFactor * last
	if i > 1 {
		before := energy[i-1] - energy[i-2]
		ratio := last / before
		if i > 2 {
			ratio = max(ratio, before/(energy[i-2]-energy[i-3]))
		}
		if !(ratio < 1) {
			return math.Inf(1), false
		}
		missing = last * ratio / (1 - ratio)
		if i <= 3 {
			missing *= startFactor
		}
	}
	if missing <= noise {
		return 0, true
	}
	if s.known {
		seen = s.norm * s.norm
	}
	square := seen - now
	if missing >= square {
		return math.Inf(1), false
	}
	excess = math.Sqrt(square/(square-missing)) - 1
	return excess, excess <= s.accuracy
}

// passes returns the most passes.
func (o KrylovOptions) passes() int {
	if o.MaxPasses == 0 {
		return 100
	}
	return o.MaxPasses
}

func (o KrylovOptions) accuracy() float64 {
	if o.Accuracy == 0 {
		return defaultAccuracy
	}
	return o.Accuracy
}

// narrowBlock is the width of blocks where a pass costs little beside its products: about that of the products' own overhead, which
// grows with the passes while the number of products falls with the width.
const narrowBlock = 32

// block returns the columns of a block for rank k. Larger blocks take fewer passes, smaller ones fewer products.
func (o KrylovOptions) block(k int, a linop.Operator) int {
	m, n := a.Dims()
	b := o.Block
	if b == 0 {
		extra := o.Oversample
		if extra == 0 {
			extra = 10
		}
		b = k + extra
		if !linop.OnePassGram(a) && o.Oversample == 0 {
			b = min(b, narrowBlock)
		}
	}
	return max(1, min(b, m, n))
}
