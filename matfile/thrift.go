package matfile

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// checkThrift walks over a struct in Thrift's compact protocol and returns its length. It fails unless every list, string and
// struct is there in full. The Parquet library makes room for as many elements as a list claims to have before it reads them;
// after this check, those are in the file.
func checkThrift(data []byte) (length int, err error) {
	t := &thriftWalker{data: data}
	if err := t.structure(0); err != nil {
		return 0, fmt.Errorf("metadata: %w", err)
	}
	return t.at, nil
}

type thriftWalker struct {
	data []byte
	at   int
}

// Types of the compact protocol.
const (
	thriftStop   = 0
	thriftTrue   = 1 // in a struct: the value is in the type
	thriftFalse  = 2
	thriftByte   = 3
	thriftInt16  = 4
	thriftInt32  = 5
	thriftInt64  = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftStruct = 12
	deepest      = 32 // Parquet nests ten levels
)

var errThriftEnd = errors.New("it ends before it is complete")

func (t *thriftWalker) byte() (byte, error) {
	if t.at >= len(t.data) {
		return 0, errThriftEnd
	}
	t.at++
	return t.data[t.at-1], nil
}

// count reads a size, which may not be above the bytes that are left.
func (t *thriftWalker) count() (int, error) {
	v, n := binary.Uvarint(t.data[t.at:])
	if n <= 0 {
		return 0, errThriftEnd
	}
	t.at += n
	if v > uint64(len(t.data)-t.at) {
		return 0, fmt.Errorf("%d elements or bytes are announced, %d bytes follow", v, len(t.data)-t.at)
	}
	return int(v), nil
}

func (t *thriftWalker) skip(n int) error {
	if n > len(t.data)-t.at {
		return errThriftEnd
	}
	t.at += n
	return nil
}

func (t *thriftWalker) varint() error {
	_, n := binary.Uvarint(t.data[t.at:])
	if n <= 0 {
		return errThriftEnd
	}
	t.at += n
	return nil
}

// structure walks over fields until the stop byte.
func (t *thriftWalker) structure(depth int) error {
	if depth > deepest {
		return fmt.Errorf("nested deeper than %d levels", deepest)
	}
	for {
		b, err := t.byte()
		if err != nil {
			return err
		}
		kind := b & 15
		if kind == thriftStop {
			return nil
		}
		if b>>4 == 0 { // the field's number is not a difference
			if err := t.varint(); err != nil {
				return err
			}
		}
		if kind == thriftTrue || kind == thriftFalse {
			continue
		}
		if err := t.value(kind, depth); err != nil {
			return err
		}
	}
}

// value walks over a value of the given type.
func (t *thriftWalker) value(kind byte, depth int) error {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		return t.skip(1)
	case thriftInt16, thriftInt32, thriftInt64:
		return t.varint()
	case thriftDouble:
		return t.skip(8)
	case thriftBinary:
		n, err := t.count()
		if err != nil {
			return err
		}
		return t.skip(n)
	case thriftList, thriftSet:
		return t.list(depth)
	case thriftStruct:
		return t.structure(depth + 1)
	}
	return fmt.Errorf("a value of type %d, which Parquet does not use", kind)
}

func (t *thriftWalker) list(depth int) error {
	b, err := t.byte()
	if err != nil {
		return err
	}
	n := int(b >> 4)
	if n == 15 {
		if n, err = t.count(); err != nil {
			return err
		}
	}
	for range n {
		if err := t.value(b&15, depth+1); err != nil {
			return err
		}
	}
	return nil
}
