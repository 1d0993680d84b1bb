package backend

import (
	"cmp"
	"slices"
)

// lifetimes fills first and last of every storage.
func (l *lowering) lifetimes() {
	for _, s := range l.storages {
		s.first, s.last = len(l.steps), -1
		if s.kind == isConstant || s.kind == isParameter {
			s.first = -1
		}
	}
	for i, st := range l.steps {
		for _, s := range st.reads {
			s.last = max(s.last, i)
		}
		for _, s := range st.writes {
			s.first = min(s.first, i)
			s.last = max(s.last, i)
		}
	}
	for _, s := range l.storages {
		if s.kind == isOutput {
			s.last = len(l.steps)
		}
	}
}

// reuse lets results take over the memory of operands that die in the same step. It returns, for each output, the parameter
// whose memory it takes over when that parameter is donated, or -1.
func (l *lowering) reuse(outputs int) (donors []int) {
	donors = slices.Repeat([]int{-1}, outputs)
	parameterOf := map[*storage]*storage{}
	for i, st := range l.steps {
		if len(st.writes) == 0 {
			continue
		}
		dst := st.writes[0]
		if dst.first != i {
			continue
		}
		for _, s := range st.inplace {
			if s.last == i && s.kind == inArena && s.host == nil && s.size == dst.size && s != dst {
				s.host = dst
				dst.first = s.first
				parameterOf[dst] = parameterOf[s] // not one of this step: dst now lives before that parameter dies
				break
			}
			if s.last == i && s.kind == isParameter && s.size == dst.size && parameterOf[dst] == nil {
				parameterOf[dst] = s // an arena operand further on is preferred
			}
		}
	}
	for s, p := range parameterOf {
		if p != nil && s.kind == isOutput && s.host == nil {
			donors[s.index] = p.index
		}
	}
	return donors
}

// place assigns arena offsets, largest storages first, each at the lowest offset that is free for its whole lifetime. It
// returns the arena's size.
func (l *lowering) place() int {
	var roots []*storage
	for _, s := range l.storages {
		if s.kind == inArena && s.host == nil && s.last >= 0 {
			roots = append(roots, s)
		}
	}
	slices.SortStableFunc(roots, func(a, b *storage) int { return cmp.Compare(b.size, a.size) })
	arena := 0
	var overlapping []*storage
	for i, s := range roots {
		overlapping = overlapping[:0]
		for _, o := range roots[:i] {
			if o.first <= s.last && s.first <= o.last {
				overlapping = append(overlapping, o)
			}
		}
		slices.SortFunc(overlapping, func(a, b *storage) int { return cmp.Compare(a.offset, b.offset) })
		offset := 0
		for _, o := range overlapping {
			if offset+s.size <= o.offset {
				break
			}
			offset = max(offset, align(o.offset+o.size))
		}
		s.offset = offset
		arena = max(arena, align(offset+s.size))
	}
	return arena
}

func align(n int) int { return (n + alignment - 1) &^ (alignment - 1) }
