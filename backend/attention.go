package backend

import (
	"bytes"
	"math"
	"slices"
	"sync"
	"unsafe"

	"gonum.org/v1/gonum/blas"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/eckart-go/eckart/internal/simd"
)

// Attention by tiles (Dao et al. 2022, FlashAttention; Milakov, Gimelshein 2018, online softmax): a piece of work owns a few
// query positions of all heads that share a key-value head, and passes once over tiles of keys, keeping for each row the
// running maximum m, the running sum l of exp(score - m) and the accumulator sum exp(score - m) v.

const (
	attentionRows   = 64   // query rows (positions x heads of a group) in a piece
	attentionScores = 8192 // scores in a tile
	maxKeyTile      = 1024

	// With few queries there are few pieces: then keys are split too (Dao et al. 2023, Flash-Decoding).
	splitBelow  = 8   // pieces
	splitPieces = 16  // aimed at
	fewestKeys  = 128 // in a split
)

// attentionPlan has all views in the order [batch, heads, positions, width].
type attentionPlan struct {
	q, k, v, out          view
	mask, bias            view
	hasMask, hasBias      bool
	booleanMask           bool
	queryLen, keyLen      view
	hasLens, causal       bool
	scale                 float32
	batch, heads, kvHeads int
	queries, keys, width  int
	group                 int // heads that share a key-value head
	tileQ, tileK          int
	tilesQ                int

	splits        int  // 1: keys are not split
	splitKeys     int  // keys in a split
	partial, sums view // of each split: accumulator rows with the maximum behind each, and sums
}

func (l *lowering) attention(n *node) {
	a := n.attr.(attentionAttr)
	p := &attentionPlan{scale: a.scale, causal: a.causal, hasMask: a.mask, hasBias: a.bias, hasLens: a.seqLens}
	orient := func(v view) view {
		if a.layout == compute.AttentionAxesLayoutBSHD {
			return v.transpose([]int{0, 2, 1, 3})
		}
		return v
	}
	p.q, p.k, p.v = orient(l.headsOf(n.in[0])), orient(l.headsOf(n.in[1])), orient(l.headsOf(n.in[2]))
	reads := []*storage{p.q.mem, p.k.mem, p.v.mem}
	rest := n.in[3:]
	next := func() *node { x := rest[0]; rest = rest[1:]; return x }
	if a.mask {
		x := next()
		p.booleanMask = x.shape.DType == dtypes.Bool
		p.mask = l.scoreRows(x)
		reads = append(reads, p.mask.mem)
	}
	if a.bias {
		p.bias = l.scoreRows(next())
		reads = append(reads, p.bias.mem)
	}
	if a.seqLens {
		p.queryLen, p.keyLen = l.contiguous(next()), l.contiguous(next())
		reads = append(reads, p.queryLen.mem, p.keyLen.mem)
	}
	p.out = orient(l.alloc(n))
	p.batch, p.heads, p.queries, p.width = p.q.dims[0], p.q.dims[1], p.q.dims[2], p.q.dims[3]
	p.kvHeads, p.keys = p.k.dims[1], p.k.dims[2]
	p.group = p.heads / p.kvHeads
	p.tileQ = min(p.queries, max(1, attentionRows/p.group))
	p.tileK = max(1, min(p.keys, maxKeyTile, attentionScores/(p.tileQ*p.group)))
	p.tilesQ = (p.queries + p.tileQ - 1) / p.tileQ
	pieces := p.batch * p.kvHeads * p.tilesQ
	p.splitKeys = max(fewestKeys, min(maxKeyTile/2, p.keys*pieces/splitPieces))
	p.splits = (p.keys + p.splitKeys - 1) / p.splitKeys
	if pieces >= splitBelow || p.splits <= 1 {
		p.splits = 1
		l.emit(&step{name: "Attention", reads: reads, writes: []*storage{p.out.mem}, pieces: pieces, piece: p.piece})
		return
	}
	p.tileK = min(p.tileK, p.splitKeys)
	rows := p.tileQ * p.group
	p.partial = l.fresh(4, []int{pieces * p.splits, rows, p.width + 1})
	p.sums = l.fresh(8, []int{pieces * p.splits, rows})
	parts := []*storage{p.partial.mem, p.sums.mem}
	l.emit(&step{name: "Attention", reads: reads, writes: parts, pieces: pieces * p.splits, piece: p.splitPiece})
	l.emit(&step{name: "Attention, splits joined", reads: append(parts, reads...), writes: []*storage{p.out.mem}, pieces: pieces, piece: p.joinPiece})
}

// headsOf returns an operand whose last axis is contiguous and whose positions are at least a row apart.
func (l *lowering) headsOf(n *node) view {
	v := l.view(n)
	width := v.dims[3]
	if width > 1 && v.strides[3] != 1 {
		return l.contiguous(n)
	}
	for axis, d := range v.dims[:3] {
		if d > 1 && v.strides[axis] < width {
			return l.contiguous(n)
		}
	}
	return v
}

