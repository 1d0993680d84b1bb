package pool

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestRunCallsEachOnce(t *testing.T) {
	for _, procs := range []int{1, 2, 3, 8} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		for _, n := range []int{0, 1, 2, 7, 1000} {
			counts := make([]atomic.Int32, n)
			Run(n, func(i int) { counts[i].Add(1) })
			for i := range counts {
				if c := counts[i].Load(); c != 1 {
					t.Fatalf("procs=%d n=%d: f(%d) ran %d times", procs, n, i, c)
				}
			}
		}
	}
}

func TestNestedRunsFinish(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var total atomic.Int64
	Run(8, func(int) {
		Run(8, func(int) {
			Run(8, func(int) { total.Add(1) })
		})
	})
	if got := total.Load(); got != 512 {
		t.Fatalf("%d innermost calls, want 512", got)
	}
}

func TestRangesCoverWithoutOverlap(t *testing.T) {
	for _, n := range []int{0, 1, 63, 64, 65, 1000} {
		seen := make([]atomic.Int32, n)
		Ranges(n, 64, func(lo, hi int) {
			if lo%64 != 0 || hi > n || lo >= hi {
				t.Errorf("n=%d: range [%d, %d)", n, lo, hi)
			}
			for i := lo; i < hi; i++ {
				seen[i].Add(1)
			}
		})
		for i := range seen {
			if seen[i].Load() != 1 {
				t.Fatalf("n=%d: item %d visited %d times", n, i, seen[i].Load())
			}
		}
	}
}

func TestPanicReachesTheCaller(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for range 100 {
		func() {
			defer func() {
				if v := recover(); v != "piece 5" {
					t.Fatalf("recovered %v, want piece 5", v)
				}
			}()
			Run(16, func(i int) {
				if i == 5 {
					panic("piece 5")
				}
			})
			t.Fatal("Run returned after a panic")
		}()
	}
	Run(4, func(int) {}) // the pool still works
}

func TestRunAllocatesNothing(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	var sum atomic.Int64
	f := func(i int) { sum.Add(int64(i)) }
	g := func(lo, hi int) { sum.Add(int64(hi - lo)) }
	for name, call := range map[string]func(){"Run": func() { Run(8, f) }, "Ranges": func() { Ranges(100, 9, g) }} {
		if allocs := testing.AllocsPerRun(1000, call); allocs >= 0.5 { // a collection may empty the pool of jobs
			t.Errorf("%s: %v allocations a call", name, allocs)
		}
	}
}

// Callers that sleep, workers that sleep and jobs taken back all meet here; a lost wake-up would hang the test.
func TestManyCallersAndPauses(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	var callers sync.WaitGroup
	var total atomic.Int64
	for c := range 4 {
		callers.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(c)))
			for range 300 {
				Run(5, func(i int) {
					total.Add(1)
					for start := time.Now(); i == 3 && time.Since(start) < 2*pollFor; {
					}
				})
				time.Sleep(time.Duration(rng.IntN(4)) * pollFor)
			}
		})
	}
	callers.Wait()
	if got := total.Load(); got != 4*300*5 {
		t.Fatalf("%d calls, want %d", got, 4*300*5)
	}
}

func BenchmarkRunLatency(b *testing.B) {
	f := func(int) {}
	for b.Loop() {
		Run(2, f)
	}
}

// BenchmarkHandOver measures a call whose two pieces must run at the same time: each waits for the other to begin.
func BenchmarkHandOver(b *testing.B) {
	if runtime.GOMAXPROCS(0) < 2 {
		b.Skip("needs two CPUs")
	}
	var begun atomic.Int32
	f := func(int) {
		begun.Add(1)
		for begun.Load() < 2 {
		}
	}
	for b.Loop() {
		begun.Store(0)
		Run(2, f)
	}
}
