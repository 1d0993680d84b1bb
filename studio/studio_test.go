package studio_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eckart-go/eckart/compare"
	"github.com/eckart-go/eckart/compress"
	"github.com/eckart-go/eckart/lowrank"
	"github.com/eckart-go/eckart/studio"
)

// report makes a compression of blocks blocks with known numbers: every layer's error is ratio times the least possible.
func report(method, budget string, blocks, rank int, ratio float64) *compress.Report {
	r := &compress.Report{
		Model: "tiny", Method: method, Share: "uniform", Budget: budget, Target: "eckart", Type: "f32",
		Calibration: compress.Reading{Text: "book.txt", Sequences: 4, Length: 16, Tokens: 64, Seed: 7, Fingerprint: "abc"},
		Before:      compress.Size{Params: 10000, Bytes: 40000, MulAdds: 9000}, After: compress.Size{Params: 8000, Bytes: 32000, MulAdds: 7000},
		Keep: 0.8, WeightedError: 0.1 * ratio, OptimumError: 0.1, Loads: []string{"loads in eckart"}, Seconds: map[string]float64{"fit": 2, "write": 1},
	}
	for b := range blocks {
		for _, kind := range []string{"self_attn.q_proj", "mlp.up_proj"} {
			l := compress.Layer{Name: fmt.Sprintf("model.layers.%d.%s", b, kind), M: 32, N: 32, Certificate: lowrank.Certificate{
				Rank: rank, Weighted: 0.1 * ratio * float64(b+1), Optimum: 0.1 * float64(b+1), WeightedNorm: float64(blocks), Frobenius: 1,
				FrobeniusNorm: 10, Params: int64(rank * 64), Condition: 1e4, GramRank: 31,
			}}
			for i := range 32 {
				l.Spectrum = append(l.Spectrum, math.Exp(-float64(i)/8))
			}
			r.Layers = append(r.Layers, l)
		}
	}
	r.Layers[1].Certificate = lowrank.Certificate{} // left dense
	return r
}

// table compares methods of two budgets.
func table(blocks int, methods ...string) *compare.Table {
	t := &compare.Table{Model: "tiny", Protocol: "blocks of 16 tokens", Data: "test.txt", Tokens: 300, Baseline: 6.5, BaselineErr: 0.2, Params: 10000, Bytes: 40000}
	for i, method := range methods {
		for j, budget := range []string{"0.9", "0.7"} {
			r := report(method, budget, blocks, 12-4*j, 1+0.2*float64(i))
			t.Runs = append(t.Runs, compare.Row{
				Method: method, Budget: budget, Keep: 0.9 - 0.2*float64(j), Params: int64(9000 - 1500*j), Bytes: int64(36000 - 6000*j), MulAdds: 7000,
				Perplexity: 8 + float64(i) + 20*float64(j), StdErr: 0.3, WeightedError: r.WeightedError, OptimumError: 0.1, Seconds: 3, PeakBytes: 1 << 20, Report: r,
			})
		}
	}
	return t
}

