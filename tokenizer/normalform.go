package tokenizer

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxMarks is the longest run of combining marks x/text normalises as Unicode defines; in a longer one it inserts U+034F
// (its "stream-safe" form, UAX #15 section 13), which Hugging Face does not.
const maxMarks = 28

// normalForm returns the normaliser of a Unicode normalisation form.
func normalForm(f norm.Form) normaliser {
	return func(s string) string {
		if f.IsNormalString(s) && !longMarks(f, s) {
			return s
		}
		if !longMarks(f, s) {
			return f.String(s)
		}
		points := decompose(f, s)
		if f == norm.NFC || f == norm.NFKC {
			points = compose(points)
		}
		return string(points)
	}
}

// decomposition returns the compatibility or canonical form of decomposition that f starts from.
func decomposition(f norm.Form) norm.Form {
	switch f {
	case norm.NFC:
		return norm.NFD
	case norm.NFKC:
		return norm.NFKD
	}
	return f
}

// longMarks reports whether some run of characters, decomposed, has more than maxMarks combining marks in a row.
func longMarks(f norm.Form, s string) bool {
	d := decomposition(f)
	marks := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			marks = 0
			i++
			continue
		}
		p := d.PropertiesString(s[i:])
		i += max(p.Size(), 1)
		if p.CCC() == 0 && p.TrailCCC() == 0 {
			marks = 0
			continue
		}
		marks += max(1, utf8.RuneCount(p.Decomposition()))
		if marks > maxMarks {
			return true
		}
	}
	return false
}

// decompose returns the characters of s decomposed and in canonical order (Unicode 15, section 3.11).
func decompose(f norm.Form, s string) []rune {
	d := decomposition(f)
	points := make([]rune, 0, len(s))
	for _, r := range s {
		points = append(points, []rune(d.String(string(r)))...)
	}
	for i := 0; i < len(points); {
		end := i + 1
		if ccc(points[i]) != 0 {
			for end < len(points) && ccc(points[end]) != 0 {
				end++
			}
			slices.SortStableFunc(points[i:end], func(a, b rune) int { return int(ccc(a)) - int(ccc(b)) })
		}
		i = end
	}
	return points
}

// ccc returns the canonical combining class of r.
func ccc(r rune) uint8 { return norm.NFD.PropertiesString(string(r)).CCC() }

// compose is the canonical composition algorithm (Unicode 15, section 3.11) on decomposed, ordered characters; it composes
// a pair by asking for the normal form of just these two.
func compose(points []rune) []rune {
	out := points[:0]
	starter, last := -1, uint8(0) // position in out; class of the last character kept after it
	for _, r := range points {
		class := ccc(r)
		adjacent := starter == len(out)-1
		if starter >= 0 && (adjacent || last != 0 && last < class) {
			if pair := []rune(norm.NFC.String(string(out[starter]) + string(r))); len(pair) == 1 {
				out[starter] = pair[0]
				continue
			}
		}
		out = append(out, r)
		last = class
		if class == 0 {
			starter = len(out) - 1
		}
	}
	return out
}
