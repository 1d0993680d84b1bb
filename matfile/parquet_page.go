package matfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// parquetChunk reads the pages of one column in one row group: a dictionary, if there is one, then pages of values or of places
// in the dictionary (Apache Parquet's format specification, Data Pages and Encodings).
type parquetChunk struct {
	column     parquetColumn
	codec      format.CompressionCodec
	rows       int
	left       *int64 // bytes that may still be expanded, of all chunks
	dictionary []float64
	bad        map[int]string // places in the dictionary whose value is no float64, and why
	values     []float64
}

// valueError says what is wrong with a value.
type valueError struct {
	row  int
	what string
}

func (e *valueError) Error() string { return fmt.Sprintf("row %d: %s", e.row, e.what) }

// read returns the values of the chunk.
func (c *parquetChunk) read(data []byte, meta *format.ColumnMetaData) ([]float64, error) {
	at := meta.DataPageOffset
	if d := meta.DictionaryPageOffset; d > 0 && d < at {
		at = d
	}
	size := meta.TotalCompressedSize
	if at < 0 || size < 0 || at > int64(len(data)) || size > int64(len(data))-at {
		return nil, fmt.Errorf("%d bytes at %d do not lie in the file", size, at)
	}
	for rest := data[at : at+size]; len(rest) > 0 && len(c.values) < c.rows; {
		length, err := checkThrift(rest)
		if err != nil {
			return nil, fmt.Errorf("page header: %w", err)
		}
		var h format.PageHeader
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), rest[:length], &h); err != nil {
			return nil, fmt.Errorf("page header: %w", err)
		}
		rest = rest[length:]
		if n := h.CompressedPageSize; n < 0 || int(n) > len(rest) || h.UncompressedPageSize < 0 {
			return nil, fmt.Errorf("a page of %d bytes, where %d are left", n, len(rest))
		}
		if err := c.page(&h, rest[:h.CompressedPageSize]); err != nil {
			return nil, err
		}
		rest = rest[h.CompressedPageSize:]
	}
	if len(c.values) != c.rows {
		return nil, fmt.Errorf("%d values in a row group of %d rows", len(c.values), c.rows)
	}
	return c.values, nil
}

// page reads one page.
func (c *parquetChunk) page(h *format.PageHeader, body []byte) error {
	switch {
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		d := h.DictionaryPageHeader.V
		//lint:ignore SA1019 writers of version 1 use it
		if d.Encoding != format.Plain && d.Encoding != format.PlainDictionary {
			return fmt.Errorf("a dictionary in encoding %v; expected plain", d.Encoding)
		}
		plain, err := c.expand(body, int(h.UncompressedPageSize))
		if err != nil {
			return err
		}
		c.bad = map[int]string{}
		c.dictionary, err = c.plain(plain, int(d.NumValues), func(i int, what string) error {
			c.bad[i] = what
			return nil
		})
		return err
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		d := h.DataPageHeader.V
		plain, err := c.expand(body, int(h.UncompressedPageSize))
		if err != nil {
			return err
		}
		if c.column.optional {
			if len(plain) < 4 || int64(binary.LittleEndian.Uint32(plain)) > int64(len(plain)-4) {
				return errors.New("a page ends within its levels")
			}
			n := int(binary.LittleEndian.Uint32(plain))
			if err := c.levels(plain[4:4+n], int(d.NumValues)); err != nil {
				return err
			}
			plain = plain[4+n:]
		}
		return c.append(plain, int(d.NumValues), d.Encoding)
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		d := h.DataPageHeaderV2.V
		n := int64(d.DefinitionLevelsByteLength) + int64(d.RepetitionLevelsByteLength)
		if d.DefinitionLevelsByteLength < 0 || d.RepetitionLevelsByteLength != 0 || n > int64(len(body)) || n > int64(h.UncompressedPageSize) {
			return errors.New("a page ends within its levels")
		}
		if c.column.optional {
			if err := c.levels(body[:n], int(d.NumValues)); err != nil {
				return err
			}
		}
		plain := body[n:]
		if !d.IsCompressed.Valid || d.IsCompressed.V {
			var err error
			if plain, err = c.expand(plain, int(h.UncompressedPageSize)-int(n)); err != nil {
				return err
			}
		}
		return c.append(plain, int(d.NumValues), d.Encoding)
	case h.Type == format.IndexPage:
		return nil
	}
	return fmt.Errorf("a page of type %v without its header", h.Type)
}

