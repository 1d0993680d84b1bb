package checkpoint

// RoPE turns pairs of a head's d values. Hugging Face pairs value i with value i + d/2; Meta, llama2.c and GGUF's llama pair
// 2i with 2i + 1. Between the two, the rows of the query and key projections are reordered within each head.

// splitPairs copies rows stored pair by pair into Hugging Face's order: row 2i+j of a head becomes row j*d/2 + i.
func splitPairs(src []byte, rows, heads int) []byte {
	return reorder(src, rows, heads, func(i, j, half int) (from, to int) { return 2*i + j, j*half + i })
}

// joinPairs is the inverse of splitPairs.
func joinPairs(src []byte, rows, heads int) []byte {
	return reorder(src, rows, heads, func(i, j, half int) (from, to int) { return j*half + i, 2*i + j })
}

// reorder moves whole stored rows, so blocks of any type stay intact. rows is a multiple of 2*heads.
func reorder(src []byte, rows, heads int, move func(i, j, half int) (from, to int)) []byte {
	dst := make([]byte, len(src))
	size, half := len(src)/rows, rows/heads/2
	for h := range heads {
		base := h * 2 * half
		for i := range half {
			for j := range 2 {
				from, to := move(i, j, half)
				copy(dst[(base+to)*size:(base+to+1)*size], src[(base+from)*size:])
			}
		}
	}
	return dst
}
