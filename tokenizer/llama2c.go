package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// In llama2.c's vocabularies ids 0, 1 and 2 are unknown, BOS and EOS, and the 256 byte tokens follow.
const (
	llama2cBOS   = 1
	llama2cEOS   = 2
	llama2cBytes = 3
	llama2cFirst = llama2cBytes + 256
)

// FromLlama2c reads a tokenizer of llama2.c (tokenizer.bin, tok512.bin): the length of the longest token, then per token a
// float32 score, an int32 length and the bytes, little-endian. Texts get a space before and BOS; neighbours are merged by
// score.
func FromLlama2c(r io.Reader) (*Tokenizer, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := parseLlama2c(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: llama2.c vocabulary: %w", err)
	}
	return t, nil
}

func parseLlama2c(data []byte) (*Tokenizer, error) {
	if len(data) < 4 {
		return nil, fmt.Errorf("%d bytes, too short for a header", len(data))
	}
	longest := binary.LittleEndian.Uint32(data)
	var tokens []string
	var scores []float32
	for at := 4; at < len(data); {
		if len(data)-at < 8 {
			return nil, fmt.Errorf("token %d: %d bytes left, 8 expected: truncated?", len(tokens), len(data)-at)
		}
		score := math.Float32frombits(binary.LittleEndian.Uint32(data[at:]))
		length := binary.LittleEndian.Uint32(data[at+4:])
		at += 8
		if length > longest || int64(length) > int64(len(data)-at) {
			return nil, fmt.Errorf("token %d: %d bytes declared, %d in the file, at most %d by the header", len(tokens), length,
				len(data)-at, longest)
		}
		tokens = append(tokens, string(data[at:at+int(length)]))
		scores = append(scores, score)
		at += int(length)
	}
	if len(tokens) < llama2cFirst {
		return nil, fmt.Errorf("%d tokens, fewer than the %d of an empty vocabulary", len(tokens), llama2cFirst)
	}
	return llama2c(tokens, scores)
}

func llama2c(tokens []string, scores []float32) (*Tokenizer, error) {
	b := newBuilder()
	t := b.t
	p := &bpe{vocab: map[string]int32{}, unk: 0, byteFallback: true}
	for id, tok := range tokens {
		if _, ok := t.byText[tok]; !ok {
			t.byText[tok] = id
		}
		if _, ok := p.vocab[tok]; !ok && id >= llama2cFirst {
			p.vocab[tok] = int32(id)
		}
	}
	if _, ok := p.vocab[" "]; !ok {
		return nil, errors.New("no token for the space that llama2.c puts before a text")
	}
	if err := p.setScores(tokens, scores, func(id int) bool { return id >= llama2cFirst }); err != nil {
		return nil, err
	}
	p.finish()
	for i := range p.bytes {
		p.bytes[i] = int32(llama2cBytes + i)
	}
	t.tokens = tokens
	for _, tok := range tokens[:llama2cBytes] {
		t.special[tok] = true
	}
	t.model = p.wrap(" ")
	t.stages = []stage{{rewrite: func(s string, _ bool) string { return " " + s }}}
	t.decoders = []decodeStep{byteFallback, fuse, perToken(func(s string, _ bool) string { return strings.TrimPrefix(s, " ") })}
	t.bos, t.eos = llama2cBOS, llama2cEOS
	t.before = []int{llama2cBOS}
	return b.finish()
}
