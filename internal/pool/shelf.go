package pool

import (
	"runtime"
	"sync"
)

// Shelf keeps large values for their next use. It is a sync.Pool that the garbage collector does not empty: programs that
// keep memory tight collect so often that a sync.Pool would hardly ever have a value. At most four values for each of
// GOMAXPROCS are kept. The zero value is an empty shelf; several goroutines may use it.
type Shelf[T any] struct {
	mu    sync.Mutex
	items []*T
}

// Get takes the value that was put back last, or makes a zero one.
func (s *Shelf[T]) Get() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.items) - 1; last >= 0 {
		return s.take(last)
	}
	return new(T)
}

// take removes item i.
func (s *Shelf[T]) take(i int) *T {
	v, last := s.items[i], len(s.items)-1
	s.items[i] = s.items[last]
	s.items[last] = nil
	s.items = s.items[:last]
	return v
}

// Put gives a value back; the caller must not use it any more.
func (s *Shelf[T]) Put(v *T) {
	most := capacity()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.items) < most {
		s.items = append(s.items, v)
	}
}

// capacity is how many values a shelf keeps.
func capacity() int { return 4 * runtime.GOMAXPROCS(0) }

// Buffers is a Shelf of slices of different lengths.
type Buffers[T any] struct{ shelf Shelf[[]T] }

// Get returns a slice of n elements, whatever they hold: the smallest on the shelf that is large enough, or a new one in
// place of the largest.
func (b *Buffers[T]) Get(n int) *[]T {
	buffer := b.best(n)
	if cap(*buffer) < n {
		*buffer = make([]T, n+n/4)
	}
	*buffer = (*buffer)[:n]
	return buffer
}

func (b *Buffers[T]) best(n int) *[]T {
	s := &b.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	best := -1
	for i, v := range s.items {
		fits := cap(*v) >= n
		switch {
		case best < 0,
			fits && cap(*s.items[best]) < n,
			fits && cap(*v) < cap(*s.items[best]),
			!fits && cap(*s.items[best]) < n && cap(*v) > cap(*s.items[best]):
			best = i
		}
	}
	if best < 0 {
		return new([]T)
	}
	return s.take(best)
}

// Put gives a buffer back; the caller must not use it any more. A full shelf lets its smallest buffer go.
func (b *Buffers[T]) Put(buffer *[]T) {
	s := &b.shelf
	most := capacity()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.items) < most {
		s.items = append(s.items, buffer)
		return
	}
	least := 0
	for i, v := range s.items {
		if cap(*v) < cap(*s.items[least]) {
			least = i
		}
	}
	if cap(*s.items[least]) < cap(*buffer) {
		s.items[least] = buffer
	}
}
