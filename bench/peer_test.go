package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary stand in for a Python driver: the tests start it through startPeer like any other.
func TestMain(m *testing.M) {
	if mode := os.Getenv("ECKART_FAKE_DRIVER"); mode != "" {
		fakeDriver(mode, os.Stdin, os.Stdout)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// quick measures no longer than a test needs.
var quick = pace{rounds: 3, batch: 5 * time.Millisecond, settle: time.Microsecond, patience: time.Second}

// fakeDriver answers like a driver whose calls take 2 ms each, with the misbehaviour that mode names.
func fakeDriver(mode string, in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var request struct {
			Op      string
			Threads int
			Calls   int
		}
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			fmt.Fprintf(out, "{\"error\":%q}\n", err)
			continue
		}
		switch {
		case mode == "dies":
			os.Exit(3)
		case mode == "garbage":
			fmt.Fprintln(out, `{"library": 12`)
		case mode == "fails":
			fmt.Fprintln(out, `{"error":"MemoryError: no room"}`)
		case request.Op == "setup":
			fmt.Fprintln(out, "loading kernels... done") // chatter
			fmt.Fprintf(out, "{\"library\":\"fakeblas\",\"version\":\"1.0 on %d threads\",\"sum\":6,\"size\":6}\n", request.Threads)
		case mode == "timeless":
			fmt.Fprintln(out, `{}`)
		default:
			fmt.Fprintf(out, "{\"seconds\":%v}\n", 0.002*float64(request.Calls))
		}
	}
}

func startFake(t *testing.T, mode string) *peer {
	t.Helper()
	t.Setenv("ECKART_FAKE_DRIVER", mode)
	p, err := startPeer(t.Context(), "fake", os.Args[0], "ignored.py", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func TestProtocol(t *testing.T) {
	p := startFake(t, "well")
	a, err := p.setup(map[string]any{"routine": "gemm"}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if a.Library != "fakeblas" || a.Version != "1.0 on 2 threads" || a.Sum != 6 {
		t.Errorf("setup answered %+v", a)
	}
	if s, err := p.time(50, 0); err != nil || s != 0.1 {
		t.Errorf("50 calls took %v s, %v", s, err)
	}
}

func TestProtocolFailures(t *testing.T) {
	for mode, want := range map[string]string{
		"dies":     "it ended",
		"garbage":  "unexpected end of JSON",
		"fails":    "MemoryError: no room",
		"timeless": "no time in the answer",
	} {
		p := startFake(t, mode)
		_, err := p.setup(nil, 1)
		if mode == "timeless" && err == nil {
			_, err = p.time(1, 0)
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "driver fake") {
			t.Errorf("%s: error %v, want one that names the driver and says %q", mode, err, want)
		}
	}
}

func TestPeerEnvironment(t *testing.T) {
	got := peerEnvironment([]string{"HOME=/root", "OPENBLAS_CORETYPE=Prescott", "OPENBLAS_L2_SIZE=1", "OMP_NUM_THREADS=1", "PATH=/bin"})
	if want := []string{"HOME=/root", "PATH=/bin"}; !slices.Equal(got, want) {
		t.Errorf("environment %v, want %v", got, want)
	}
}

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		x    []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{5, 1, 3}, 3}, {[]float64{4, 100, 1, 2}, 3}} {
		before := slices.Clone(tc.x)
		if got := median(tc.x); got != tc.want || !slices.Equal(tc.x, before) {
			t.Errorf("median of %v is %v, want %v (and left %v)", before, got, tc.want, tc.x)
		}
	}
}

func TestInterleave(t *testing.T) {
	var order []string
	timed := func(name string, perCall float64) *contender {
		return &contender{name: name, run: func(calls int, _ time.Duration) (float64, error) {
			order = append(order, name)
			return perCall * float64(calls), nil
		}}
	}
	a, b := timed("a", 0.002), timed("b", 0.004)
	if err := interleave(t.Context(), []*contender{a, b}, quick); err != nil {
		t.Fatal(err)
	}
	if want := strings.Fields("a b a b a b a b"); !slices.Equal(order, want) { // the first pair calibrates
		t.Errorf("order %v, want %v", order, want)
	}
	if a.calls != 3 || b.calls != 2 { // at least 5 ms a repetition
		t.Errorf("calls a repetition: %d and %d, want 3 and 2", a.calls, b.calls)
	}
	for _, c := range []*contender{a, b} {
		if len(c.seconds) != 3 {
			t.Errorf("%s has %d repetitions, want 3", c.name, len(c.seconds))
		}
	}
	if got := records(benchCase{name: "x"}, 1, []*contender{a, b})[0]; got.Ratio < 1.999 || got.Ratio > 2.001 {
		t.Errorf("ratio %v, want 2", got.Ratio)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := interleave(ctx, []*contender{a}, quick); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("a cancelled run ends with %v", err)
	}
}

