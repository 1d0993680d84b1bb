package compare

import (
	"encoding/json"
	"math"
)

// MarshalJSON writes a perplexity that is infinite or not a number, as that of a model that was cut too far may be, as null,
// which JSON can hold.
func (r Row) MarshalJSON() ([]byte, error) {
	type plain Row
	return json.Marshal(struct {
		plain
		Perplexity *float64 `json:"ppl"`
		StdErr     *float64 `json:"ppl_stderr"`
	}{plain(r), finite(r.Perplexity), finite(r.StdErr)})
}

func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}
