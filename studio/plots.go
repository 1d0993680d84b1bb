package studio

import (
	"fmt"
	"math"
	"slices"

	"github.com/eckart-go/eckart/compare"
	"github.com/eckart-go/eckart/compress"
)

// quantity is what a model's size is counted in.
type quantity struct {
	id, name string
	of       func(params, bytes int64) float64
	unit     func(largest float64) (size float64, name string)
}

var (
	bytesOf  = quantity{"bytes", "size on disk", func(_, bytes int64) float64 { return float64(bytes) }, byteUnit}
	paramsOf = quantity{"params", "parameters", func(params, _ int64) float64 { return float64(params) }, countUnit}
)

func byteUnit(v float64) (float64, string) {
	switch {
	case v >= 1e9:
		return 1e9, "GB"
	case v >= 1e6:
		return 1e6, "MB"
	}
	return 1e3, "kB"
}

func countUnit(v float64) (float64, string) {
	switch {
	case v >= 1e9:
		return 1e9, "billions"
	case v >= 1e6:
		return 1e6, "millions"
	}
	return 1e3, "thousands"
}

// measured reports whether v is a perplexity that can be drawn.
func measured(v float64) bool { return v > 0 && !math.IsInf(v, 0) }

// markers are given to series in turn.
var markers = []marker{disc, square, triangle, diamond, cross}

// arms returns the names of the methods in order of appearance: each has one colour on the whole page.
func arms(t *compare.Table) []string {
	var names []string
	for _, r := range t.Runs {
		if !slices.Contains(names, r.Method) {
			names = append(names, r.Method)
		}
	}
	return names
}

// perplexityChart draws the perplexities of all methods against what they keep, the dense model among them. It reports
// whether there is anything to draw.
func perplexityChart(t *compare.Table, id string, q quantity) (chart, bool) {
	largest := q.of(t.Params, t.Bytes)
	for _, r := range t.Runs {
		largest = max(largest, q.of(r.Params, r.Bytes))
	}
	unit, unitName := q.unit(largest)
	c := chart{
		id: id, title: "Perplexity against " + q.name, x: fmt.Sprintf("%s (%s)", q.name, unitName), y: "perplexity (lower is better)",
		width: 620, height: 380, legend: true,
	}
	for i, name := range arms(t) {
		s := series{name: name, colour: i, marker: markers[i%len(markers)], line: "line"}
		for _, r := range t.Runs {
			if r.Method == name && measured(r.Perplexity) {
				tip := fmt.Sprintf("%s at %s: perplexity %s, %s, %s parameters", name, r.Budget, perplexity(r.Perplexity, r.StdErr), size(r.Bytes), count(r.Params))
				s.points = append(s.points, point{q.of(r.Params, r.Bytes) / unit, r.Perplexity, whisker(r.Perplexity, r.StdErr), r.Budget, tip})
				c.about += tip + ". "
			}
		}
		slices.SortStableFunc(s.points, func(a, b point) int { return compareFloats(a.x, b.x) })
		if len(s.points) > 0 {
			c.series = append(c.series, s)
		}
	}
	if len(c.series) == 0 {
		return c, false
	}
	if measured(t.Baseline) {
		tip := fmt.Sprintf("dense model: perplexity %s, %s, %s parameters", perplexity(t.Baseline, t.BaselineErr), size(t.Bytes), count(t.Params))
		c.about += tip + "."
		c.levels = []level{{t.Baseline, ""}}
		c.series = append(c.series, series{name: "dense", colour: ink, marker: diamond, points: []point{
			{q.of(t.Params, t.Bytes) / unit, t.Baseline, whisker(t.Baseline, t.BaselineErr), "dense", tip},
		}})
	}
	return c, true
}

