package tokenizer

import "hash/maphash"

// none is the value of a pair that does not merge: no rank is as high.
const none = ^uint64(0)

// pairs maps a pair of ids to rank<<32 | id of the merged token, with open addressing. The multiplier is drawn per table, as
// the seed of a Go map is, so that a file cannot be made to collide; it never changes a result.
type pairs struct {
	keys, values []uint64 // values[i] == none: free
	multiplier   uint64
	shift        uint
}

func newPairs(n int) *pairs {
	bits := uint(4)
	for 1<<bits < 2*n {
		bits++
	}
	p := &pairs{keys: make([]uint64, 1<<bits), values: make([]uint64, 1<<bits), shift: 64 - bits}
	p.multiplier = maphash.String(maphash.MakeSeed(), "pairs") | 1
	for i := range p.values {
		p.values[i] = none
	}
	return p
}

func pair(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

// set adds a pair or replaces its value; at most n pairs may be set.
func (p *pairs) set(a, b int32, rank uint32, merged int32) {
	key := pair(a, b)
	i := key * p.multiplier >> p.shift
	for ; p.values[i] != none && p.keys[i] != key; i = (i + 1) & uint64(len(p.keys)-1) {
	}
	p.keys[i], p.values[i] = key, uint64(rank)<<32|uint64(uint32(merged))
}

// get returns rank<<32 | merged, or none.
func (p *pairs) get(a, b int32) uint64 {
	key := pair(a, b)
	for i := key * p.multiplier >> p.shift; ; i = (i + 1) & uint64(len(p.keys)-1) {
		if v := p.values[i]; v == none || p.keys[i] == key {
			return v
		}
	}
}

// shortWord is the longest word, in symbols, merged by scanning: n^2 steps, but of a few instructions.
const shortWord = 48

// mergeAll applies the merges to ids, always the one of lowest rank, leftmost first, and returns ids shortened.
func (p *pairs) mergeAll(sc *scratch, ids []int32) []int32 {
	if len(ids) > shortWord {
		return p.mergeLong(sc, ids)
	}
	if len(ids) < 2 {
		return ids
	}
	v := sc.pairs[:0]
	for i := range len(ids) - 1 {
		v = append(v, p.get(ids[i], ids[i+1]))
	}
	sc.pairs = v
	for len(v) > 0 {
		best, at := v[0], 0
		for i, x := range v {
			if x>>32 < best>>32 {
				best, at = x, i
			}
		}
		if best == none {
			break
		}
		ids[at] = int32(uint32(best))
		ids = append(ids[:at+1], ids[at+2:]...)
		v = append(v[:at], v[at+1:]...)
		if at < len(v) {
			v[at] = p.get(ids[at], ids[at+1])
		}
		if at > 0 {
			v[at-1] = p.get(ids[at-1], ids[at])
		}
	}
	return ids
}

// link is a symbol in a doubly linked list; a symbol merged into its left neighbour has id -1.
type link struct {
	id         int32
	prev, next int32
}

// mergeLong is mergeAll in n log n steps: a heap of rank<<32 | position over a linked list. An entry whose pair has changed
// since is recognised by its rank and dropped.
func (p *pairs) mergeLong(sc *scratch, ids []int32) []int32 {
	l, q := sc.links[:0], heap(sc.queue[:0])
	for i, id := range ids {
		l = append(l, link{id, int32(i - 1), int32(i + 1)})
		if i > 0 {
			if v := p.get(ids[i-1], id); v != none {
				q = append(q, v&^0xFFFFFFFF|uint64(i-1))
			}
		}
	}
	q.init()
	for len(q) > 0 {
		top := q.pop()
		i := int32(uint32(top))
		if l[i].id < 0 || int(l[i].next) == len(l) {
			continue
		}
		j := l[i].next
		v := p.get(l[i].id, l[j].id)
		if v == none || v>>32 != top>>32 {
			continue
		}
		l[i].id, l[i].next, l[j].id = int32(uint32(v)), l[j].next, -1
		if next := l[i].next; int(next) < len(l) {
			l[next].prev = i
			if v := p.get(l[i].id, l[next].id); v != none {
				q.push(v&^0xFFFFFFFF | uint64(i))
			}
		}
		if prev := l[i].prev; prev >= 0 {
			if v := p.get(l[prev].id, l[i].id); v != none {
				q.push(v&^0xFFFFFFFF | uint64(prev))
			}
		}
	}
	ids = ids[:0]
	for i := int32(0); int(i) < len(l); i = l[i].next {
		ids = append(ids, l[i].id)
	}
	sc.links, sc.queue = l, q
	return ids
}

// heap is a binary min-heap of numbers.
type heap []uint64

func (h heap) init() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

func (h heap) down(i int) {
	x := h[i]
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1] < h[c] {
			c++
		}
		if x <= h[c] {
			break
		}
		h[i] = h[c]
		i = c
	}
	h[i] = x
}

func (h *heap) push(x uint64) {
	*h = append(*h, x)
	q, i := *h, len(*h)-1
	for i > 0 && x < q[(i-1)/2] {
		q[i] = q[(i-1)/2]
		i = (i - 1) / 2
	}
	q[i] = x
}

func (h *heap) pop() uint64 {
	q := *h
	top := q[0]
	q[0] = q[len(q)-1]
	*h = q[:len(q)-1]
	if len(*h) > 0 {
		h.down(0)
	}
	return top
}
