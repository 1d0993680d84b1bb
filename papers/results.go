package papers

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/eckart-go/eckart/internal/replace"
)

// A folder of results holds verdicts, PAPER.verdict.json, the lines of the benchmark, SUITE.bench.jsonl, and what
// bench/peers/agree.py printed, NAME.agree.json.
const (
	verdictSuffix = ".verdict.json"
	benchSuffix   = ".bench.jsonl"
	agreeSuffix   = ".agree.json"
)

// SaveVerdict writes v into a folder of results, in the place of an earlier one of the same paper.
func SaveVerdict(folder string, v *Verdict) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("papers: %w", err)
	}
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("papers: verdict of %s: %w", v.Paper, err)
	}
	return replace.File(filepath.Join(folder, v.Paper+verdictSuffix), func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
}

// benchLine is one line of the benchmark's output.
type benchLine struct {
	Suite       string  `json:"suite"`
	Case        string  `json:"case"`
	Threads     int     `json:"threads"`
	Peer        string  `json:"peer"`
	PeerVersion string  `json:"peer_version"`
	Ours        float64 `json:"ours_s"`
	Theirs      float64 `json:"peer_s"`
	Ratio       float64 `json:"ratio"`
	OursPeak    int64   `json:"ours_peak_bytes"` // 0 where not measured
	TheirPeak   int64   `json:"peer_peak_bytes"`
}

// WriteResults writes a page in Markdown with everything in a folder of results.
func WriteResults(w io.Writer, folder string) error {
	verdicts, err := readVerdicts(folder)
	if err != nil {
		return err
	}
	suites, err := readBenchmarks(folder)
	if err != nil {
		return err
	}
	agreements, err := readAgreements(folder)
	if err != nil {
		return err
	}
	if len(verdicts)+len(suites)+len(agreements) == 0 {
		return fmt.Errorf("papers: %s has no results: no *%s, *%s or *%s", folder, verdictSuffix, benchSuffix, agreeSuffix)
	}
	out := &page{w: bufio.NewWriter(w)}
	out.printf("# Results\n\nMade by `eckart reproduce ... --results %s` from the verdicts and benchmarks in that folder; not edited by hand.\n", filepath.Base(folder))
	out.printf("Ratios are the peer's time divided by ours: above 1, Eckart is faster. Both ran in turn, on the same machine; times are medians.\n")
	for _, v := range verdicts {
		out.verdict(v)
	}
	for _, a := range agreements {
		out.agreement(a)
	}
	for _, s := range suites {
		out.suite(s)
	}
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

func readVerdicts(folder string) ([]*Verdict, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*"+verdictSuffix)) // sorted
	if err != nil {
		return nil, fmt.Errorf("papers: %w", err)
	}
	var verdicts []*Verdict
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("papers: %w", err)
		}
		v := new(Verdict)
		if err := json.Unmarshal(data, v); err != nil {
			return nil, fmt.Errorf("papers: %s: %w", file, err)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

// readBenchmarks returns the lines of each file.
func readBenchmarks(folder string) ([][]benchLine, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*"+benchSuffix))
	if err != nil {
		return nil, fmt.Errorf("papers: %w", err)
	}
	var suites [][]benchLine
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("papers: %w", err)
		}
		var lines []benchLine
		dec := json.NewDecoder(f)
		for {
			var l benchLine
			if err = dec.Decode(&l); err != nil {
				break
			}
			lines = append(lines, l)
		}
		f.Close()
		if !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("papers: %s, line %d: %w", file, len(lines)+1, err)
		}
		if len(lines) > 0 {
			suites = append(suites, lines)
		}
	}
	return suites, nil
}

// agreement is what agree.py found: perplexities by Eckart and by PyTorch.
type agreement struct {
	Tolerance  float64 `json:"tolerance"`
	Perplexity map[string]struct {
		Eckart float64 `json:"eckart"`
		Torch  float64 `json:"torch"`
		Ratio  float64 `json:"ratio"`
	} `json:"perplexity"`
}

func readAgreements(folder string) ([]agreement, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*"+agreeSuffix))
	if err != nil {
		return nil, fmt.Errorf("papers: %w", err)
	}
	var all []agreement
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("papers: %w", err)
		}
		var a agreement
		if err := json.Unmarshal(data, &a); err != nil {
			return nil, fmt.Errorf("papers: %s: %w", file, err)
		}
		all = append(all, a)
	}
	return all, nil
}

