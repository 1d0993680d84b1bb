package calib

import (
	"fmt"
	"os"
	"unsafe"
)

// spill keeps the rows of hidden states in a temporary file. It is private to the process, so rows are stored as they lie
// in memory.
type spill struct {
	width int
	f     *os.File
}

func newSpill(width int) (*spill, error) {
	f, err := os.CreateTemp("", "eckart-hidden-")
	if err != nil {
		return nil, fmt.Errorf("calib: temporary file for hidden states: %w", err)
	}
	return &spill{width, f}, nil
}

// Read fills dst with rows first, first+1, ...
func (s *spill) Read(dst []float32, first int) error {
	if _, err := s.f.ReadAt(asBytes(dst), s.offset(first)); err != nil {
		return fmt.Errorf("calib: hidden states in %s: %w", s.f.Name(), err)
	}
	return nil
}

// Write stores src as rows first, first+1, ...
func (s *spill) Write(src []float32, first int) error {
	if _, err := s.f.WriteAt(asBytes(src), s.offset(first)); err != nil {
		return fmt.Errorf("calib: hidden states in %s: %w (raise --memory to keep them in memory)", s.f.Name(), err)
	}
	return nil
}

func (s *spill) offset(row int) int64 { return int64(row) * int64(s.width) * 4 }

// close removes the file.
func (s *spill) close() {
	s.f.Close()
	os.Remove(s.f.Name())
}

func asBytes(x []float32) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))
}
