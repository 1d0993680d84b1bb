package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// vocabularyBesideLlama2c reads llama2.c's tokenizer file beside a model, tok512.bin for 512 tokens or tokenizer.bin; nil
// without error when there is none.
func vocabularyBesideLlama2c(dir string, vocab int) (*vocabulary, error) {
	for _, name := range []string{fmt.Sprintf("tok%d.bin", vocab), "tokenizer.bin"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		data, err := readLimited(path, maxTokenizer)
		if err != nil {
			return nil, err
		}
		v, err := parseLlama2cTokens(data, vocab)
		if err != nil {
			return nil, failf(path, "%w", err)
		}
		return v, nil
	}
	return nil, nil
}

// parseLlama2cTokens reads an int32 (the longest token), then for each token a float32 score, an int32 length and bytes.
// llama2.c's exporter has replaced SentencePiece's "▁" by a space and framed the two control tokens by newlines.
func parseLlama2cTokens(data []byte, vocab int) (*vocabulary, error) {
	v := newVocabulary()
	v.kind, v.spacePrefix, v.addBOS = ggufSentencePiece, true, true
	v.unk, v.bos, v.eos = 0, 1, 2
	at := 4
	for i := range vocab {
		if at > len(data)-8 {
			return nil, fmt.Errorf("token %d of %d: the file ends: truncated?", i, vocab)
		}
		score := math.Float32frombits(binary.LittleEndian.Uint32(data[at:]))
		n := int(int32(binary.LittleEndian.Uint32(data[at+4:])))
		at += 8
		if n < 0 || n > min(maxTokenBytes, len(data)-at) {
			return nil, fmt.Errorf("token %d of %d: %d bytes declared, %d in the file: truncated?", i, vocab, n, len(data)-at)
		}
		text, kind := strings.ReplaceAll(string(data[at:at+n]), " ", spaceMark), tokenNormal
		at += n
		switch {
		case i == v.unk:
			kind = tokenUnknown
		case i == v.bos || i == v.eos:
			text, kind = strings.TrimSpace(text), tokenControl
		case isByteToken(text):
			kind = tokenByte
		}
		v.tokens, v.scores, v.types = append(v.tokens, text), append(v.scores, score), append(v.types, kind)
	}
	if at != len(data) {
		return nil, fmt.Errorf("%d bytes after the last of %d tokens: a tokenizer of another model?", len(data)-at, vocab)
	}
	return v, nil
}

// spaceMark is SentencePiece's visible space.
const spaceMark = "▁"

// isByteToken recognises SentencePiece's fallback tokens, <0x00> to <0xFF>.
func isByteToken(s string) bool {
	var b uint8
	if len(s) != 6 || !strings.HasPrefix(s, "<0x") || s[5] != '>' {
		return false
	}
	_, err := fmt.Sscanf(s[3:5], "%02X", &b)
	return err == nil
}