// expand decompresses a page of size bytes.
func (c *parquetChunk) expand(body []byte, size int) ([]byte, error) {
	if c.codec == format.Uncompressed {
		return body, nil
	}
	if *c.left -= int64(size); *c.left < 0 {
		return nil, errors.New("the pages expand to more than the limit: raise it if the file is what it claims to be")
	}
	var out []byte
	var err error
	switch c.codec {
	case format.Snappy:
		if n, lengthErr := snappy.DecodedLen(body); lengthErr != nil || n != size {
			return nil, fmt.Errorf("a page of %d bytes, compressed as %d", size, n)
		}
		out, err = snappy.Decode(nil, body)
	case format.Gzip:
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			out, err = io.ReadAll(io.LimitReader(z, int64(size)+1))
		}
	case format.Zstd:
		var z *zstd.Decoder
		if z, err = zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(32<<20)); err == nil {
			out, err = io.ReadAll(io.LimitReader(z, int64(size)+1))
			z.Close()
		}
	default:
		return nil, fmt.Errorf("compression %v; expected none, snappy, gzip or zstd", c.codec)
	}
	if err != nil {
		return nil, err
	}
	if len(out) != size {
		return nil, fmt.Errorf("a page expands to %d bytes; expected %d", len(out), size)
	}
	return out, nil
}

// levels checks that none of n values is missing: their definition levels are one.
func (c *parquetChunk) levels(data []byte, n int) error {
	at := 0
	return hybrid(data, 1, c.room(n), func(level uint32, count int) error {
		if level == 0 {
			return c.refuse(at, "no value; expected a number (fill missing values first)")
		}
		at += count
		return nil
	})
}

// room returns n if so many values may follow, else one more than may: the decoder then finds out.
func (c *parquetChunk) room(n int) int { return max(0, min(n, c.rows-len(c.values)+1)) }

// append decodes n values.
func (c *parquetChunk) append(data []byte, n int, encoding format.Encoding) error {
	if n < 0 || n > c.rows-len(c.values) {
		return fmt.Errorf("more than the %d values of its row group", c.rows)
	}
	var values []float64
	var err error
	switch encoding {
	case format.Plain:
		values, err = c.plain(data, n, c.refuse)
	//lint:ignore SA1019 writers of version 1 use it
	case format.PlainDictionary, format.RLEDictionary:
		return c.fromDictionary(data, n)
	case format.RLE:
		if c.column.kind != parquet.Boolean || len(data) < 4 {
			return errors.New("run lengths for what is no truth value")
		}
		return hybrid(data[4:], 1, n, func(v uint32, count int) error {
			for range count {
				c.values = append(c.values, float64(v))
			}
			return nil
		})
	case format.ByteStreamSplit:
		values, err = c.plain(unsplit(data, n), n, c.refuse)
	default:
		return fmt.Errorf("values in encoding %v; expected plain, dictionary or byte stream split: write the file without it", encoding)
	}
	c.values = append(c.values, values...)
	return err
}

// fromDictionary decodes n places in the dictionary: the bits of each, then runs.
func (c *parquetChunk) fromDictionary(data []byte, n int) error {
	if n == 0 {
		return nil
	}
	if len(data) == 0 || data[0] > 32 {
		return errors.New("a page ends within its values")
	}
	return hybrid(data[1:], uint(data[0]), n, func(place uint32, count int) error {
		if int64(place) >= int64(len(c.dictionary)) {
			return fmt.Errorf("value %d of a dictionary of %d", place, len(c.dictionary))
		}
		if what := c.bad[int(place)]; what != "" {
			return c.refuse(0, what)
		}
		for range count {
			c.values = append(c.values, c.dictionary[place])
		}
		return nil
	})
}