// page writes Markdown and keeps the first error.
type page struct {
	w   *bufio.Writer
	err error
}

func (p *page) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// table writes a Markdown table.
func (p *page) table(columns []string, rows [][]string) {
	p.printf("\n")
	for i, row := range append([][]string{columns}, rows...) {
		cells := make([]string, len(columns))
		for j := range cells {
			if j < len(row) {
				cells[j] = strings.ReplaceAll(row[j], "|", `\|`)
			}
		}
		p.printf("| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			p.printf("|%s\n", strings.Repeat(" --- |", len(columns)))
		}
	}
}

func (p *page) verdict(v *Verdict) {
	title, claim := v.Paper, ""
	if paper, err := Lookup(v.Paper); err == nil {
		title, claim = paper.Title, paper.Claim
	}
	p.printf("\n## %s\n\n", title)
	if claim != "" {
		p.printf("Claim: %s.\n", claim)
	}
	p.printf("**It %s.** (`eckart reproduce %s`, %.0f s)\n", v.Outcome, v.Paper, v.Seconds)
	var rows [][]string
	for _, c := range v.Checks {
		mark := "no"
		if c.OK {
			mark = "yes"
		}
		rows = append(rows, []string{c.Claim, c.Expected, c.Found, mark})
	}
	p.table([]string{"statement", "expected", "found", "holds"}, rows)
	for _, t := range v.Tables {
		p.printf("\n%s:\n", t.Title)
		p.table(t.Columns, t.Rows)
	}
	var settings []string
	for key, value := range v.Settings {
		settings = append(settings, key+": "+value)
	}
	slices.Sort(settings)
	p.printf("\nSettings: %s.\n", strings.Join(settings, "; "))
	for _, note := range v.Notes {
		p.printf("\n- %s\n", note)
	}
}

func (p *page) agreement(a agreement) {
	p.printf("\n## The same from PyTorch\n\nPerplexities of compressed models by `eckart compare` and by a re-implementation in PyTorch, on the same token ids\n(`bench/peers/agree.py`). They agree when the ratio is within %g of 1.\n", a.Tolerance)
	var rows [][]string
	for _, method := range slices.Sorted(maps.Keys(a.Perplexity)) {
		r := a.Perplexity[method]
		mark := "no"
		if math.Abs(r.Ratio-1) <= a.Tolerance {
			mark = "yes"
		}
		rows = append(rows, []string{method, fmt.Sprintf("%.6g", r.Eckart), fmt.Sprintf("%.6g", r.Torch), fmt.Sprintf("%.5f", r.Ratio), mark})
	}
	p.table([]string{"method", "Eckart", "PyTorch", "ratio", "agree"}, rows)
}

func (p *page) suite(lines []benchLine) {
	p.printf("\n## Benchmark: %s\n\n`go run ./bench --suite %s --json`\n", lines[0].Suite, lines[0].Suite)
	var rows [][]string
	header := []string{"case", "threads", "ours", "peer's", "peer", "ratio"}
	peaks := slices.ContainsFunc(lines, func(l benchLine) bool { return l.OursPeak > 0 })
	if peaks {
		header = append(header, "our peak memory", "peer's")
	}
	for _, l := range lines {
		theirs, ratio := "", ""
		if l.Theirs > 0 {
			theirs, ratio = seconds(l.Theirs), fmt.Sprintf("%.2f", l.Ratio)
		}
		rows = append(rows, []string{l.Case, fmt.Sprint(l.Threads), seconds(l.Ours), theirs, strings.TrimSpace(l.Peer + " " + l.PeerVersion), ratio})
		if peaks {
			last := len(rows) - 1
			rows[last] = append(rows[last], megabytes(l.OursPeak), megabytes(l.TheirPeak))
		}
	}
	p.table(header, rows)
}

func megabytes(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%d MB", bytes>>20)
}

// seconds writes a time with three digits and a fitting unit.
func seconds(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.3g µs", 1e6*s)
	case s < 1:
		return fmt.Sprintf("%.3g ms", 1e3*s)
	}
	return fmt.Sprintf("%.3g s", s)
}
