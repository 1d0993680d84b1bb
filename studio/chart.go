package studio

import (
	"fmt"
	"math"
	"strings"
)

// chart is a plot of series in one frame.
type chart struct {
	id            string // unique on the page
	title, about  string // about describes the plot to who cannot see it
	x, y          string // what the axes measure
	width, height float64
	series        []series
	levels        []level // horizontal lines
	cuts          []cut   // vertical lines
	legend        bool
	standalone    bool // a file of its own, with title, background and style
	xScale        scale
	yScale        scale
	yHolds        []float64 // values that the y axis must reach
}

// series is a list of points of one colour, joined by a line unless it is empty of style.
type series struct {
	name   string
	colour int // of the palette; ink for the reference
	marker marker
	line   string // class of the joining line: "line", "line dashed" or "" for none
	filled bool   // the area between the line and the bottom is shaded: no point can be there
	points []point
}

type point struct {
	x, y  float64
	err   float64 // half the length of the whisker, in y
	label string
	tip   string
}

// level is a horizontal reference.
type level struct {
	y     float64
	label string
}

// cut is a vertical mark.
type cut struct {
	x     float64
	label string
}

// ink is the colour of what is compared with.
const ink = -1

// colours is the number of colours in the palette; more series repeat them with other markers.
const colours = 8

// marker is the shape of points.
type marker int

const (
	noMarker marker = iota
	disc
	square
	triangle
	diamond
	cross
)

// frame is where the parts of a chart lie.
type frame struct {
	plot  box
	x, y  axis
	taken []box
}

const fontSize = 12

// svg draws the chart.
func (c chart) svg() string {
	var d drawing
	legend := c.legendRows()
	f := c.frame(len(legend))
	attrs := []attr{{"viewBox", fmt.Sprintf("0 0 %s %s", pixel(c.width), pixel(c.height))}, {"role", "img"}, {"class", "chart"},
		{"aria-labelledby", c.id + "-title " + c.id + "-about"}}
	if c.standalone {
		attrs = append(attrs, attr{"xmlns", "http://www.w3.org/2000/svg"}, attr{"width", c.width}, attr{"height", c.height})
	}
	d.open("svg", attrs...)
	d.element("title", c.title, attr{"id", c.id + "-title"})
	d.element("desc", c.about, attr{"id", c.id + "-about"})
	if c.standalone {
		d.element("style", paletteStyle+chartStyle)
		d.empty("rect", "", attr{"class", "paper"}, attr{"width", c.width}, attr{"height", c.height}, attr{"rx", 8.0})
		d.element("text", c.title, attr{"x", 16.0}, attr{"y", 24.0}, attr{"class", "heading"})
	}
	c.drawLegend(&d, legend)
	c.drawAxes(&d, f)
	c.drawReferences(&d, f)
	for _, s := range c.series {
		s.draw(&d, f)
	}
	c.drawLabels(&d, f)
	d.close("svg")
	return d.b.String()
}

// top is where the legend begins.
func (c chart) top() float64 {
	if c.standalone {
		return 38
	}
	return 6
}

// frame lays out the plot and its axes.
func (c chart) frame(legendRows int) *frame {
	var xs, ys []float64
	for _, s := range c.series {
		for _, p := range s.points {
			xs, ys = append(xs, p.x), append(ys, p.y-p.err, p.y+p.err)
		}
	}
	for _, l := range c.levels {
		ys = append(ys, l.y)
	}
	for _, l := range c.cuts {
		xs = append(xs, l.x)
	}
	ys = append(ys, c.yHolds...)
	top := c.top() + 18*float64(legendRows) + 8
	bottom := c.height - 44
	f := &frame{y: axisFor(c.yScale, ys, max(3, int((bottom-top)/38)))}
	left := 24.0
	for _, t := range f.y.ticks {
		left = max(left, 32+textWidth(t.label, fontSize))
	}
	right := c.width - 18
	f.plot = box{left, top, right, bottom}
	f.x = axisFor(c.xScale, xs, max(3, int((right-left)/76)))
	return f
}

func (f *frame) px(x float64) float64 { return f.plot.x0 + f.x.at(x)*(f.plot.x1-f.plot.x0) }
func (f *frame) py(y float64) float64 { return f.plot.y1 - f.y.at(y)*(f.plot.y1-f.plot.y0) }

