// Package budget decides how many parameters each matrix of a model may keep: a budget for the whole model, and rules that
// share it out as ranks.
//
// All rules count a rank-r factorisation of an m x n matrix as r(m+n) parameters, so it saves something only below the
// break-even rank mn/(m+n); from there on the matrix stays dense and costs mn.
package budget

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ErrImpossible says that no allocation meets a budget. Callers test for it with errors.Is.
var ErrImpossible = errors.New("impossible budget")

// Budget is how much of a model may be kept. Exactly one field is set.
type Budget struct {
	// Keep is the share of the parameters of the compressed matrices that is kept, in (0, 1): the keep ratio of the
	// SVD-LLM papers. Embeddings, norms and whatever else is not compressed do not count.
	Keep float64
	// Bytes is the size of the whole model's tensors on disk, everything counted.
	Bytes int64
}

// Parse reads a budget as people type it: a share ("0.8" or "80%") or a size of the whole model ("90MB", "1.5GiB").
func Parse(s string) (Budget, error) {
	text := strings.TrimSpace(s)
	if number, ok := strings.CutSuffix(text, "%"); ok {
		v, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return Budget{}, fmt.Errorf("budget: %q is not a percentage", s)
		}
		return Budget{Keep: v / 100}.Checked()
	}
	for _, unit := range units {
		if number, ok := strings.CutSuffix(strings.ToLower(text), unit.name); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			if err != nil {
				break
			}
			if !(v > 0 && v*unit.bytes < math.MaxInt64) {
				return Budget{}, fmt.Errorf("budget: %w: %q is not a positive size", ErrImpossible, s)
			}
			return Budget{Bytes: int64(v * unit.bytes)}, nil
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return Budget{}, fmt.Errorf("budget: %q is neither a share such as 0.8 or 80%% nor a size such as 90MB", s)
	}
	return Budget{Keep: v}.Checked()
}

// units are tried in order, so that "mib" is not taken for "b".
var units = []struct {
	name  string
	bytes float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1},
}

// Checked returns b, or an error that wraps ErrImpossible when it is not a share in (0, 1) or a positive size.
func (b Budget) Checked() (Budget, error) {
	switch {
	case b.Bytes != 0 && b.Keep != 0:
		return b, fmt.Errorf("budget: %w: a share and a size were both given", ErrImpossible)
	case b.Bytes < 0, b.Bytes == 0 && !(b.Keep > 0 && b.Keep < 1):
		return b, fmt.Errorf("budget: %w: %v keeps nothing or everything; give a share between 0 and 1, or a size such as 90MB",
			ErrImpossible, b)
	}
	return b, nil
}

// String returns the budget as Parse reads it.
func (b Budget) String() string {
	if b.Bytes != 0 {
		return strconv.FormatInt(b.Bytes, 10) + "B"
	}
	return strconv.FormatFloat(b.Keep, 'g', -1, 64)
}

// Size is what a model weighs besides the matrices that are compressed.
type Size struct {
	FixedBytes    int64   // everything that is written as it is
	BytesPerParam float64 // of a parameter of a compressed matrix, as it will be stored
}

// Share returns the keep ratio that b means for a model whose compressed matrices have params parameters in all. A size
// that the rest of the model alone exceeds, or that even the dense model does not fill, is an error that wraps
// ErrImpossible and says what is possible.
func (b Budget) Share(params int64, size Size) (float64, error) {
	if _, err := b.Checked(); err != nil {
		return 0, err
	}
	if b.Bytes == 0 {
		return b.Keep, nil
	}
	dense := size.FixedBytes + int64(float64(params)*size.BytesPerParam)
	keep := float64(b.Bytes-size.FixedBytes) / (float64(params) * size.BytesPerParam)
	switch {
	case keep <= 0:
		return 0, fmt.Errorf("budget: %w: %d bytes, but embeddings, norms and other tensors that stay as they are take %d",
			ErrImpossible, b.Bytes, size.FixedBytes)
	case keep >= 1:
		return 0, fmt.Errorf("budget: %w: %d bytes hold the whole dense model, which takes %d: nothing to do",
			ErrImpossible, b.Bytes, dense)
	}
	return keep, nil
}
