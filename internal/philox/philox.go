// Package philox is the counter-based random number generator Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random
// numbers: as easy as 1, 2, 3; SC 2011): a keyed bijection of 128-bit counters that turns a position into random bits. Numbers
// that belong to a place, such as the elements of a random matrix, are the same whoever computes them, in any order, on any
// number of threads, and a part of them can be had without the rest.
package philox

import "math/bits"

// The multipliers and key increments of the paper.
const (
	mul0, mul1   = 0xD2511F53, 0xCD9E8D57
	weyl0, weyl1 = 0x9E3779B9, 0xBB67AE85
	rounds       = 10
)

// Key selects one of 2^64 independent generators.
type Key [2]uint32

// NewKey returns the key of a seed.
func NewKey(seed uint64) Key { return Key{uint32(seed), uint32(seed >> 32)} }

// Block returns the four random words of a counter.
func (k Key) Block(c0, c1, c2, c3 uint32) (x0, x1, x2, x3 uint32) {
	k0, k1 := k[0], k[1]
	for range rounds {
		h0, l0 := bits.Mul32(mul0, c0)
		h1, l1 := bits.Mul32(mul1, c2)
		c0, c1, c2, c3 = h1^c1^k0, l1, h0^c3^k1, l0
		k0 += weyl0
		k1 += weyl1
	}
	return c0, c1, c2, c3
}

// At returns the four words at position (i, j) of a stream: streams of one key are independent. i takes 64 bits, j 32.
func (k Key) At(stream, j uint32, i uint64) (x0, x1, x2, x3 uint32) {
	return k.Block(uint32(i), uint32(i>>32), j, stream)
}

// Source is the generator as a math/rand/v2 Source: the words of the counters 0, 1, 2, ... of one stream.
type Source struct {
	key    Key
	stream uint32
	next   uint64
	words  [2]uint64
	left   int
}

// NewSource returns a source at the start of a stream.
func NewSource(seed uint64, stream uint32) *Source {
	return &Source{key: NewKey(seed), stream: stream}
}

// Uint64 returns the next 64 random bits.
func (s *Source) Uint64() uint64 {
	if s.left == 0 {
		x0, x1, x2, x3 := s.key.At(s.stream, 0, s.next)
		s.next++
		s.words = [2]uint64{uint64(x1)<<32 | uint64(x0), uint64(x3)<<32 | uint64(x2)}
		s.left = 2
	}
	s.left--
	return s.words[1-s.left]
}

// Below maps a random word to 0..n-1 without division (Lemire 2019, without the rejection): no number is likelier than another
// by more than n 2^-32 of its probability. n is at most 2^32.
func Below(word uint32, n int) int { return int(uint64(word) * uint64(n) >> 32) }

// Unit maps a random word to the open interval (0, 1): the midpoints of 2^32 equal parts.
func Unit(word uint32) float64 { return (float64(word) + 0.5) * 0x1p-32 }
