package model

import "math"

// rope holds the d/2 angles per position of the rotary embedding, scaling included.
type rope []float64

// fill writes the tables of positions first, first+1, ...: cos (n x d) and the sines (n x d) with the sign that rotate needs,
// negative in the first half. The angles are computed in float64; float32 angles would be off by 1e-4 at position 2000.
func (r rope) fill(cos, sin []float32, first int) {
	half := len(r)
	for row := 0; row*2*half < len(cos); row++ {
		c, s := cos[row*2*half:], sin[row*2*half:]
		for i, f := range r {
			sn, cs := math.Sincos(float64(first+row) * f)
			c[i], c[i+half] = float32(cs), float32(cs)
			s[i], s[i+half] = float32(-sn), float32(sn)
		}
	}
}