// fakeCases is a suite of one case that takes 1 ms here and 2 ms at the fake driver.
func fakeCases(sum float64) []benchCase {
	sleep := func(d time.Duration) func() error { return func() error { time.Sleep(d); return nil } }
	return []benchCase{{
		name: "nap", work: 1e6, unit: "flop", tol: 1e-9, peer: "fake",
		prepare: func() (*prepared, error) {
			return &prepared{ours: sleep(time.Millisecond), gonum: sleep(3 * time.Millisecond),
				checksum: func() (float64, float64) { return sum, 6 }}, nil
		},
	}}
}

func TestRecords(t *testing.T) {
	set := &peerSet{running: map[string]*peer{"fake": startFake(t, "well")}}
	rs, err := measure(t.Context(), fakeCases(6)[0], 2, config{pace: quick}, set)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	print := jsonPrinter(&out)
	for _, r := range rs {
		r.Suite = "gemm"
		if err := print(r); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d records, want one for the driver and one for gonum:\n%s", len(lines), out.String())
	}
	for i, peer := range []string{"fakeblas", "gonum"} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		want := []string{"case", "ours_s", "peer", "peer_s", "peer_version", "ratio", "suite", "threads"}
		if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, want) {
			t.Errorf("fields %v, want %v", keys, want)
		}
		if got["suite"] != "gemm" || got["case"] != "nap" || got["threads"] != 2.0 || got["peer"] != peer {
			t.Errorf("record %v", got)
		}
		ours, theirs, ratio := got["ours_s"].(float64), got["peer_s"].(float64), got["ratio"].(float64)
		if !(ours >= 0.001) || theirs < 0.002 || !(ratio-theirs/ours < 1e-4 && theirs/ours-ratio < 1e-4) {
			t.Errorf("%v s here, %v s there, ratio %v", ours, theirs, ratio)
		}
	}
}

func TestDifferentResultsAreAnError(t *testing.T) {
	set := &peerSet{running: map[string]*peer{"fake": startFake(t, "well")}}
	_, err := measure(t.Context(), fakeCases(5.9)[0], 1, config{pace: quick}, set)
	if err == nil || !strings.Contains(err.Error(), "results differ") {
		t.Errorf("error %v, want one that says the results differ", err)
	}
}

func TestWithoutPython(t *testing.T) {
	t.Setenv("ECKART_PEERS", filepath.Join(t.TempDir(), "none"))
	var stdout, stderr bytes.Buffer
	print := tablePrinter(&stdout)
	if err := runSuite(t.Context(), "gemm", fakeCases(0), config{threads: []int{1}, pace: quick}, print, &stderr); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stderr.String(), "no Python peers") || !strings.Contains(stderr.String(), "setup.sh") {
		t.Errorf("standard error does not say what is missing and how to get it: %s", &stderr)
	}
	if n := strings.Count(stdout.String(), "gonum"); n != 1 {
		t.Errorf("table has %d gonum lines, want 1:\n%s", n, &stdout)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"--suite", "gem"}, {"--suite", "gemm", "--threads", "0"}, {"--suite", "gemm", "--threads", "1,x"}, {"--nonsense"}} {
		err := run(t.Context(), args, io.Discard, io.Discard)
		if _, ok := err.(usageError); !ok {
			t.Errorf("%v: error %v, want a usage error", args, err)
		}
	}
	err := run(t.Context(), []string{"--suite", "train"}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no cases yet") {
		t.Errorf("a suite without cases: %v", err)
	}
}

// TestGemmCasesAgree runs small versions of every routine of the gemm suite here and, where the peers' environment is, in
// the real driver, which checks shapes, transposes and triangles on both sides.
func TestGemmCasesAgree(t *testing.T) {
	set := &peerSet{running: map[string]*peer{}}
	if os.Getenv("ECKART_PEERS") != "" {
		python, err := findPython()
		if err != nil {
			t.Fatal(err)
		}
		folder, err := writeDrivers()
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(folder)
		p, err := startPeer(t.Context(), "blas", python, filepath.Join(folder, "blas_peer.py"), os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		set.running["blas"] = p
	}
	for _, bc := range smallProducts() {
		rs, err := measure(t.Context(), bc, 1, config{pace: quick}, set)
		if err != nil {
			t.Errorf("%s: %v", bc.name, err)
		} else if len(rs) != 1+len(set.running) {
			t.Errorf("%s: %d records", bc.name, len(rs))
		}
	}
}

func smallProducts() []benchCase {
	var cases []benchCase
	for _, p := range []product{
		{"gemm", 'N', 'N', 17, 5, 9}, {"gemm", 'N', 'T', 17, 5, 9}, {"gemm", 'T', 'N', 17, 5, 9}, {"gemm", 'T', 'T', 17, 5, 9},
		{"gemv", 'N', 'N', 12, 12, 1}, {"gemv", 'T', 'N', 12, 12, 1}, {"syrk", 'T', 'N', 6, 6, 11}, {"trsm", 'N', 'N', 10, 10, 10},
	} {
		name := fmt.Sprintf("%s %c%c", p.routine, p.tA, p.tB)
		cases = append(cases, productCase[float32]("S"+name, "float32", p, 1), productCase[float64]("D"+name, "float64", p, 1))
	}
	return cases
}
