package pool

import (
	"math/bits"
	"sync/atomic"
)

// worker is a goroutine that helps with one job at a time. Workers live as long as the process.
type worker struct {
	id     int
	box    atomic.Pointer[job] // the job it is given; whoever swaps it out owns that share of it
	parked atomic.Bool         // asleep on wake, or about to be
	wake   chan struct{}
}

// maxWorkers bounds the pool; on a larger machine the rest of the CPUs do not help.
const maxWorkers = 256

var (
	idle    [maxWorkers / 64]atomic.Uint64 // a bit for each worker without a job
	workers [maxWorkers]atomic.Pointer[worker]
	started atomic.Int32
)

// claim takes a worker out of the idle set, the lowest first because it is the likeliest to be awake. It starts one if
// none is idle and fewer than want exist, and returns nil if there is none to be had.
func claim(want int) *worker {
	for k := range idle {
		for {
			set := idle[k].Load()
			if set == 0 {
				break
			}
			if idle[k].CompareAndSwap(set, set&(set-1)) {
				return workers[64*k+bits.TrailingZeros64(set)].Load()
			}
		}
	}
	for {
		have := started.Load()
		if int(have) >= min(want, maxWorkers) {
			return nil
		}
		if started.CompareAndSwap(have, have+1) {
			w := &worker{id: int(have), wake: make(chan struct{}, 1)}
			workers[have].Store(w)
			go w.loop()
			return w
		}
	}
}

// release puts the worker into the idle set.
func (w *worker) release() { idle[w.id/64].Or(1 << (w.id % 64)) }

// give hands a job to a claimed worker.
func (w *worker) give(j *job) {
	w.box.Store(j)
	if w.parked.CompareAndSwap(true, false) {
		w.wake <- struct{}{}
	}
}

// takeBack undoes give if the worker has not begun, and reports whether it did.
func (w *worker) takeBack(j *job) bool {
	if !w.box.CompareAndSwap(j, nil) {
		return false
	}
	w.release()
	return true
}

// loop helps with one job after the other.
func (w *worker) loop() {
	for {
		j := w.box.Load()
		if j == nil || !w.box.CompareAndSwap(j, nil) {
			w.sleep()
			continue
		}
		j.help()
		w.release() // before leave: the caller's next Run finds this worker idle
		j.leave()
	}
}

// sleep returns when there may be a job in the box.
func (w *worker) sleep() {
	ready := func() bool { return w.box.Load() != nil }
	if poll(ready) {
		return
	}
	w.parked.Store(true)
	if ready() && w.parked.CompareAndSwap(true, false) {
		return
	}
	<-w.wake // if give won the race for parked, its token is on the way
}
