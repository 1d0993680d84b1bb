// Package papers is the catalogue of the published methods that Eckart implements, and the experiments that try each
// paper's headline claim in miniature, beside its baselines, on the same data and budget.
//
// A verdict says what was found, also when the claim does not hold at this scale. Nothing is tuned to an outcome: ranks,
// seeds and splits are fixed in the code before anything is measured.
package papers

import (
	"context"
	"fmt"
	"strings"
)

// Paper is one published method and its experiment.
type Paper struct {
	ID        string // as given on the command line
	Title     string
	Sources   []string // arXiv numbers
	Package   string   // where it is implemented
	Claim     string
	Baselines []string
	NoTexts   bool // the experiment needs no corpora
	Run       func(ctx context.Context, b *Bench) (*Verdict, error)
}

// Catalogue returns all papers that can be reproduced.
func Catalogue() []Paper { return []Paper{svdBaselines, lord, sketchingCore} }

// Lookup returns the paper of the given ID.
func Lookup(id string) (Paper, error) {
	var ids []string
	for _, p := range Catalogue() {
		if p.ID == id {
			return p, nil
		}
		ids = append(ids, p.ID)
	}
	return Paper{}, fmt.Errorf("papers: unknown paper %q: expected one of %s", id, strings.Join(ids, ", "))
}

// Verdict is what an experiment found.
type Verdict struct {
	Paper    string            `json:"paper"`
	Outcome  Outcome           `json:"outcome"`
	Settings map[string]string `json:"settings"`
	Checks   []Check           `json:"checks"`
	Tables   []Table           `json:"tables"`
	Notes    []string          `json:"notes,omitempty"`
	Seconds  float64           `json:"seconds"`
}

// Outcome sums up the checks.
type Outcome string

// The outcomes: all checks passed, some, none.
const (
	Holds       Outcome = "holds"
	HoldsInPart Outcome = "holds in part"
	DoesNotHold Outcome = "does not hold here"
)

// Check is one statement of the claim with what was expected, what was found, and whether they agree.
type Check struct {
	Claim    string `json:"claim"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
	OK       bool   `json:"ok"`
}

// Table holds measurements.
type Table struct {
	Title   string     `json:"title"`
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// check adds a statement to the verdict.
func (v *Verdict) check(ok bool, claim, expected, format string, args ...any) {
	v.Checks = append(v.Checks, Check{claim, expected, fmt.Sprintf(format, args...), ok})
}

// judge derives the outcome from the checks.
func (v *Verdict) judge() {
	passed := 0
	for _, c := range v.Checks {
		if c.OK {
			passed++
		}
	}
	switch passed {
	case len(v.Checks):
		v.Outcome = Holds
	case 0:
		v.Outcome = DoesNotHold
	default:
		v.Outcome = HoldsInPart
	}
}

// row adds a line of numbers, formatted with enough digits to compare.
func (t *Table) row(cells ...any) {
	line := make([]string, len(cells))
	for i, c := range cells {
		switch c := c.(type) {
		case float64:
			line[i] = fmt.Sprintf("%.4g", c)
		default:
			line[i] = fmt.Sprint(c)
		}
	}
	t.Rows = append(t.Rows, line)
}
