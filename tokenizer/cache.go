package tokenizer

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

const (
	cacheSets = 1 << 15
	cacheWord = 64 // longest word kept, in bytes
)

// cache remembers the ids of recent short words, two words a set, without locks: an entry never changes once it is there. It
// holds at most 2*cacheSets words (some 10 MiB) and never changes a result.
type cache struct {
	seed maphash.Seed
	sets []cacheSet
}

type cacheSet [2]atomic.Pointer[cached] // the newer word first

type cached struct {
	word string
	ids  []int32
}

func newCache() *cache {
	return &cache{seed: maphash.MakeSeed(), sets: make([]cacheSet, cacheSets)}
}

// set returns the set word may be in.
func (c *cache) set(word string) *cacheSet { return &c.sets[maphash.String(c.seed, word)%cacheSets] }

// get returns the ids of word, if they are there.
func (s *cacheSet) get(word string) ([]int32, bool) {
	if e := s[0].Load(); e != nil && e.word == word {
		return e.ids, true
	}
	if e := s[1].Load(); e != nil && e.word == word {
		return e.ids, true
	}
	return nil, false
}

// put adds word and a copy of its ids in place of the older word.
func (s *cacheSet) put(word string, ids []int32) {
	s[1].Store(s[0].Load())
	s[0].Store(&cached{strings.Clone(word), append([]int32(nil), ids...)})
}
