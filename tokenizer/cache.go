package tokenizer

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

const (
	cacheSlots = 1 << 16
	cacheWord  = 40 // longest word kept, in bytes
)

// cache remembers the ids of recent short words, one word a slot, without locks: a slot is replaced as a whole. It holds at
// most cacheSlots words (about 8 MiB) and never changes a result.
type cache struct {
	seed  maphash.Seed
	slots []atomic.Pointer[cached]
}

type cached struct {
	word string
	ids  []int32
}

func newCache() *cache {
	return &cache{seed: maphash.MakeSeed(), slots: make([]atomic.Pointer[cached], cacheSlots)}
}

// slot returns the only slot word may be in.
func (c *cache) slot(word string) *atomic.Pointer[cached] {
	return &c.slots[maphash.String(c.seed, word)%cacheSlots]
}

// fill puts word and a copy of its ids in its slot.
func fill(slot *atomic.Pointer[cached], word string, ids []int32) {
	slot.Store(&cached{strings.Clone(word), append([]int32(nil), ids...)})
}
