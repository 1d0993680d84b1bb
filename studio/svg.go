package studio

import (
	"encoding/xml"
	"math"
	"strconv"
	"strings"
)

// drawing writes the elements of an SVG picture. Everything that is not a number is escaped.
type drawing struct{ b strings.Builder }

// attr is an attribute's name and its value: a string, or a float64 that is rounded to hundredths of a pixel.
type attr struct {
	name  string
	value any
}

// open begins an element, to be ended by close.
func (d *drawing) open(tag string, attrs ...attr) { d.tag(tag, attrs, ">") }

func (d *drawing) close(tag string) { d.b.WriteString("</" + tag + ">\n") }

// empty writes an element without content, or with a tooltip only.
func (d *drawing) empty(tag, tip string, attrs ...attr) {
	if tip == "" {
		d.tag(tag, attrs, "/>\n")
		return
	}
	d.open(tag, attrs...)
	d.element("title", tip)
	d.close(tag)
}

// element writes an element around text.
func (d *drawing) element(tag, text string, attrs ...attr) {
	d.open(tag, attrs...)
	d.b.WriteString(escape(text))
	d.close(tag)
}

func (d *drawing) tag(tag string, attrs []attr, end string) {
	d.b.WriteString("<" + tag)
	for _, a := range attrs {
		value, ok := a.value.(string)
		if !ok {
			value = pixel(a.value.(float64))
		}
		d.b.WriteString(" " + a.name + `="` + escape(value) + `"`)
	}
	d.b.WriteString(end)
}

// escape makes a text safe as content and as an attribute. Characters that XML cannot hold become U+FFFD.
func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a Builder does not fail
	}
	return b.String()
}

// pixel writes a coordinate.
func pixel(v float64) string {
	s := strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}

// box is a rectangle that is taken.
type box struct{ x0, y0, x1, y1 float64 }

func (b box) overlaps(o box) bool { return b.x0 < o.x1 && o.x0 < b.x1 && b.y0 < o.y1 && o.y0 < b.y1 }

func (b box) inside(o box) bool { return b.x0 >= o.x0 && b.x1 <= o.x1 && b.y0 >= o.y0 && b.y1 <= o.y1 }

// textWidth estimates the width of s in a sans-serif face of the given size, a little too wide rather than too narrow.
func textWidth(s string, size float64) float64 {
	var em float64
	for _, r := range s {
		switch {
		case strings.ContainsRune("iljtfr.,:;'|! ()", r):
			em += 0.36
		case r >= 'A' && r <= 'Z' || strings.ContainsRune("mwMW%", r):
			em += 0.76
		case r >= 0x1100:
			em += 1.05
		default:
			em += 0.6
		}
	}
	return em * size
}