// scoreRows returns a mask or bias whose last axis is contiguous.
func (l *lowering) scoreRows(n *node) view {
	if v := l.view(n); v.strides[3] == 1 || v.dims[3] == 1 {
		return v
	}
	return l.contiguous(n)
}

// attentionScratch is the working memory of a piece.
type attentionScratch struct {
	q, acc, scores []float32
	top            []float32
	sum            []float64
}

var attentionPool = sync.Pool{New: func() any { return new(attentionScratch) }}

func (s *attentionScratch) resize(rows, width, tileK int) {
	s.q = slices.Grow(s.q[:0], rows*width)[:rows*width]
	s.acc = slices.Grow(s.acc[:0], rows*width)[:rows*width]
	s.scores = slices.Grow(s.scores[:0], rows*tileK)[:rows*tileK]
	s.top = slices.Grow(s.top[:0], rows)[:rows]
	s.sum = slices.Grow(s.sum[:0], rows)[:rows]
	clear(s.acc)
	clear(s.sum)
	for i := range s.top {
		s.top[i] = float32(math.Inf(-1))
	}
}

// queryTile is one tile of query positions of one group of heads.
type queryTile struct{ b, kvHead, head, q0, positions, rows int }

// tile returns the i-th tile. Late tiles come first: under a causal mask they are longest.
func (p *attentionPlan) tile(i int) queryTile {
	q0 := (p.tilesQ - 1 - i%p.tilesQ) * p.tileQ
	i /= p.tilesQ
	kvHead := i % p.kvHeads
	positions := min(p.tileQ, p.queries-q0)
	return queryTile{i / p.kvHeads, kvHead, kvHead * p.group, q0, positions, positions * p.group}
}

// piece computes the i-th tile.
func (p *attentionPlan) piece(f *frame, i int) {
	s := attentionPool.Get().(*attentionScratch)
	defer attentionPool.Put(s)
	t := p.tile(i)
	s.resize(t.rows, p.width, p.tileK)
	p.scan(f, s, t, 0, p.keys)
	p.finish(f, s, t)
}

// splitPiece computes one split of the keys of a tile and keeps the state.
func (p *attentionPlan) splitPiece(f *frame, i int) {
	s := attentionPool.Get().(*attentionScratch)
	defer attentionPool.Put(s)
	t, k0 := p.tile(i/p.splits), i%p.splits*p.splitKeys
	s.resize(t.rows, p.width, p.tileK)
	p.scan(f, s, t, k0, k0+p.splitKeys)
	acc, sums := p.part(f, i)
	for r := range t.rows {
		row := acc[r*(p.width+1):][:p.width+1]
		copy(row, s.acc[r*p.width:][:p.width])
		row[p.width] = s.top[r]
	}
	copy(sums, s.sum)
}

// part returns the state of a split.
func (p *attentionPlan) part(f *frame, i int) (acc []float32, sums []float64) {
	rows := p.tileQ * p.group
	acc = at[float32](f.ptr(&p.partial), p.partial.count())
	sums = at[float64](f.ptr(&p.sums), p.sums.count())
	return acc[i*rows*(p.width+1):][:rows*(p.width+1)], sums[i*rows:][:rows]
}

// joinPiece brings the splits of the i-th tile to a common maximum and adds them.
func (p *attentionPlan) joinPiece(f *frame, i int) {
	s := attentionPool.Get().(*attentionScratch)
	defer attentionPool.Put(s)
	t := p.tile(i)
	s.resize(t.rows, p.width, p.tileK)
	for split := range p.splits {
		acc, _ := p.part(f, i*p.splits+split)
		for r := range t.rows {
			s.top[r] = max(s.top[r], acc[r*(p.width+1)+p.width])
		}
	}
	for split := range p.splits {
		acc, sums := p.part(f, i*p.splits+split)
		for r := range t.rows {
			row := acc[r*(p.width+1):][:p.width+1]
			if sums[r] == 0 { // saw no key
				continue
			}
			shrink := float32(math.Exp(float64(row[p.width]) - float64(s.top[r])))
			s.sum[r] += sums[r] * float64(shrink)
			simd.Saxpy(shrink, row[:p.width], s.acc[r*p.width:][:p.width])
		}
	}
	p.finish(f, s, t)
}

// scan passes over the keys lo to hi of a tile.
func (p *attentionPlan) scan(f *frame, s *attentionScratch, t queryTile, lo, hi int) {
	keys, _ := p.limits(f, t.b)
	hi = min(hi, keys)
	if p.causal {
		hi = min(hi, t.q0+t.positions)
	}
	if lo >= hi {
		return
	}
	for r := range t.rows {
		src := p.row(f, &p.q, t.b, t.head+r%p.group, t.q0+r/p.group, p.width)
		simd.Scale(s.q[r*p.width:][:p.width], src, p.scale)
	}
	for k0 := lo; k0 < hi; k0 += p.tileK {
		n := min(p.tileK, hi-k0)
		if p.hasMask && !p.visible(f, t, k0, n) {
			continue
		}
		k := p.matrix(f, &p.k, t.b, t.kvHead, k0, n)
		simd.Sgemm(blas.NoTrans, blas.Trans, t.rows, n, p.width, 1, s.q, p.width, k, max(p.width, p.k.strides[2]), 0, s.scores, n)
		p.adjust(f, s.scores, t, k0, n)
		if s.accumulate(t.rows, n, p.width) {
			v := p.matrix(f, &p.v, t.b, t.kvHead, k0, n)
			simd.Sgemm(blas.NoTrans, blas.NoTrans, t.rows, p.width, n, 1, s.scores, n, v, max(p.width, p.v.strides[2]), 1, s.acc, p.width)
		}
	}
}

