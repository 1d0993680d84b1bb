package pool

import (
	"runtime"
	"sync"
	"testing"
)

func TestShelfKeepsValuesThroughCollections(t *testing.T) {
	var s Shelf[[1 << 16]byte]
	v := s.Get()
	v[0] = 7
	s.Put(v)
	runtime.GC()
	runtime.GC()
	runtime.GC()
	if got := s.Get(); got != v || got[0] != 7 {
		t.Errorf("got %p with %d, expected %p with 7", got, got[0], v)
	}
	if got := s.Get(); got == v {
		t.Error("a value was handed out twice")
	}
	for range 100 {
		s.Put(new([1 << 16]byte))
	}
	if most := capacity(); len(s.items) != most {
		t.Errorf("%d values kept, expected %d", len(s.items), most)
	}
}

func TestBuffersTakeTheBestFit(t *testing.T) {
	var b Buffers[float64]
	small, large := b.Get(100), b.Get(1000)
	b.Put(large)
	b.Put(small)
	if got := b.Get(60); cap(*got) != cap(*small) || len(*got) != 60 {
		t.Errorf("60 elements from a buffer of %d, expected the one of %d", cap(*got), cap(*small))
	} else {
		b.Put(got)
	}
	if got := b.Get(500); cap(*got) != cap(*large) || len(*got) != 500 {
		t.Errorf("500 elements from a buffer of %d, expected the one of %d", cap(*got), cap(*large))
	} else {
		b.Put(got)
	}
	if got := b.Get(5000); len(*got) != 5000 { // grows the largest: the small one is still there
		t.Errorf("%d elements, expected 5000", len(*got))
	}
	if got := b.Get(10); cap(*got) != cap(*small) {
		t.Errorf("10 elements from a buffer of %d, expected the one of %d", cap(*got), cap(*small))
	}
}

func TestFullShelfKeepsTheLargest(t *testing.T) {
	var b Buffers[byte]
	for n := range 10 * capacity() {
		buffer := make([]byte, n+1)
		b.Put(&buffer)
	}
	for range capacity() {
		if got := cap(*b.Get(1)); got <= 9*capacity() {
			t.Fatalf("a buffer of %d was kept in place of a larger one", got)
		}
	}
}

func TestBuffersAreNotShared(t *testing.T) {
	var b Buffers[int]
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := 1; n < 500; n++ {
				s := b.Get(n)
				for i := range *s {
					(*s)[i] = g
				}
				runtime.Gosched()
				for _, v := range *s {
					if v != g {
						t.Errorf("a buffer is used by %d and %d", g, v)
						return
					}
				}
				b.Put(s)
			}
		}()
	}
	wg.Wait()
}
