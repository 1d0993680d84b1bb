// Package pool is the one worker pool that all of Eckart's numerics share.
//
// Work is split into numbered pieces. The split never depends on how many workers there are, and every piece writes its
// own part of the result, so results are the same for any GOMAXPROCS. Calls nest freely: a worker that reaches another
// Run takes part in it itself, so nothing waits for a free worker.
package pool

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// job is one call of Run, shared by the goroutines that help with it.
type job struct {
	f       func(i int)
	n       int64
	next    atomic.Int64 // next piece to take
	helpers sync.WaitGroup
	failure atomic.Pointer[panicked]
}

// panicked carries a panic from a helper back to the goroutine that called Run.
type panicked struct{ value any }

var (
	idle    = make(chan *job) // unbuffered: a send succeeds only when a worker is waiting
	started atomic.Int64
	jobs    = sync.Pool{New: func() any { return new(job) }}
)

// Run calls f(0), ..., f(n-1), each exactly once, on the calling goroutine and up to GOMAXPROCS-1 others, and returns
// when all have returned. The order is unspecified. A panic in f is raised again in the caller.
func Run(n int, f func(i int)) {
	width := min(n, runtime.GOMAXPROCS(0))
	if width <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	ensure(width - 1)
	j := jobs.Get().(*job)
	j.f, j.n = f, int64(n)
	j.next.Store(0)
	j.failure.Store(nil)
	for range width - 1 {
		j.helpers.Add(1)
		select {
		case idle <- j:
		default: // every worker is busy: the caller does that share
			j.helpers.Done()
		}
	}
	defer func() {
		j.next.Store(j.n) // after a panic of our own, helpers stop at their next piece
		j.helpers.Wait()
		failure := j.failure.Load()
		j.f = nil
		jobs.Put(j)
		if failure != nil {
			panic(failure.value)
		}
	}()
	j.work()
}

// Ranges splits 0..n into consecutive ranges of grain items (the last may be shorter) and calls f(lo, hi) for each
// through Run. The ranges depend on n and grain alone. It panics if grain < 1.
func Ranges(n, grain int, f func(lo, hi int)) {
	if grain < 1 {
		panic("pool: grain must be at least 1")
	}
	if n <= grain {
		if n > 0 {
			f(0, n)
		}
		return
	}
	Run((n+grain-1)/grain, func(i int) {
		lo := i * grain
		f(lo, min(n, lo+grain))
	})
}

// work takes pieces until none are left.
func (j *job) work() {
	for {
		i := j.next.Add(1) - 1
		if i >= j.n {
			return
		}
		j.f(int(i))
	}
}

// help is a worker's part in a job: panics are kept for the caller.
func (j *job) help() {
	defer func() {
		if v := recover(); v != nil {
			j.failure.CompareAndSwap(nil, &panicked{v})
			j.next.Store(j.n)
		}
		j.helpers.Done()
	}()
	j.work()
}

// ensure starts workers until there are at least want. Workers live as long as the process and cost nothing while idle.
func ensure(want int) {
	for {
		have := started.Load()
		if have >= int64(want) {
			return
		}
		if started.CompareAndSwap(have, have+1) {
			go worker()
		}
	}
}

func worker() {
	for j := range idle {
		j.help()
	}
}
