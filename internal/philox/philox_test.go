package philox

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The known answers published with the authors' implementation, Random123 (kat_vectors, philox4x32 10).
func TestKnownAnswers(t *testing.T) {
	for _, tc := range []struct {
		counter [4]uint32
		key     Key
		want    [4]uint32
	}{
		{[4]uint32{}, Key{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, Key{0xffffffff, 0xffffffff}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, Key{0xa4093822, 0x299f31d0}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		x0, x1, x2, x3 := tc.key.Block(tc.counter[0], tc.counter[1], tc.counter[2], tc.counter[3])
		if got := [4]uint32{x0, x1, x2, x3}; got != tc.want {
			t.Errorf("counter %x, key %x: %x, want %x", tc.counter, tc.key, got, tc.want)
		}
	}
}

func TestSourceReadsItsStreamInOrder(t *testing.T) {
	s := NewSource(0x0123456789abcdef, 5)
	for i := range uint64(3) {
		x0, x1, x2, x3 := NewKey(0x0123456789abcdef).Block(uint32(i), 0, 0, 5)
		for _, want := range []uint64{uint64(x1)<<32 | uint64(x0), uint64(x3)<<32 | uint64(x2)} {
			if got := s.Uint64(); got != want {
				t.Errorf("block %d: %x, want %x", i, got, want)
			}
		}
	}
	// As a rand.Source: moments of 10^5 normal numbers within five standard deviations of theirs.
	rng, n := rand.New(NewSource(7, 0)), 100_000
	var sum, squares float64
	for range n {
		x := rng.NormFloat64()
		sum += x
		squares += x * x
	}
	if mean, bound := sum/float64(n), 5/math.Sqrt(float64(n)); !(math.Abs(mean) <= bound) {
		t.Errorf("mean %v, bound %v", mean, bound)
	}
	if second, bound := squares/float64(n), 5*math.Sqrt(2/float64(n)); !(math.Abs(second-1) <= bound) {
		t.Errorf("second moment %v, bound %v", second, bound)
	}
}

func TestMapsStayInRange(t *testing.T) {
	for _, n := range []int{1, 2, 3, 1000, 1 << 31} {
		if lo, hi := Below(0, n), Below(math.MaxUint32, n); lo != 0 || hi != n-1 {
			t.Errorf("Below maps to %d..%d of %d", lo, hi, n)
		}
	}
	if lo, hi := Unit(0), Unit(math.MaxUint32); !(lo > 0 && hi < 1) {
		t.Errorf("Unit maps to %v..%v", lo, hi)
	}
}

var sink uint32 // keeps the loop alive

func BenchmarkBlock(b *testing.B) {
	k := NewKey(1)
	var sum uint32
	for i := range b.N {
		x, _, _, _ := k.At(0, 0, uint64(i))
		sum += x
	}
	sink = sum
}
