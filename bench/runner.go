package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/eckart-go/eckart/internal/simd"
)

// pace is how measuring spends its time.
type pace struct {
	rounds int // at most; slow cases take fewer, but 3 at least
	// batch is how long one repetition lasts at least: calls are repeated until the clock and the scheduler matter little.
	batch time.Duration
	// settle is the pause between contenders: OpenBLAS's workers spin for 2^28 cycles after their last call (115 ms measured),
	// OpenMP's for some milliseconds, and would take a core from whoever comes next.
	settle time.Duration
	// warm is how long calls are made before the clock starts, one at least: the scheduler needs some milliseconds to spread
	// woken threads over a loaded machine, and the CPU to reach its speed.
	warm time.Duration
	// patience is how long one case may take altogether before it gets fewer rounds.
	patience time.Duration
}

func defaultPace(rounds int) pace {
	return pace{rounds: max(1, rounds), batch: 30 * time.Millisecond, settle: 180 * time.Millisecond, warm: 60 * time.Millisecond, patience: 12 * time.Second}
}

// benchCase is one thing to measure.
type benchCase struct {
	name    string
	work    float64 // operations, tokens or bytes of one call
	unit    string  // "flop", "token", "byte"
	tol     float64 // agreement of the checksums, relative to the sum of absolute values
	threads []int   // thread counts it makes sense for; nil means all

	peer    string         // driver to ask: a file bench/peers/NAME_peer.py; "" for none
	request map[string]any // what the driver is to set up, beside "threads"

	// prepare builds our side once; it is called anew for each thread count.
	prepare func() (*prepared, error)
}

// prepared is our side of a case, ready to run.
type prepared struct {
	ours     func() error
	gonum    func() error               // nil when gonum has no such routine
	checksum func() (sum, size float64) // of the result that the last call left; nil when there is nothing to compare
	// match, if not nil, sets ours to an accuracy as good as the peer's distance from the exact result, and returns its own.
	match func(theirs float64) (ours float64, err error)
	close func()
}

// contender is one of those who run a case in turn.
type contender struct {
	name, version string
	run           func(calls int, warm time.Duration) (seconds float64, err error) // untimed calls for that long, then calls timed ones; seconds of them all
	calls         int
	seconds       []float64 // of one call, a repetition each
}

// runSuite measures the cases and prints a record for each of their peers.
func runSuite(ctx context.Context, suite string, cases []benchCase, c config, print printer, stderr io.Writer) error {
	fmt.Fprintf(stderr, "bench: %s %s/%s, %d CPUs, kernels %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), simd.Level())
	peers, err := openPeers(ctx, cases, c, stderr)
	if err != nil {
		return err
	}
	defer peers.close()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	ran := 0
	for _, threads := range c.threads {
		runtime.GOMAXPROCS(threads)
		for _, bc := range cases {
			if !strings.Contains(bc.name, c.filter) || bc.threads != nil && !slices.Contains(bc.threads, threads) {
				continue
			}
			ran++
			records, err := measure(ctx, bc, threads, c, peers)
			if err != nil {
				return fmt.Errorf("%s, %d threads: %w", bc.name, threads, err)
			}
			for _, r := range records {
				r.Suite = suite
				if err := print(r); err != nil {
					return err
				}
			}
		}
	}
	if ran == 0 {
		return fmt.Errorf("suite %s: no case matches --filter %q", suite, c.filter)
	}
	return nil
}

// measure runs one case with one thread count.
func measure(ctx context.Context, bc benchCase, threads int, c config, peers *peerSet) ([]record, error) {
	debug.FreeOSMemory() // operands shall lie on fresh pages, huge ones if they are large
	p, err := bc.prepare()
	if err != nil {
		return nil, err
	}
	if p.close != nil {
		defer p.close()
	}
	runtime.GC()
	ours := &contender{name: "eckart", run: local(p.ours)}
	contenders := []*contender{ours}
	var distances [2]float64
	if err := p.ours(); err != nil {
		return nil, err
	}
	if peer := peers.get(bc.peer); peer != nil {
		answer, err := peer.setup(bc.request, threads)
		if err != nil {
			return nil, err
		}
		if err := agree(bc, p, answer); err != nil {
			return nil, fmt.Errorf("%s: %w", peer.name, err)
		}
		if p.match != nil {
			distances[1] = answer.Distance
			if distances[0], err = p.match(answer.Distance); err != nil {
				return nil, fmt.Errorf("%s: %w", answer.Library, err)
			}
		}
		contenders = append(contenders, &contender{name: answer.Library, version: answer.Version, run: peer.time})
	}
	if p.gonum != nil && wanted(c, "gonum") {
		contenders = append(contenders, &contender{name: "gonum", version: "gonum " + gonumVersion(), run: local(p.gonum)})
	}
	if err := interleave(ctx, contenders, c.pace); err != nil {
		return nil, err
	}
	rs := records(bc, threads, contenders)
	for i := range rs {
		rs[i].OursError, rs[i].PeerError = distances[0], distances[1]
	}
	return rs, nil
}

// agree compares the checksum of our result with the peer's.
func agree(bc benchCase, p *prepared, a answer) error {
	if p.checksum == nil {
		return nil
	}
	sum, size := p.checksum()
	if !(math.Abs(sum-a.Sum) <= bc.tol*size) || !(math.Abs(size-a.Size) <= bc.tol*size) {
		return fmt.Errorf("results differ: checksum %v of %v here, %v of %v there", sum, size, a.Sum, a.Size)
	}
	return nil
}

// local makes a timed run of a function of this process.
func local(f func() error) func(int, time.Duration) (float64, error) {
	return func(calls int, warm time.Duration) (float64, error) {
		start := time.Now()
		for {
			if err := f(); err != nil {
				return 0, err
			}
			if time.Since(start) >= warm {
				break
			}
		}
		start = time.Now()
		for range calls {
			if err := f(); err != nil {
				return 0, err
			}
		}
		return time.Since(start).Seconds(), nil
	}
}

// interleave takes the contenders in turn until each has its repetitions.
func interleave(ctx context.Context, contenders []*contender, p pace) error {
	var round float64 // seconds
	for _, c := range contenders {
		s, err := c.run(1, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		c.calls = 1 + int(p.batch.Seconds()/max(s, 1e-7))
		round += s*float64(c.calls) + max(s, p.warm.Seconds()) + p.settle.Seconds()
	}
	rounds := min(p.rounds, max(3, int(p.patience.Seconds()/round)))
	for range rounds {
		for _, c := range contenders {
			if err := ctx.Err(); err != nil {
				return errors.New("interrupted")
			}
			time.Sleep(p.settle)
			s, err := c.run(c.calls, p.warm)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.seconds = append(c.seconds, s/float64(c.calls))
		}
	}
	return nil
}

// records compares the first contender, ours, with each of the others.
func records(bc benchCase, threads int, contenders []*contender) []record {
	ours := median(contenders[0].seconds)
	base := record{Case: bc.name, Threads: threads, Ours: ours, work: bc.work, unit: bc.unit}
	if len(contenders) == 1 {
		return []record{base}
	}
	var rs []record
	for _, c := range contenders[1:] {
		r := base
		r.Peer, r.PeerVersion, r.PeerTime = c.name, c.version, median(c.seconds)
		r.Ratio = r.PeerTime / r.Ours
		rs = append(rs, r)
	}
	return rs
}

// median of at least one number; of an even count the mean of the middle two.
func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	h := len(x) / 2
	if len(x)%2 == 1 {
		return x[h]
	}
	return (x[h-1] + x[h]) / 2
}