func page(t *testing.T, r studio.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := studio.Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The page is well formed: every element is closed, ids are unique, and what refers to an id finds it.
func TestPageIsWellFormed(t *testing.T) {
	for name, r := range reports() {
		html := page(t, r)
		d := xml.NewDecoder(strings.NewReader(html))
		ids, refs := map[string]bool{}, []string{}
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			start, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			if start.Name.Local == "script" || start.Name.Local == "link" || start.Name.Local == "img" {
				t.Errorf("%s: the page has a <%s>", name, start.Name.Local)
			}
			for _, a := range start.Attr {
				switch {
				case a.Name.Local == "id" && ids[a.Value]:
					t.Errorf("%s: id %q is there twice", name, a.Value)
				case a.Name.Local == "id":
					ids[a.Value] = true
				case a.Name.Local == "aria-labelledby":
					refs = append(refs, strings.Fields(a.Value)...)
				case strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "src" || a.Name.Local == "href":
					t.Errorf("%s: <%s %s=%q>", name, start.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
		for _, ref := range refs {
			if !ids[ref] {
				t.Errorf("%s: nothing has the id %q", name, ref)
			}
		}
	}
}

func reports() map[string]studio.Report {
	noPerplexity := table(1, "svd")
	noPerplexity.Baseline = 0
	for i := range noPerplexity.Runs {
		noPerplexity.Runs[i].Perplexity, noPerplexity.Runs[i].StdErr = 0, 0
	}
	infinite := table(3, "svd", "svdllm")
	infinite.Runs[0].Perplexity, infinite.Runs[1].Perplexity, infinite.Runs[2].StdErr = math.Inf(1), math.NaN(), math.NaN()
	bare := table(2, "svd")
	for i := range bare.Runs {
		bare.Runs[i].Report = nil
	}
	single := table(4, "svd")
	single.Runs = single.Runs[:1]
	return map[string]studio.Report{
		"two methods": {Title: "A title", Table: table(5, "svd", "svdllm"), Samples: []studio.Sample{{"dense", "Once", " upon a time"}}},
		"ten methods": {Table: table(30, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j")},
		"one block":   {Table: noPerplexity},
		"not finite":  {Table: infinite},
		"no layers":   {Table: bare},
		"one run":     {Table: single},
		"of a run":    studio.OfRun(report("svdllm", "0.8", 3, 8, 1)),
		"no runs":     {Table: &compare.Table{Model: "m"}},
	}
}

// Equal reports give equal bytes.
func TestPageIsDeterministic(t *testing.T) {
	for name := range reports() {
		first := page(t, reports()[name])
		for range 3 {
			if page(t, reports()[name]) != first {
				t.Errorf("%s: two pages differ", name)
			}
		}
	}
}

// The page says what the report says: totals, certificates, where to load it, how it was calibrated.
func TestPageHoldsTheReport(t *testing.T) {
	html := page(t, reports()["two methods"])
	for _, want := range []string{
		"A title", "8.000 ± 0.300", "× 1.23", "6.500 ± 0.200", "9\u202f000", "blocks of 16 tokens", "test.txt", "book.txt", "4 of 16 tokens", "seed 7",
		"model.layers.4.mlp.up_proj", "31 of 32", "1.0e&#43;04", "loads in eckart", "Once", " upon a time", "least possible", "block 2",
		"svdllm at 0.7, block 3 up_proj: rank 8, error 0.0960, least possible 0.0800",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
}

// Names come from files and may be hostile.
func TestHostileNamesAreEscaped(t *testing.T) {
	const evil = `</title></svg><script>alert("1")</script><b x='"&` + "\x00\x1b\xff"
	r := studio.Report{Title: evil, Table: table(2, evil, "svd"), Samples: []studio.Sample{{evil, evil, evil}}}
	r.Table.Model, r.Table.Data, r.Table.Protocol = evil, evil, evil
	for i := range r.Table.Runs {
		row := &r.Table.Runs[i]
		row.Budget += evil
		row.Report.Loads, row.Report.Share, row.Report.Calibration.Text = []string{evil}, evil, evil
		for j := range row.Report.Layers {
			row.Report.Layers[j].Name += "." + evil
		}
	}
	html := page(t, r)
	if strings.Contains(html, "<script") || strings.Contains(html, "<b x") {
		t.Error("a name became an element")
	}
	var b bytes.Buffer
	if err := studio.WritePicture(&b, r.Table); err != nil {
		t.Fatal(err)
	}
	parseXML(t, b.Bytes())
	for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(html, -1) {
		parseXML(t, []byte(svg))
	}
}

func parseXML(t *testing.T, data []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// The picture stands alone: XML with its own namespace and style, with nothing fetched.
func TestPictureStandsAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "picture.svg")
	if err := studio.SavePicture(path, table(3, "svd", "svdllm")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parseXML(t, data)
	for _, want := range []string{`xmlns="http://www.w3.org/2000/svg"`, "prefers-color-scheme", "svdllm", "dense"} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("the picture does not hold %q", want)
		}
	}
	if urls := regexp.MustCompile(`https?://[^"]*|url\(`).FindAll(data, -1); len(urls) != 1 {
		t.Errorf("the picture refers to %s", urls)
	}
	if err := studio.SavePicture(path, reports()["one block"].Table); err == nil {
		t.Error("a picture without perplexities was written")
	}
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, data) {
		t.Errorf("the failure changed the file: %v", err)
	}
}

// No coordinate is NaN or infinite, whatever was measured.
func TestNoCoordinateIsNotANumber(t *testing.T) {
	for name, r := range reports() {
		for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page(t, r), -1) {
			shapes := regexp.MustCompile(` (?:d|x|y|cx|cy|r)="[^"]*"`).FindAllString(svg, -1)
			if len(shapes) == 0 {
				t.Errorf("%s: a plot without shapes", name)
			}
			for _, s := range shapes {
				if strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
					t.Errorf("%s: %s", name, s)
				}
			}
		}
	}
}

// A failing writer's error comes back.
func TestWriteErrors(t *testing.T) {
	broken := errors.New("disk full")
	if err := studio.Write(failing{broken}, reports()["two methods"]); !errors.Is(err, broken) {
		t.Errorf("Write: %v", err)
	}
	if err := studio.WritePicture(failing{broken}, table(2, "svd")); !errors.Is(err, broken) {
		t.Errorf("WritePicture: %v", err)
	}
	if err := studio.Write(io.Discard, studio.Report{}); err == nil {
		t.Error("a report without a table was written")
	}
	if err := studio.Save(filepath.Join(t.TempDir(), "absent", "r.html"), reports()["one run"]); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("Save into a folder that is not there: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
