package resident

import "testing"

// keep holds the block so that the compiler cannot leave it out.
var keep []byte

func TestPeakGrowsWithMemoryInUse(t *testing.T) {
	before := Peak()
	const size = 256 << 20
	keep = make([]byte, size)
	for i := 0; i < size; i += 4096 {
		keep[i] = 1
	}
	after := Peak()
	if after < before || after < size {
		t.Errorf("peak %d before, %d after touching %d bytes", before, after, size)
	}
	keep = nil
	if got := Peak(); got < size {
		t.Errorf("the peak fell to %d", got)
	}
}