// finish divides by the sums and writes the tile's results.
func (p *attentionPlan) finish(f *frame, s *attentionScratch, t queryTile) {
	_, queries := p.limits(f, t.b)
	for r := range t.rows {
		dst := p.row(f, &p.out, t.b, t.head+r%p.group, t.q0+r/p.group, p.width)
		scale := float32(0) // a row that sees no key is zero
		if s.sum[r] != 0 && t.q0+r/p.group < queries {
			scale = float32(1 / s.sum[r])
		}
		simd.Scale(dst, s.acc[r*p.width:][:p.width], scale)
	}
}

// limits returns how many keys and queries of sequence b are real.
func (p *attentionPlan) limits(f *frame, b int) (keys, queries int) {
	if !p.hasLens {
		return p.keys, p.queries
	}
	k, q := at[int32](f.ptr(&p.keyLen), p.batch)[b], at[int32](f.ptr(&p.queryLen), p.batch)[b]
	return min(max(int(k), 0), p.keys), min(max(int(q), 0), p.queries)
}

// row returns n elements of a view's last axis.
func (p *attentionPlan) row(f *frame, v *view, b, h, i, n int) []float32 {
	off := b*v.strides[0] + h*v.strides[1] + i*v.strides[2]
	return at[float32](unsafe.Add(f.ptr(v), off*4), n)
}

// matrix returns rows k0..k0+n of a head's keys or values.
func (p *attentionPlan) matrix(f *frame, v *view, b, h, k0, n int) []float32 {
	return p.row(f, v, b, h, k0, (n-1)*v.strides[2]+p.width)
}

// maskRow returns the boolean mask's bytes.
func (p *attentionPlan) maskRow(f *frame, b, h, i, k0, n int) []byte {
	v := &p.mask
	return at[byte](unsafe.Add(f.ptr(v), b*v.strides[0]+h*v.strides[1]+i*v.strides[2]+k0), n)
}

// visible reports whether the mask lets any row of the tile see any of its keys.
func (p *attentionPlan) visible(f *frame, t queryTile, k0, n int) bool {
	heads := p.group
	if p.mask.strides[1] == 0 {
		heads = 1
	}
	for i := range t.positions {
		for h := range heads {
			if p.booleanMask {
				if bytes.IndexByte(p.maskRow(f, t.b, t.head+h, t.q0+i, k0, n), 1) >= 0 {
					return true
				}
			} else if simd.MaxOf(p.row(f, &p.mask, t.b, t.head+h, t.q0+i, k0+n)[k0:]) != negInf32 {
				return true
			}
		}
	}
	return false
}

// adjust adds bias and mask to a tile of scores.
func (p *attentionPlan) adjust(f *frame, scores []float32, t queryTile, k0, n int) {
	for r := range t.rows {
		b, h, i := t.b, t.head+r%p.group, t.q0+r/p.group
		row := scores[r*n:][:n]
		if p.hasBias {
			simd.Add(row, row, p.row(f, &p.bias, b, h, i, k0+n)[k0:])
		}
		if p.hasMask && p.booleanMask {
			hide(row, p.maskRow(f, b, h, i, k0, n))
		} else if p.hasMask {
			simd.Add(row, row, p.row(f, &p.mask, b, h, i, k0+n)[k0:])
		}
		if p.causal {
			for j := max(0, i+1-k0); j < n; j++ {
				row[j] = negInf32
			}
		}
	}
}

// hide sets scores to -Inf where the mask is false.
func hide(row []float32, mask []byte) {
	for j := bytes.IndexByte(mask, 0); j >= 0 && j < len(mask); j++ {
		if mask[j] == 0 {
			row[j] = negInf32
		}
	}
}

// accumulate turns a tile of scores into weights relative to the new running maxima and rescales what was accumulated. It
// reports whether any weight is not zero.
func (s *attentionScratch) accumulate(rows, n, width int) (seen bool) {
	for r := range rows {
		row := s.scores[r*n:][:n]
		top := max(s.top[r], simd.MaxOf(row))
		if top == negInf32 {
			clear(row)
			continue
		}
		seen = true
		if top != s.top[r] {
			shrink := float32(math.Exp(float64(s.top[r]) - float64(top)))
			s.sum[r] *= float64(shrink)
			simd.Sscal(shrink, s.acc[r*width:][:width])
			s.top[r] = top
		}
		s.sum[r] += simd.ExpSum(row, row, top)
	}
	return seen
}