// whisker keeps the lower end of an error bar positive, for logarithmic axes.
func whisker(v, stderr float64) float64 {
	if !(stderr > 0) || math.IsInf(stderr, 0) {
		return 0
	}
	return min(stderr, 0.9*v)
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// panels is a group of small plots with one legend.
type panels struct {
	name   string
	legend []series
	charts []chart
}

// errorPanels draws, for each budget and kind of layer, the error of every block beside the least possible.
func errorPanels(t *compare.Table) []panels {
	names := arms(t)
	var groups []panels
	for _, budget := range budgets(t.Runs) {
		var rows []compare.Row
		for _, r := range t.Runs {
			if r.Budget == budget && r.Report != nil {
				rows = append(rows, r)
			}
		}
		least := bounds(rows)
		g := panels{name: budget}
		for _, kind := range kinds(rows) {
			c := chart{
				id: fmt.Sprintf("error-%d-%d", len(groups), len(g.charts)), title: kind, about: "Relative error of the outputs of " + kind + " by block.",
				x: "block", y: "relative error", width: 380, height: 250, xScale: counting, yScale: linear, yHolds: []float64{0},
			}
			for _, b := range least {
				c.addBound(b, slices.Index(names, b.rows[0].Method), len(least) == 1, kind)
			}
			for _, r := range rows {
				c.addErrors(r, slices.Index(names, r.Method), kind)
			}
			if len(c.series) > 0 {
				g.charts = append(g.charts, c)
			}
		}
		g.legend = namesOnce(g.charts)
		if len(g.charts) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// bound is a lower bound of the errors, and the runs that it holds for: those with the same ranks and norm.
type bound struct{ rows []compare.Row }

// bounds groups runs whose least possible errors look the same in every layer.
func bounds(rows []compare.Row) []bound {
	var out []bound
	for _, r := range rows {
		i := slices.IndexFunc(out, func(b bound) bool {
			return slices.EqualFunc(b.rows[0].Report.Layers, r.Report.Layers, func(x, y compress.Layer) bool {
				return x.Name == y.Name && math.Abs(x.Optimum-y.Optimum) <= 1e-3*max(x.Optimum, y.Optimum)
			})
		})
		if i < 0 {
			out = append(out, bound{})
			i = len(out) - 1
		}
		out[i].rows = append(out[i].rows, r)
	}
	return out
}

// addBound adds the curve of a lower bound; if it is the only one, no point of the chart can be below it.
func (c *chart) addBound(b bound, colour int, only bool, kind string) {
	s := series{name: "least possible", colour: ink, line: "line dashed", filled: only}
	if !only {
		s.name, s.colour = "least possible for ", colour
		for i, r := range b.rows {
			if i > 0 {
				s.name += ", "
			}
			s.name += r.Method
		}
	}
	for _, l := range layersOf(b.rows[0].Report, kind) {
		if !l.Dense() && l.WeightedNorm > 0 {
			s.points = append(s.points, point{x: float64(l.block), y: l.Optimum / l.WeightedNorm})
		}
	}
	if len(s.points) > 0 {
		c.series = append(c.series, s)
	}
}

// addErrors adds the errors of one run.
func (c *chart) addErrors(r compare.Row, colour int, kind string) {
	s := series{name: r.Method, colour: colour, marker: markers[colour%len(markers)], line: "line"}
	for _, l := range layersOf(r.Report, kind) {
		if l.Dense() || !(l.WeightedNorm > 0) {
			continue
		}
		e, least := l.Weighted/l.WeightedNorm, l.Optimum/l.WeightedNorm
		s.points = append(s.points, point{x: float64(l.block), y: e, tip: fmt.Sprintf(
			"%s at %s, block %d %s: rank %d, error %.4f, least possible %.4f", r.Method, r.Budget, l.block, kind, l.Rank, e, least)})
	}
	if len(s.points) > 0 {
		c.series = append(c.series, s)
	}
}

// namesOnce returns the series of all charts by name, each once, without points: a legend.
func namesOnce(charts []chart) []series {
	var out []series
	for _, c := range charts {
		for _, s := range c.series {
			if s.name != "" && !slices.ContainsFunc(out, func(o series) bool { return o.name == s.name }) {
				s.points = nil
				out = append(out, s)
			}
		}
	}
	return out
}

// spectrumPanels draws, for each method and kind of layer, the singular values of a few blocks, and where they are cut.
func spectrumPanels(t *compare.Table) []panels {
	var groups []panels
	for _, name := range arms(t) {
		var rows []compare.Row
		for _, r := range t.Runs {
			if r.Method == name && r.Report != nil {
				rows = append(rows, r)
			}
		}
		g := panels{name: name}
		for _, kind := range kinds(rows) {
			c := chart{
				id: fmt.Sprintf("spectrum-%d-%d", len(groups), len(g.charts)), title: kind,
				about: "Singular values of " + kind + " in the norm of " + name + ", and the ranks at which they are cut.",
				x:     "index of the singular value", y: "singular value", width: 380, height: 250, xScale: counting, yScale: logarithmic,
			}
			c.addSpectra(rows, kind)
			if len(c.series) > 0 {
				g.charts = append(g.charts, c)
			}
		}
		g.legend = namesOnce(g.charts)
		if len(g.charts) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// shownBlocks is how many blocks a plot of spectra has.
const shownBlocks = 3

// addSpectra adds curves for the first, a middle and the last block, and marks where each run cuts them.
func (c *chart) addSpectra(rows []compare.Row, kind string) {
	layers := layersOf(rows[0].Report, kind)
	layers = slices.DeleteFunc(layers, func(l layer) bool { return len(positive(l.Spectrum)) < 2 })
	chosen := spread(len(layers), shownBlocks)
	for i, at := range chosen {
		l := layers[at]
		s := series{name: fmt.Sprintf("block %d", l.block), colour: 5 - i, line: "line"}
		for j, v := range positive(l.Spectrum) {
			s.points = append(s.points, point{x: float64(l.indexOf(j) + 1), y: v})
		}
		c.series = append(c.series, s)
	}
	for i, r := range rows {
		cuts := series{name: "cut at " + r.Budget, colour: ink, marker: markers[i%len(markers)]}
		var ranks []int
		for _, at := range chosen {
			for _, l := range layersOf(r.Report, kind) {
				if l.block != layers[at].block || l.Dense() {
					continue
				}
				if v, ok := layers[at].valueAt(l.Rank); ok {
					cuts.points = append(cuts.points, point{x: float64(l.Rank), y: v,
						tip: fmt.Sprintf("block %d %s: the first %d of %d singular values are kept at %s", l.block, kind, l.Rank, min(l.M, l.N), r.Budget)})
					ranks = append(ranks, l.Rank)
				}
			}
		}
		if len(ranks) == 0 {
			continue
		}
		if slices.Min(ranks) == slices.Max(ranks) {
			c.cuts = append(c.cuts, cut{float64(ranks[0]), fmt.Sprint(ranks[0])})
		}
		c.series = append(c.series, cuts)
	}
}

// spread returns most indices below n, evenly spread from the first to the last.
func spread(n, most int) []int {
	var out []int
	for i := range min(n, most) {
		out = append(out, i*(n-1)/max(1, min(n, most)-1))
	}
	return out
}

// positive returns the values that have a place on a logarithmic axis: up to the first that is negligible beside the first.
func positive(values []float64) []float64 {
	for i, v := range values {
		if !(v > 1e-9*values[0]) || math.IsInf(v, 0) {
			return values[:i]
		}
	}
	return values
}

// budgets returns the budgets in order of appearance.
func budgets(rows []compare.Row) []string {
	var out []string
	for _, r := range rows {
		if !slices.Contains(out, r.Budget) {
			out = append(out, r.Budget)
		}
	}
	return out
}

// kinds returns the kinds of layers that rows have, in order of appearance.
func kinds(rows []compare.Row) []string {
	var out []string
	for _, r := range rows {
		for _, l := range r.Report.Layers {
			if _, kind := place(l.Name); !slices.Contains(out, kind) {
				out = append(out, kind)
			}
		}
	}
	return out
}

// layer is a layer with its place in the model.
type layer struct {
	compress.Layer
	block int
}

// layersOf returns the layers of one kind, in order.
func layersOf(r *compress.Report, kind string) []layer {
	var out []layer
	for _, l := range r.Layers {
		block, k := place(l.Name)
		if k != kind {
			continue
		}
		if block < 0 {
			block = len(out)
		}
		out = append(out, layer{l, block})
	}
	return out
}
