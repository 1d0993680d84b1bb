package studio

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the values, an axis holds them all, its ticks are on it, ascending, told apart by their labels, and few but not
// none.
func TestTicksCoverTheValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		centre := rapid.Float64Range(-1e12, 1e12).Draw(t, "centre") * math.Pow(10, rapid.Float64Range(-18, 0).Draw(t, "power"))
		if math.Abs(centre) < 1e-280 { // see extremes
			centre = 0
		}
		width := math.Abs(centre) * math.Pow(10, rapid.Float64Range(-7, 9).Draw(t, "width"))
		most := rapid.IntRange(3, 12).Draw(t, "most")
		s := rapid.SampledFrom([]scale{byRange, linear, logarithmic}).Draw(t, "scale")
		values := []float64{centre, centre + width, centre + width/3, math.NaN(), math.Inf(1)}
		a := axisFor(s, values, most)
		checkAxis(t, a, most)
		for _, v := range values[:3] {
			// Ends are multiples of the step, found to 1e-9 of it and to the rounding of up to 1e8 steps from zero.
			if at := a.at(v); !(at >= -5e-8 && at <= 1+5e-8) {
				t.Fatalf("%v is at %v of [%v, %v]", v, at, a.lo, a.hi)
			}
		}
		if s == linear && a.log || a.log && a.lo <= 0 {
			t.Fatalf("a logarithmic axis from %v", a.lo)
		}
	})
}

func checkAxis(t interface{ Fatalf(string, ...any) }, a axis, most int) {
	if !(a.lo < a.hi) {
		t.Fatalf("from %v to %v", a.lo, a.hi)
	}
	if len(a.ticks) < 1 || len(a.ticks) > most+2 {
		t.Fatalf("%d ticks, at most %d asked for: %v", len(a.ticks), most, a.ticks)
	}
	for i, k := range a.ticks {
		if k.value < a.lo || k.value > a.hi || k.label == "" {
			t.Fatalf("tick %v on [%v, %v]", k, a.lo, a.hi)
		}
		if i > 0 && (k.value <= a.ticks[i-1].value || k.label == a.ticks[i-1].label) {
			t.Fatalf("ticks %v and %v", a.ticks[i-1], k)
		}
	}
}

// Known axes.
func TestTickLabels(t *testing.T) {
	for _, tc := range []struct {
		lo, hi float64
		s      scale
		want   string
	}{
		{0, 1, linear, "0 0.2 0.4 0.6 0.8 1.0"},
		{-3, 17, linear, "−5 0 5 10 15 20"},
		{0.776, 1.06, byRange, "0.75 0.80 0.85 0.90 0.95 1.00 1.05 1.10"},
		{6, 6, linear, "5.4 5.6 5.8 6.0 6.2 6.4 6.6"},
		{0, 29, counting, "0 5 10 15 20 25 29"},
		{0, 1, counting, "0 1"},
		{1, 576, counting, "1 100 200 300 400 500 576"},
		{3, 3, counting, "3"},
		{0, 0, byRange, "−1.0 −0.5 0 0.5 1.0"},
		{5, 500, byRange, "5 10 20 50 100 200 500"},
		{1e-7, 1e9, byRange, "10⁻⁶ 10⁻⁴ 0.01 1 100 10000 10⁶ 10⁸"},
		{2e5, 5e6, byRange, "2·10⁵ 3·10⁵ 5·10⁵ 7·10⁵ 10⁶ 2·10⁶ 3·10⁶ 5·10⁶"},
	} {
		a := axisFor(tc.s, []float64{tc.lo, tc.hi}, 8)
		checkAxis(t, a, 8)
		var labels []string
		for _, k := range a.ticks {
			labels = append(labels, k.label)
		}
		if got := strings.Join(labels, " "); got != tc.want {
			t.Errorf("%v to %v: %s, want %s", tc.lo, tc.hi, got, tc.want)
		}
	}
}

// Labels never overlap one another, nor points or the plot's edge, by the estimate of their widths.
func TestLabelsDoNotOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &frame{plot: box{0, 0, 400, 200}}
		n := rapid.IntRange(1, 30).Draw(t, "points")
		for range n {
			x, y := rapid.Float64Range(0, 400).Draw(t, "x"), rapid.Float64Range(0, 200).Draw(t, "y")
			f.taken = append(f.taken, box{x - 6, y - 6, x + 6, y + 6})
		}
		var d drawing
		for i := range n {
			p := f.taken[i]
			f.place(&d, "label", (p.x0+p.x1)/2, (p.y0+p.y1)/2, 8)
		}
		labels := f.taken[n:]
		if strings.Count(d.b.String(), "<text") != len(labels) {
			t.Fatalf("%d labels are drawn, %d are noted", strings.Count(d.b.String(), "<text"), len(labels))
		}
		for i, a := range labels {
			if !a.inside(f.plot) {
				t.Fatalf("%v leaves the plot", a)
			}
			for _, b := range f.taken[:n+i] {
				if a.overlaps(b) {
					t.Fatalf("%v overlaps %v", a, b)
				}
			}
		}
	})
}

// A cut lies on the curve that the thinned spectrum draws.
func TestCutsLieOnTheSpectrum(t *testing.T) {
	l := layer{}
	l.M, l.N, l.Spectrum = 200, 300, make([]float64, 64)
	for i := range l.Spectrum {
		l.Spectrum[i] = math.Exp(-float64(l.indexOf(i)) / 50)
	}
	if first, last := l.indexOf(0), l.indexOf(63); first != 0 || last != 199 {
		t.Errorf("the spectrum goes from %d to %d, want 0 to 199", first, last)
	}
	for rank := 1; rank <= 200; rank++ { // a geometric spectrum is a straight line on the logarithmic scale
		got, ok := l.valueAt(rank)
		if want := math.Exp(-float64(rank-1) / 50); !ok || math.Abs(got-want) > 1e-12*want {
			t.Errorf("rank %d: %v, want %v", rank, got, want)
		}
	}
	if _, ok := l.valueAt(201); ok {
		t.Error("rank 201 of 200 is on the spectrum")
	}
}

func TestPlaceTakesNamesApart(t *testing.T) {
	for name, want := range map[string]struct {
		block int
		kind  string
	}{
		"model.layers.3.mlp.up_proj": {3, "up_proj"}, "h.12.attn": {12, "attn"}, "lm_head": {-1, "lm_head"}, "": {-1, ""}, "a.-1.b": {-1, "b"},
	} {
		if block, kind := place(name); block != want.block || kind != want.kind {
			t.Errorf("%q: block %d, kind %q; want %+v", name, block, kind, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		size(999): "999 B", size(1056540): "1.06 MB", size(963000): "963 kB", size(12345678901): "12.3 GB",
		count(0): "0", count(999): "999", count(1234567): "1\u202f234\u202f567", count(-1234): "−1\u202f234",
		perplexity(6.3561, 0.2961): "6.356 ± 0.296", perplexity(473.84, 35.1): "473.8 ± 35.1", perplexity(0, 0): "not measured",
		perplexity(math.Inf(1), 0): "∞", perplexity(123456, 0): "1.23e+05", percent(1, 3): "33.3 %", percent(1, 0): "",
		seconds(1.26): "1.3 s", seconds(125): "2 min 05 s",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
