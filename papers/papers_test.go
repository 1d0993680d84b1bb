package papers

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bench is small enough for a test: the quickstart's model on its own stories.
func bench(t *testing.T) *Bench {
	t.Helper()
	return &Bench{
		Model: "../quickstart/data/stories260K.bin", Prose: "../quickstart/data/calibration.txt", Other: "../quickstart/data/heldout.txt",
		Code: "..", Cache: t.TempDir(), Windows: 6, Length: 64, Seed: 3,
	}
}

// The experiments run end to end and print what they measure; on this model the numbers are another matter.
func TestExperimentsRun(t *testing.T) {
	for _, p := range Catalogue() {
		v, err := p.Run(context.Background(), bench(t))
		if err != nil {
			t.Fatalf("%s: %v", p.ID, err)
		}
		if v.Paper != p.ID || len(v.Checks) < 5 || len(v.Tables) < 2 || v.Seconds <= 0 {
			t.Errorf("%s: verdict %+v", p.ID, v)
		}
		for _, table := range v.Tables {
			for _, row := range table.Rows {
				if len(row) != len(table.Columns) {
					t.Errorf("%s: %s: row %q for columns %q", p.ID, table.Title, row, table.Columns)
				}
			}
		}
		if p.ID == svdBaselinesID || p.ID == sketchingCoreID {
			continue // compress, sketch, lowrank and leastsquares have tests that runs repeat to the bit
		}
		again, err := p.Run(context.Background(), bench(t))
		if err != nil {
			t.Fatal(err)
		}
		withoutTimes(v)
		withoutTimes(again)
		if diff := cmp.Diff(v.Tables, again.Tables); diff != "" {
			t.Errorf("%s: a second run found something else: %s", p.ID, diff)
		}
	}
}

// withoutTimes removes columns that hold times or rates.
func withoutTimes(v *Verdict) {
	for i, table := range v.Tables {
		for j, name := range table.Columns {
			if strings.Contains(name, "second") || strings.Contains(name, "/s") {
				for k := range table.Rows {
					v.Tables[i].Rows[k][j] = ""
				}
			}
		}
	}
}

func TestOutcomeFollowsChecks(t *testing.T) {
	for _, tc := range []struct {
		passed []bool
		want   Outcome
	}{{[]bool{true, true}, Holds}, {[]bool{true, false}, HoldsInPart}, {[]bool{false, false}, DoesNotHold}} {
		v := &Verdict{}
		for _, ok := range tc.passed {
			v.check(ok, "claim", "expected", "found %d", 1)
		}
		v.judge()
		if v.Outcome != tc.want {
			t.Errorf("%v: %q, want %q", tc.passed, v.Outcome, tc.want)
		}
	}
}

func TestBenchNamesWhatIsMissing(t *testing.T) {
	b := bench(t)
	b.Prose = ""
	if _, err := svdBaselines.Run(context.Background(), b); err == nil || !strings.Contains(err.Error(), "calibration text") {
		t.Errorf("no calibration text: %v", err)
	}
	b = bench(t)
	b.Other = b.Prose
	if _, err := svdBaselines.Run(context.Background(), b); err == nil || !strings.Contains(err.Error(), "both calibration and held-out") {
		t.Errorf("one text for both: %v", err)
	}
	if _, err := Lookup("nothing"); err == nil || !strings.Contains(err.Error(), "lord") {
		t.Errorf("unknown paper: %v", err)
	}
}

func TestResultsPage(t *testing.T) {
	dir := t.TempDir()
	v := &Verdict{Paper: "lord", Settings: map[string]string{"model": "m"}, Tables: []Table{{Title: "Numbers", Columns: []string{"a", "b"}, Rows: [][]string{{"1", "x|y"}}}}, Notes: []string{"a note"}}
	v.check(true, "claim", "at least 1", "%d", 2)
	v.judge()
	if err := SaveVerdict(dir, v); err != nil {
		t.Fatal(err)
	}
	lines := `{"suite":"gemm","case":"Sgemm n=512","threads":2,"peer":"openblas","peer_version":"0.3","ours_s":0.002,"peer_s":0.003,"ratio":1.5}
{"suite":"gemm","case":"Sgemm n=64","threads":1,"ours_s":0.0000021}
`
	if err := os.WriteFile(filepath.Join(dir, "gemm.bench.jsonl"), []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	agree := `{"tolerance": 0.01, "agree": false, "perplexity": {"svd": {"eckart": 100, "torch": 90, "ratio": 1.1111}, "dense": {"eckart": 38.5, "torch": 38.5, "ratio": 1}}}`
	if err := os.WriteFile(filepath.Join(dir, "svd.agree.json"), []byte(agree), 0o644); err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := WriteResults(&page, dir); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"**It holds.**", "| claim | at least 1 | 2 | yes |", `| 1 | x\|y |`, "- a note", "| Sgemm n=512 | 2 | 2 ms | 3 ms | openblas 0.3 | 1.50 |", "| Sgemm n=64 | 1 | 2.1 µs |  |  |  |",
		"| dense | 38.5 | 38.5 | 1.00000 | yes |", "| svd | 100 | 90 | 1.11110 | no |"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, page.String())
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.bench.jsonl"), []byte("{\"suite\": \"x\"}\nnonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteResults(&page, dir); err == nil || !strings.Contains(err.Error(), "bad.bench.jsonl, line 2") {
		t.Errorf("a damaged file: %v", err)
	}
	if err := WriteResults(&page, t.TempDir()); err == nil {
		t.Error("an empty folder made a page")
	}
}

func TestCatalogueIsComplete(t *testing.T) {
	var ids []string
	for _, p := range Catalogue() {
		ids = append(ids, p.ID)
		if p.Title == "" || len(p.Sources) == 0 || p.Package == "" || p.Claim == "" || len(p.Baselines) == 0 || p.Run == nil {
			t.Errorf("%s: incomplete", p.ID)
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != len(Catalogue()) {
		t.Errorf("IDs %v", ids)
	}
}
