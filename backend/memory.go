package backend

import (
	"math/bits"
	"sync"
	"unsafe"
)

// Memory is a snapshot of a backend's buffer memory in bytes: buffers, constants of executables and the arenas of running
// executions. Memory wrapped with Wrap belongs to the caller and is not counted.
type Memory struct {
	InUse    int64 // held by live buffers, executables and executions
	Peak     int64 // highest InUse since the backend was made or ResetPeak was called
	Retained int64 // freed and kept for reuse
	Blocks   int64 // number of blocks in use
}

// Memory returns the current counters.
func (b *Backend) Memory() Memory {
	m := &b.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counters
}

// ResetPeak sets the peak to what is in use now.
func (b *Backend) ResetPeak() {
	m := &b.memory
	m.mu.Lock()
	m.counters.Peak = m.counters.InUse
	m.mu.Unlock()
}

// Trim gives the retained blocks back to the garbage collector.
func (b *Backend) Trim() { b.memory.trim(0) }

const (
	alignment = 64 // of every block and every value in an arena: a cache line, and the widest vector
	minClass  = 8  // the smallest block holds 1<<minClass bytes
)

// block is memory of one size class. Its data is aligned.
type block struct {
	data  unsafe.Pointer
	owner []byte // keeps data alive
	size  int64  // usable bytes from data, the class's size
	class int
}

// memory is a pool of blocks by size class, four classes to each power of two so that at most a fifth of a block is unused.
type memory struct {
	mu       sync.Mutex
	free     [4 * 64][]*block
	retain   int64
	counters Memory
}

// sizeClass returns the class of a request and the class's block size.
func sizeClass(bytes int64) (class int, size int64) {
	if bytes <= 1<<minClass {
		return 0, 1 << minClass
	}
	exp := bits.Len64(uint64(bytes-1)) - 1 // 1<<exp < bytes <= 2<<exp
	quarter := int64(1) << (exp - 2)
	step := (bytes - (int64(1) << exp) + quarter - 1) / quarter // 1..4
	return 4*(exp-minClass) + int(step), int64(1)<<exp + step*quarter
}

// get returns a block of at least the given size with arbitrary contents.
func (m *memory) get(bytes int64) *block {
	class, size := sizeClass(bytes)
	m.mu.Lock()
	m.counters.InUse += size
	m.counters.Blocks++
	m.counters.Peak = max(m.counters.Peak, m.counters.InUse)
	if list := m.free[class]; len(list) > 0 {
		b := list[len(list)-1]
		list[len(list)-1] = nil
		m.free[class] = list[:len(list)-1]
		m.counters.Retained -= size
		m.mu.Unlock()
		return b
	}
	m.mu.Unlock()
	owner := make([]byte, size+alignment)
	base := unsafe.Pointer(unsafe.SliceData(owner))
	shift := -uintptr(base) & (alignment - 1)
	return &block{data: unsafe.Add(base, shift), owner: owner, size: size, class: class}
}

// put takes a block back. The caller must not use it again.
func (m *memory) put(b *block) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counters.InUse -= b.size
	m.counters.Blocks--
	if m.counters.Retained+b.size > m.retain {
		return
	}
	m.counters.Retained += b.size
	m.free[b.class] = append(m.free[b.class], b)
}

// trim drops retained blocks, largest first, until at most limit bytes are kept.
func (m *memory) trim(limit int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for class := len(m.free) - 1; class >= 0 && m.counters.Retained > limit; class-- {
		for _, b := range m.free[class] {
			m.counters.Retained -= b.size
		}
		m.free[class] = nil
	}
}

// account adds memory that is not in blocks, such as constants.
func (m *memory) account(bytes int64) {
	m.mu.Lock()
	m.counters.InUse += bytes
	m.counters.Peak = max(m.counters.Peak, m.counters.InUse)
	m.mu.Unlock()
}