// legendRows spreads the named series over lines that fit.
func (c chart) legendRows() [][]series {
	if !c.legend {
		return nil
	}
	var rows [][]series
	used := math.Inf(1)
	for _, s := range c.series {
		if s.name == "" {
			continue
		}
		width := 36 + textWidth(s.name, fontSize)
		if used+width > c.width-20 {
			rows, used = append(rows, nil), 16
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], s)
		used += width
	}
	return rows
}

func (c chart) drawLegend(d *drawing, rows [][]series) {
	for i, row := range rows {
		x, y := 16.0, c.top()+10+18*float64(i)
		for _, s := range row {
			d.open("g", attr{"class", s.class()})
			if s.line != "" {
				d.empty("path", "", attr{"class", s.line}, attr{"d", fmt.Sprintf("M%s %sh18", pixel(x), pixel(y))})
			}
			s.marker.draw(d, x+9, y, "")
			d.close("g")
			d.element("text", s.name, attr{"x", x + 23}, attr{"y", y + 4})
			x += 36 + textWidth(s.name, fontSize)
		}
	}
}

// drawAxes draws the grid, the tick labels and the axes' names.
func (c chart) drawAxes(d *drawing, f *frame) {
	d.open("g", attr{"class", "grid"}, attr{"aria-hidden", "true"})
	for _, t := range f.y.ticks {
		d.empty("path", "", attr{"d", fmt.Sprintf("M%s %sH%s", pixel(f.plot.x0), pixel(f.py(t.value)), pixel(f.plot.x1))})
		d.element("text", t.label, attr{"x", f.plot.x0 - 7}, attr{"y", f.py(t.value) + 4}, attr{"text-anchor", "end"})
	}
	free := math.Inf(-1)
	for _, t := range f.x.ticks {
		x, half := f.px(t.value), textWidth(t.label, fontSize)/2
		d.empty("path", "", attr{"d", fmt.Sprintf("M%s %sv5", pixel(x), pixel(f.plot.y1))})
		if x-half < free {
			continue // its label would touch the one before
		}
		free = x + half + 4
		d.element("text", t.label, attr{"x", x}, attr{"y", f.plot.y1 + 18}, attr{"text-anchor", "middle"})
	}
	d.close("g")
	d.empty("path", "", attr{"class", "axis"}, attr{"d", fmt.Sprintf("M%s %sV%sH%s", pixel(f.plot.x0), pixel(f.plot.y0), pixel(f.plot.y1), pixel(f.plot.x1))})
	d.element("text", c.x, attr{"class", "name"}, attr{"x", (f.plot.x0 + f.plot.x1) / 2}, attr{"y", c.height - 7}, attr{"text-anchor", "middle"})
	middle := (f.plot.y0 + f.plot.y1) / 2
	d.element("text", c.y, attr{"class", "name"}, attr{"x", 0.0}, attr{"y", 0.0}, attr{"text-anchor", "middle"},
		attr{"transform", fmt.Sprintf("translate(13 %s) rotate(-90)", pixel(middle))})
}

// drawReferences draws levels and cuts, below the series.
func (c chart) drawReferences(d *drawing, f *frame) {
	for _, l := range c.levels {
		y := f.py(l.y)
		d.empty("path", l.label, attr{"class", "reference"}, attr{"d", fmt.Sprintf("M%s %sH%s", pixel(f.plot.x0), pixel(y), pixel(f.plot.x1))})
		f.taken = append(f.taken, box{f.plot.x0, y - 1, f.plot.x1, y + 1})
	}
	for _, l := range c.cuts {
		x := f.px(l.x)
		d.empty("path", l.label, attr{"class", "cut"}, attr{"d", fmt.Sprintf("M%s %sV%s", pixel(x), pixel(f.plot.y0), pixel(f.plot.y1))})
	}
}

func (s series) class() string {
	if s.colour == ink {
		return "ink"
	}
	return fmt.Sprintf("c%d", s.colour%colours)
}

