package pool

import (
	"runtime"
	"sync/atomic"
	"testing"
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

func BenchmarkRunLatency(b *testing.B) {
	for b.Loop() {
		Run(2, func(int) {})
	}
}
