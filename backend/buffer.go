package backend

import (
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// Buffer is a tensor in Go memory, row-major and contiguous.
type Buffer struct {
	backend *Backend
	shape   shapes.Shape
	data    unsafe.Pointer
	block   atomic.Pointer[block] // nil for wrapped memory and after Finalize
	wrapped any                   // the caller's slice, kept alive
	dead    atomic.Bool
}

var _ compute.Buffer = (*Buffer)(nil)

// Wrap returns a buffer over the caller's own memory without copying it: flat is a slice of shape's element type with exactly
// shape.Size() elements, for example a []uint8 from a memory-mapped file or a pooled []float32. Executions read it in place
// and never write to it, not even when it is donated, so read-only memory is fine. The caller keeps it unchanged and valid
// until the buffer's last use; Finalize only forgets it.
func (b *Backend) Wrap(flat any, shape shapes.Shape) (*Buffer, error) {
	data, err := flatPointer(flat, shape)
	if err != nil {
		return nil, errors.WithMessage(err, "backend: Wrap")
	}
	if size := uintptr(shape.DType.Size()); uintptr(data)%size != 0 {
		return nil, errors.Errorf("backend: Wrap: the memory of %s is not aligned to %d bytes", shape, size)
	}
	return &Buffer{backend: b, shape: shape.Clone(), data: data, wrapped: flat}, nil
}

// Rewrap points a buffer made by Wrap at other memory of the same shape, so that a model that streams its weights can reuse
// one buffer for every layer. It must not run while an execution uses the buffer.
func (buf *Buffer) Rewrap(flat any) error {
	if buf.wrapped == nil {
		return errors.New("backend: Rewrap: the buffer was not made by Wrap")
	}
	data, err := flatPointer(flat, buf.shape)
	if err != nil {
		return errors.WithMessage(err, "backend: Rewrap")
	}
	buf.data, buf.wrapped = data, flat
	return nil
}

// NewSharedBuffer returns a buffer and the Go slice over its memory, with arbitrary contents.
func (b *Backend) NewSharedBuffer(_ compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	buf, err := b.newBuffer(shape)
	if err != nil {
		return nil, nil, err
	}
	return buf, buf.flat(), nil
}

// HasSharedBuffers returns true: buffers are ordinary Go memory.
func (b *Backend) HasSharedBuffers() bool { return true }

// BufferFromFlatData copies a slice with shape.Size() elements of shape's element type into a new buffer.
func (b *Backend) BufferFromFlatData(_ compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	src, err := flatPointer(flat, shape)
	if err != nil {
		return nil, errors.WithMessage(err, "backend: BufferFromFlatData")
	}
	buf, err := b.newBuffer(shape)
	if err != nil {
		return nil, err
	}
	copy(byteSlice(buf.data, int(shape.ByteSize())), byteSlice(src, int(shape.ByteSize())))
	return buf, nil
}

func (b *Backend) newBuffer(shape shapes.Shape) (*Buffer, error) {
	if b.IsFinalized() {
		return nil, errors.New("backend: the backend was finalized")
	}
	if !supported[shape.DType] || shape.IsDynamic() {
		return nil, errors.Wrapf(compute.ErrNotImplemented, "backend: buffer of shape %s", shape)
	}
	return b.newBufferIn(b.memory.get(shape.ByteSize()), shape), nil
}

func (b *Backend) newBufferIn(blk *block, shape shapes.Shape) *Buffer {
	buf := &Buffer{backend: b, shape: shape, data: blk.data}
	buf.block.Store(blk)
	return buf
}

// Backend returns the backend that made the buffer.
func (buf *Buffer) Backend() compute.Backend { return buf.backend }

// Shape returns the buffer's shape.
func (buf *Buffer) Shape() (shapes.Shape, error) { return buf.shape, nil }

// DeviceNum returns 0.
func (buf *Buffer) DeviceNum() (compute.DeviceNum, error) { return 0, nil }

// Finalize returns the memory to the backend's pool; the buffer and slices from Data must not be used afterwards. Calling it
// again, or after the buffer was donated, does nothing.
func (buf *Buffer) Finalize() error {
	if buf == nil || buf.dead.Swap(true) {
		return nil
	}
	if blk := buf.block.Swap(nil); blk != nil {
		buf.backend.memory.put(blk)
	}
	buf.data, buf.wrapped = nil, nil
	return nil
}

// Data returns the buffer's memory as a slice of its element type.
func (buf *Buffer) Data() (any, error) {
	if buf.dead.Load() {
		return nil, errors.Errorf("backend: Data of a finalized buffer of shape %s", buf.shape)
	}
	return buf.flat(), nil
}

func (buf *Buffer) flat() any {
	if buf.shape.Size() == 0 {
		return dtypes.MakeAnySlice(buf.shape.DType, 0)
	}
	return dtypes.UnsafeAnySliceFromBytes(buf.data, buf.shape.DType, buf.shape.Size())
}

// ToFlatData copies the values into a slice with Size elements of the element type.
func (buf *Buffer) ToFlatData(flat any) error {
	if buf.dead.Load() {
		return errors.Errorf("backend: ToFlatData of a finalized buffer of shape %s", buf.shape)
	}
	dst, err := flatPointer(flat, buf.shape)
	if err != nil {
		return errors.WithMessage(err, "backend: ToFlatData")
	}
	n := int(buf.shape.ByteSize())
	copy(byteSlice(dst, n), byteSlice(buf.data, n))
	return nil
}

// CopyToDevice returns a copy: there is one device.
func (buf *Buffer) CopyToDevice(compute.DeviceNum) (compute.Buffer, error) {
	if buf.dead.Load() {
		return nil, errors.Errorf("backend: CopyToDevice of a finalized buffer of shape %s", buf.shape)
	}
	return buf.backend.BufferFromFlatData(0, buf.flat(), buf.shape)
}

// flatPointer checks that flat is a slice of shape's element type and size, and returns its first element's address.
func flatPointer(flat any, shape shapes.Shape) (unsafe.Pointer, error) {
	if !supported[shape.DType] || shape.IsDynamic() {
		return nil, errors.Wrapf(compute.ErrNotImplemented, "shape %s", shape)
	}
	v := reflect.ValueOf(flat)
	if v.Kind() != reflect.Slice || dtypes.FromGoType(v.Type().Elem()) != shape.DType {
		return nil, errors.Errorf("got a %T, want a slice of %s for shape %s", flat, shape.DType, shape)
	}
	if v.Len() != shape.Size() {
		return nil, errors.Errorf("got %d elements, want %d for shape %s", v.Len(), shape.Size(), shape)
	}
	return v.UnsafePointer(), nil
}

// sliceDType returns the element type of a slice, or InvalidDType.
func sliceDType(flat any) dtypes.DType {
	t := reflect.TypeOf(flat)
	if t == nil || t.Kind() != reflect.Slice {
		return dtypes.InvalidDType
	}
	if d := dtypes.FromGoType(t.Elem()); supported[d] {
		return d
	}
	return dtypes.InvalidDType
}

func byteSlice(p unsafe.Pointer, n int) []byte { return unsafe.Slice((*byte)(p), n) }
