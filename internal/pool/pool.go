// Package pool is the one worker pool that all of Eckart's numerics share.
//
// Work is split into numbered pieces. The split never depends on how many workers there are, and every piece writes its
// own part of the result, so results are the same for any GOMAXPROCS. Calls nest freely: a worker that reaches another
// Run takes part in it itself, so nothing waits for a free worker.
//
// A worker that runs out of work polls for more for a fraction of a millisecond and then sleeps: products that follow each
// other closely, as in decoding, start within a fraction of a microsecond, and an idle pool costs nothing. A call
// allocates nothing.
package pool

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// job is one call of Run or Ranges, shared by the goroutines that help with it.
type job struct {
	each    func(i int)      // Run's function, or nil
	ranges  func(lo, hi int) // Ranges' function
	items   int              // Ranges: what is split,
	grain   int              // and into ranges of how many
	n       int64            // pieces
	next    atomic.Int64     // next piece to take
	pending atomic.Int32     // workers that may still touch the job, and the sleeping bit
	done    chan struct{}    // wakes the caller if it sleeps
	claimed []*worker        // workers that were given the job
	failure atomic.Pointer[panicked]
}

// panicked carries a panic from a helper back to the goroutine that called Run.
type panicked struct{ value any }

// sleeping in job.pending says that the caller waits on done for the last worker.
const sleeping = 1 << 30

var jobs = sync.Pool{New: func() any { return &job{done: make(chan struct{}, 1)} }}

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
	j := jobs.Get().(*job)
	j.each = f
	j.run(n, width)
}

// Ranges splits 0..n into consecutive ranges of grain items (the last may be shorter) and calls f(lo, hi) for each as Run
// does. The ranges depend on n and grain alone. It panics if grain < 1.
func Ranges(n, grain int, f func(lo, hi int)) {
	if grain < 1 {
		panic("pool: grain must be at least 1")
	}
	pieces := (n + grain - 1) / grain
	width := min(pieces, runtime.GOMAXPROCS(0))
	if width <= 1 {
		for lo := 0; lo < n; lo += grain {
			f(lo, min(n, lo+grain))
		}
		return
	}
	j := jobs.Get().(*job)
	j.ranges, j.items, j.grain = f, n, grain
	j.run(pieces, width)
}

// run shares n pieces among width goroutines, the caller included, and gives the job back.
func (j *job) run(n, width int) {
	j.n = int64(n)
	j.next.Store(0)
	for range width - 1 {
		w := claim(width - 1)
		if w == nil {
			break // every worker is busy: the caller does that share
		}
		j.claimed = append(j.claimed, w)
		j.pending.Add(1)
		w.give(j)
	}
	defer j.finish()
	j.work()
}

// finish waits until no worker can touch the job any more, recycles it and passes a helper's panic on.
func (j *job) finish() {
	j.next.Store(j.n) // after a panic of our own, helpers stop at their next piece
	for i, w := range j.claimed {
		if w.takeBack(j) {
			j.pending.Add(-1)
		}
		j.claimed[i] = nil
	}
	j.claimed = j.claimed[:0]
	j.wait()
	failure := j.failure.Swap(nil)
	j.each, j.ranges = nil, nil
	jobs.Put(j)
	if failure != nil {
		panic(failure.value)
	}
}

// wait polls for the last worker, then sleeps until it is done.
func (j *job) wait() {
	if poll(func() bool { return j.pending.Load() == 0 }) {
		return
	}
	for {
		v := j.pending.Load()
		if v == 0 {
			return
		}
		if j.pending.CompareAndSwap(v, v|sleeping) {
			<-j.done
			j.pending.Store(0)
			return
		}
	}
}

// leave is a worker's last touch of the job.
func (j *job) leave() {
	if j.pending.Add(-1) == sleeping {
		j.done <- struct{}{}
	}
}

// work takes pieces until none are left.
func (j *job) work() {
	for {
		i := j.next.Add(1) - 1
		if i >= j.n {
			return
		}
		if j.each != nil {
			j.each(int(i))
			continue
		}
		lo := int(i) * j.grain
		j.ranges(lo, min(j.items, lo+j.grain))
	}
}

// help is a worker's part in a job: a panic is kept for the caller.
func (j *job) help() {
	defer func() {
		if v := recover(); v != nil {
			j.failure.CompareAndSwap(nil, &panicked{v})
			j.next.Store(j.n)
		}
	}()
	j.work()
}

// pollFor is how long a goroutine polls before it sleeps. Waking a sleeper takes 5 µs (futex) where a CPU is idle, and
// milliseconds where the woken thread has to share the waker's CPU until the scheduler moves it. Polling covers the gaps
// between the products of a decoding step, and the end of a large product, where one thread still computes its last piece.
const pollFor = 200 * time.Microsecond

// poll calls ready until it is true, for at most pollFor, and reports whether it was.
func poll(ready func() bool) bool {
	var start time.Time
	for round := 0; ; round++ {
		for range 64 {
			if ready() {
				return true
			}
		}
		if round == 0 {
			start = time.Now()
		} else if time.Since(start) > pollFor {
			return false
		}
	}
}