// draw draws line, whiskers and markers, and notes what is taken.
func (s series) draw(d *drawing, f *frame) {
	d.open("g", attr{"class", s.class()})
	if s.line != "" && len(s.points) > 1 {
		var path strings.Builder
		for i, p := range s.points {
			path.WriteString(map[bool]string{true: "M", false: "L"}[i == 0] + pixel(f.px(p.x)) + " " + pixel(f.py(p.y)))
			if i > 0 {
				f.takeLine(s.points[i-1], p)
			}
		}
		if s.filled {
			d.empty("path", s.name, attr{"class", "area"}, attr{"d", fmt.Sprintf("%sV%sH%sz", path.String(), pixel(f.plot.y1), pixel(f.px(s.points[0].x)))})
		}
		d.empty("path", s.name, attr{"class", s.line}, attr{"d", path.String()})
	}
	for _, p := range s.points {
		x, y := f.px(p.x), f.py(p.y)
		if p.err > 0 {
			d.empty("path", "", attr{"class", "whisker"}, attr{"d", fmt.Sprintf("M%s %sV%s", pixel(x), pixel(f.py(p.y-p.err)), pixel(f.py(p.y+p.err)))})
		}
		s.marker.draw(d, x, y, p.tip)
		f.taken = append(f.taken, box{x - 6, y - 6, x + 6, y + 6})
	}
	d.close("g")
}

// takeLine notes where a line runs, so that no label is put on it.
func (f *frame) takeLine(p, q point) {
	const pieces = 40
	for i := range pieces {
		t := float64(i) / pieces
		x, y := f.px(p.x)*(1-t)+f.px(q.x)*t, f.py(p.y)*(1-t)+f.py(q.y)*t
		f.taken = append(f.taken, box{x - 2, y - 2, x + 2, y + 2})
	}
}

// drawLabels puts each label at the first place beside its point where it touches nothing, or leaves it out: the tooltip
// has it too.
func (c chart) drawLabels(d *drawing, f *frame) {
	d.open("g", attr{"class", "label"})
	for _, l := range c.levels {
		f.place(d, l.label, f.plot.x0+4+textWidth(l.label, fontSize)/2, f.py(l.y), 3)
	}
	for _, l := range c.cuts {
		f.place(d, l.label, f.px(l.x), f.plot.y0+9, 4)
	}
	for _, s := range c.series {
		for _, p := range s.points {
			f.place(d, p.label, f.px(p.x), f.py(p.y), 8)
		}
	}
	d.close("g")
}

// place writes a label around (x, y), gap pixels away from it.
func (f *frame) place(d *drawing, label string, x, y, gap float64) {
	if label == "" {
		return
	}
	half := textWidth(label, fontSize)/2 + 2
	const h = fontSize / 2.0
	for _, at := range [][2]float64{{x + gap + half, y}, {x, y - gap - h}, {x, y + gap + h}, {x - gap - half, y},
		{x + gap + half, y - gap}, {x + gap + half, y + gap}, {x - gap - half, y - gap}, {x - gap - half, y + gap}, {x, y - 3*gap}, {x, y + 3*gap}} {
		b := box{at[0] - half, at[1] - h, at[0] + half, at[1] + h}
		if !b.inside(f.plot) || f.isTaken(b) {
			continue
		}
		f.taken = append(f.taken, b)
		d.element("text", label, attr{"x", at[0]}, attr{"y", at[1] + 4}, attr{"text-anchor", "middle"})
		return
	}
}

func (f *frame) isTaken(b box) bool {
	for _, t := range f.taken {
		if b.overlaps(t) {
			return true
		}
	}
	return false
}

// draw draws the marker around (x, y).
func (m marker) draw(d *drawing, x, y float64, tip string) {
	at := func(format string) attr { return attr{"d", fmt.Sprintf("M%s %s", pixel(x), pixel(y)) + format} }
	switch class := (attr{"class", "mark"}); m {
	case disc:
		d.empty("circle", tip, class, attr{"cx", x}, attr{"cy", y}, attr{"r", 4.5})
	case square:
		d.empty("path", tip, class, at("m-4-4h8v8h-8z"))
	case triangle:
		d.empty("path", tip, class, at("m0-5.5 5.2 9h-10.4z"))
	case diamond:
		d.empty("path", tip, class, at("m0-6 5.5 6-5.5 6-5.5-6z"))
	case cross:
		d.empty("path", tip, attr{"class", "mark open"}, at("m-4-4 8 8m0-8-8 8"))
	}
}
