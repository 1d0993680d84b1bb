package studio

import (
	"fmt"
	"html/template"
	"math"
	"path/filepath"
	"slices"

	"github.com/eckart-go/eckart/compare"
	"github.com/eckart-go/eckart/compress"
)

// page is what the template shows. Text is escaped by the template; template.HTML is SVG that package studio wrote, with
// everything from outside escaped on the way.
type page struct {
	Title, Subtitle string
	Style           template.CSS
	Cards           []card
	Summary         grid
	Perplexity      []template.HTML
	Errors, Spectra []group
	Certificates    []certificates
	Samples         []Sample
	Loads           []loads
	Calibration     []fact
}

type card struct{ Label, Value, Note string }

type grid struct {
	Head []string
	Rows [][]string
}

type group struct {
	Name   string
	Legend []swatch
	Charts []figure
}

type figure struct {
	Caption string
	SVG     template.HTML
}

type swatch struct {
	Name string
	SVG  template.HTML
}

type certificates struct {
	Name string
	grid
}

type loads struct {
	For   string
	Lines []string
}

type fact struct{ Name, Value string }

// newPage turns a report into what the template shows.
func newPage(r Report) page {
	t := r.Table
	p := page{Title: r.Title, Style: template.CSS(paletteStyle + chartStyle + pageStyle), Samples: r.Samples}
	if p.Title == "" {
		p.Title = "Compression of " + filepath.Base(t.Model)
	}
	p.Subtitle = fmt.Sprintf("%s: %s parameters, %s", t.Model, count(t.Params), size(t.Bytes))
	p.Cards = cards(t)
	p.Summary = summary(t)
	for _, q := range []quantity{bytesOf, paramsOf} {
		if c, ok := perplexityChart(t, "perplexity-"+q.id, q); ok {
			p.Perplexity = append(p.Perplexity, template.HTML(c.svg()))
		}
	}
	p.Errors = drawn(errorPanels(t))
	p.Spectra = drawn(spectrumPanels(t))
	for _, row := range t.Runs {
		if row.Report != nil && len(row.Report.Layers) > 0 {
			p.Certificates = append(p.Certificates, certificates{row.Method + " at " + row.Budget, certificateGrid(row.Report)})
		}
	}
	p.Loads = loadsOf(t)
	p.Calibration = calibration(t)
	return p
}

// drawn draws the panels.
func drawn(all []panels) []group {
	var out []group
	for _, ps := range all {
		g := group{Name: ps.name}
		for _, s := range ps.legend {
			g.Legend = append(g.Legend, swatch{s.name, template.HTML(s.swatch())})
		}
		for _, c := range ps.charts {
			g.Charts = append(g.Charts, figure{c.title, template.HTML(c.svg())})
		}
		out = append(out, g)
	}
	return out
}

// swatch draws the sign of a series for a legend outside of its charts.
func (s series) swatch() string {
	var d drawing
	d.open("svg", attr{"class", "swatch " + s.class()}, attr{"viewBox", "0 0 26 14"}, attr{"aria-hidden", "true"})
	if s.filled {
		d.empty("path", "", attr{"class", "area"}, attr{"d", "M2 4h22v10h-22z"})
		d.empty("path", "", attr{"class", s.line}, attr{"d", "M2 4h22"})
	} else if s.line != "" {
		d.empty("path", "", attr{"class", s.line}, attr{"d", "M2 7h22"})
	}
	s.marker.draw(&d, 13, 7, "")
	d.close("svg")
	return d.b.String()
}

// cards sums up: the dense model, and the best method at each budget.
func cards(t *compare.Table) []card {
	var out []card
	if t.Baseline != 0 {
		out = append(out, card{"dense model", perplexity(t.Baseline, 0), "perplexity, " + size(t.Bytes)})
	}
	for _, b := range budgets(t.Runs) {
		var best *compare.Row
		for i := range t.Runs {
			if r := &t.Runs[i]; r.Budget == b && (best == nil || better(r, best)) {
				best = r
			}
		}
		note := fmt.Sprintf("%s, %s of the bytes", best.Method, percent(float64(best.Bytes), float64(t.Bytes)))
		if best.Perplexity == 0 {
			out = append(out, card{"layer error at budget " + b, errorOf(best.WeightedError), note})
			continue
		}
		out = append(out, card{"best at budget " + b, perplexity(best.Perplexity, 0), note})
	}
	return out
}

// better compares by perplexity if it was measured, by the layers' errors if not.
func better(a, b *compare.Row) bool {
	if a.Perplexity != 0 || b.Perplexity != 0 {
		return a.Perplexity < b.Perplexity
	}
	return a.WeightedError < b.WeightedError
}