// hybrid decodes n numbers of the given width: runs of one number, or groups of eight packed ones. It calls use for each, or for
// count equal ones at once.
func hybrid(data []byte, width uint, n int, use func(v uint32, count int) error) error {
	for n > 0 {
		header, used := binary.Uvarint(data)
		if used <= 0 {
			return errors.New("a page ends within its runs")
		}
		data = data[used:]
		if header&1 == 0 {
			bytes := int(width+7) / 8
			if len(data) < bytes || header>>1 == 0 {
				return errors.New("a page ends within a run")
			}
			var v uint32
			for i := range bytes {
				v |= uint32(data[i]) << (8 * i)
			}
			count := int(min(header>>1, uint64(n)))
			if err := use(v, count); err != nil {
				return err
			}
			data, n = data[bytes:], n-count
			continue
		}
		groups := header >> 1
		hi, size := bits.Mul64(groups, uint64(width))
		if hi != 0 || size > uint64(len(data)) || groups == 0 {
			return errors.New("a page ends within its packed values")
		}
		count := int(min(groups, uint64(n))) * 8 // no overflow: n is at most 2^31
		for i := range min(count, n) {
			if err := use(packed(data, i, width), 1); err != nil {
				return err
			}
		}
		data, n = data[size:], n-min(count, n)
	}
	return nil
}

// packed returns number i of those packed into width bits each, lowest bits first.
func packed(data []byte, i int, width uint) uint32 {
	bit := uint64(i) * uint64(width)
	var v uint64
	for k, at := 0, bit/8; k < 5 && at < uint64(len(data)); k, at = k+1, at+1 {
		v |= uint64(data[at]) << (8 * k)
	}
	return uint32(v >> (bit % 8) & (1<<width - 1))
}

// unsplit puts the bytes of n values back together: first the lowest bytes of all, then the next.
func unsplit(data []byte, n int) []byte {
	if n == 0 {
		return nil
	}
	size := len(data) / n
	out := make([]byte, n*size)
	for i := range n {
		for k := range size {
			out[i*size+k] = data[k*n+i]
		}
	}
	return out
}

// refuse says what is wrong with value i after those that have been read.
func (c *parquetChunk) refuse(i int, what string) error { return &valueError{len(c.values) + i, what} }

// plain decodes n values as they are. It calls bad for those that float64 cannot hold.
func (c *parquetChunk) plain(data []byte, n int, bad func(i int, what string) error) ([]float64, error) {
	size := map[parquet.Kind]int{parquet.Int32: 4, parquet.Float: 4, parquet.Int64: 8, parquet.Double: 8}[c.column.kind]
	if n < 0 || size > 0 && n > len(data)/size || size == 0 && n > 8*len(data) {
		return nil, errors.New("a page ends within its values")
	}
	out := make([]float64, n)
	for i := range out {
		var what string
		switch c.column.kind {
		case parquet.Boolean:
			out[i] = float64(data[i/8] >> (i % 8) & 1)
		case parquet.Int32:
			v := binary.LittleEndian.Uint32(data[4*i:])
			if out[i] = float64(int32(v)); c.column.unsigned {
				out[i] = float64(v)
			}
		case parquet.Float:
			out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
		case parquet.Int64:
			out[i], what = exactly(int64(binary.LittleEndian.Uint64(data[8*i:])), c.column.unsigned)
		case parquet.Double:
			out[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
		}
		if what != "" {
			if err := bad(i, what); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// exactly returns v as float64, or what is wrong with it.
func exactly(v int64, unsigned bool) (x float64, what string) {
	if v > exact || v < -exact || unsigned && v < 0 {
		return 0, "an integer beyond ±2^53: it has no exact float64"
	}
	return float64(v), ""
}