// summary is the table of all runs, the dense model first.
func summary(t *compare.Table) grid {
	held := slices.ContainsFunc(t.Runs, func(r compare.Row) bool { return r.HeldOutError > 0 })
	g := grid{Head: []string{"method", "budget", "parameters", "", "bytes", "", "multiply-adds a token", "perplexity", "of dense", "layer error", "least possible"}}
	dense := []string{"dense", "", count(t.Params), "", size(t.Bytes), "", denseMulAdds(t), perplexity(t.Baseline, t.BaselineErr), "", "", ""}
	if held {
		g.Head, dense = append(g.Head, "on held-out text"), append(dense, "")
	}
	g.Head, dense = append(g.Head, "time", "peak memory"), append(dense, "", "")
	g.Rows = append(g.Rows, dense)
	for _, r := range t.Runs {
		ratio := ""
		if measured(r.Perplexity) && measured(t.Baseline) {
			ratio = fmt.Sprintf("× %.3g", r.Perplexity/t.Baseline)
		}
		row := []string{r.Method, r.Budget, count(r.Params), percent(float64(r.Params), float64(t.Params)), size(r.Bytes), percent(float64(r.Bytes), float64(t.Bytes)),
			count(r.MulAdds), perplexity(r.Perplexity, r.StdErr), ratio, errorOf(r.WeightedError), errorOf(r.OptimumError)}
		if held {
			row = append(row, errorOf(r.HeldOutError))
		}
		g.Rows = append(g.Rows, append(row, seconds(r.Seconds), size(r.PeakBytes)))
	}
	return g
}

// denseMulAdds is the work of the dense model, if a run's report tells.
func denseMulAdds(t *compare.Table) string {
	for _, r := range t.Runs {
		if r.Report != nil {
			return count(r.Report.Before.MulAdds)
		}
	}
	return ""
}

// certificateGrid lists every layer of a run.
func certificateGrid(r *compress.Report) grid {
	g := grid{Head: []string{"layer", "shape", "rank", "error", "least possible", "ratio", "of the weights", "parameters", "condition", "directions of the inputs"}}
	for _, l := range r.Layers {
		shape := fmt.Sprintf("%d × %d", l.M, l.N)
		if l.Dense() {
			g.Rows = append(g.Rows, []string{l.Name, shape, "dense", "", "", "", "", count(int64(l.M) * int64(l.N)), "", ""})
			continue
		}
		row := []string{l.Name, shape, fmt.Sprint(l.Rank), relative(l.Weighted, l.WeightedNorm), relative(l.Optimum, l.WeightedNorm), overOptimum(l),
			relative(l.Frobenius, l.FrobeniusNorm), count(l.Params), "", ""}
		if l.LowerBound {
			row[4] = "≥ " + row[4]
		}
		if l.Condition > 0 {
			row[8] = fmt.Sprintf("%.1e", l.Condition)
		}
		if l.GramRank > 0 {
			row[9] = fmt.Sprintf("%d of %d", l.GramRank, l.N)
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

func relative(v, norm float64) string {
	if !(norm > 0) {
		return ""
	}
	return errorOf(v / norm)
}

// overOptimum writes how far a layer's error is above the least possible.
func overOptimum(l compress.Layer) string {
	if !(l.Optimum > 0) || math.IsInf(l.Weighted, 0) {
		return ""
	}
	return fmt.Sprintf("%.3f", l.Weighted/l.Optimum)
}

// loadsOf says what each output can be used with; runs that say the same share a paragraph.
func loadsOf(t *compare.Table) []loads {
	var out []loads
	for _, r := range t.Runs {
		if r.Report == nil || len(r.Report.Loads) == 0 {
			continue
		}
		name := r.Method + " at " + r.Budget
		i := slices.IndexFunc(out, func(l loads) bool { return slices.Equal(l.Lines, r.Report.Loads) })
		if i >= 0 {
			out[i].For += ", " + name
			continue
		}
		out = append(out, loads{name, r.Report.Loads})
	}
	return out
}

// calibration says what was fitted to what, and what was measured how.
func calibration(t *compare.Table) []fact {
	var out []fact
	add := func(name, format string, args ...any) { out = append(out, fact{name, fmt.Sprintf(format, args...)}) }
	for _, r := range t.Runs {
		if r.Report == nil {
			continue
		}
		c := r.Report.Calibration
		add("fitted to", "%s", c.Text)
		add("sequences", "%d of %d tokens, %s tokens in all, drawn with seed %d", c.Sequences, c.Length, count(c.Tokens), c.Seed)
		if c.SkipFirst {
			add("first tokens", "left out of the statistics")
		}
		add("fingerprint", "%s", c.Fingerprint)
		break // the same for all runs of a table
	}
	if t.Data != "" {
		add("measured on", "%s", t.Data)
	}
	if t.Protocol != "" {
		add("protocol", "%s; %s tokens predicted by each model", t.Protocol, count(int64(t.Tokens)))
	}
	for _, r := range t.Runs {
		if r.Report != nil {
			add(r.Method+" at "+r.Budget, "budget shared out by the rule %q; elements stored as %s; %s of the compressed layers' parameters kept",
				r.Report.Share, r.Report.Type, percent(r.Keep, 1))
		}
	}
	return out
}
