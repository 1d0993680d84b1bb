package tokenizer

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// bpe is byte pair encoding (Sennrich et al., arXiv 1508.07909) over characters, with bytes as a fallback, or over bytes.
type bpe struct {
	vocab        map[string]int32 // token -> id; of a byte-level model the tokens' bytes
	merges       *pairs
	byteLevel    bool
	bytes        [256]int32 // the token of each byte (byte-level, or byte fallback), or -1
	ascii        [utf8.RuneSelf]int32
	unk          int32 // or -1: unknown characters vanish
	fuseUnk      bool
	byteFallback bool
	ignoreMerges bool   // a word in the vocabulary is one token, merges or not
	prefix       string // before every symbol but a word's first
	suffix       string // after a word's last symbol
	letters      map[string]int32
	spelled      []string // of the ids from letterBase on: characters that only occur inside tokens
	letterBase   int32
}

// ids appends the tokens of word to sc.ids.
func (b *bpe) ids(sc *scratch, word string) {
	if b.ignoreMerges {
		if id, ok := b.vocab[word]; ok {
			sc.ids = append(sc.ids, id)
			return
		}
	}
	if b.byteLevel {
		b.byteSymbols(sc, word)
	} else {
		b.charSymbols(sc, word)
	}
	sc.ids = b.merges.mergeAll(sc, sc.ids)
	if len(b.spelled) > 0 {
		b.spell(sc)
	}
}

// byteSymbols appends a symbol a byte.
func (b *bpe) byteSymbols(sc *scratch, word string) {
	fused := false
	for i := range len(word) {
		id := b.bytes[word[i]]
		if id < 0 {
			if b.unk < 0 || fused && b.fuseUnk {
				continue
			}
			id, fused = b.unk, true
		} else {
			fused = false
		}
		sc.ids = append(sc.ids, id)
	}
}

// charSymbols appends a symbol a character. Like Hugging Face's library it keeps an unknown token back until the next known
// character, past bytes of the fallback.
func (b *bpe) charSymbols(sc *scratch, word string) {
	plain := b.prefix == "" && b.suffix == ""
	unknown := false
	for i := 0; i < len(word); {
		_, n := utf8.DecodeRuneInString(word[i:])
		s := word[i : i+n]
		id, ok := int32(-1), false
		switch {
		case plain && n == 1:
			id = b.ascii[s[0]]
			ok = id >= 0
		case plain:
			id, ok = b.lookup(s)
		default:
			if i > 0 {
				s = b.prefix + s
			}
			if i+n == len(word) {
				s += b.suffix
			}
			id, ok = b.vocab[s]
		}
		i += n
		switch {
		case ok:
			if unknown {
				sc.ids = append(sc.ids, b.unk)
				unknown = false
			}
			sc.ids = append(sc.ids, id)
		case b.byteFallback && b.hasBytes(s):
			for j := range len(s) {
				sc.ids = append(sc.ids, b.bytes[s[j]])
			}
		case b.unk >= 0:
			if unknown && !b.fuseUnk {
				sc.ids = append(sc.ids, b.unk)
			}
			unknown = true
		}
	}
	if unknown {
		sc.ids = append(sc.ids, b.unk)
	}
}

func (b *bpe) lookup(char string) (int32, bool) {
	id, ok := b.vocab[char]
	if !ok && b.letters != nil {
		id, ok = b.letters[char]
	}
	return id, ok
}

func (b *bpe) hasBytes(s string) bool {
	for i := range len(s) {
		if b.bytes[s[i]] < 0 {
			return false
		}
	}
	return true
}

// spell replaces symbols that are no token, but could have become part of one, by their bytes.
func (b *bpe) spell(sc *scratch) {
	if !slices.ContainsFunc(sc.ids, func(id int32) bool { return id >= b.letterBase }) {
		return
	}
	out := make([]int32, 0, len(sc.ids)+8)
	for _, id := range sc.ids {
		if id < b.letterBase {
			out = append(out, id)
			continue
		}
		char := b.spelled[id-b.letterBase]
		switch {
		case b.hasBytes(char):
			for i := range len(char) {
				out = append(out, b.bytes[char[i]])
			}
		case b.unk >= 0:
			out = append(out, b.unk)
		}
	}
	sc.ids = append(sc.ids[:0], out...)
}

// finish fills the tables derived from the vocabulary.
func (b *bpe) finish() {
	for i := range b.ascii {
		b.ascii[i] = -1
		if id, ok := b.lookup(string(rune(i))); ok {
			b.ascii[i] = id
		}
	}
	for i := range b.bytes {
		b.bytes[i] = -1
		key := fmt.Sprintf("<0x%02X>", i)
		if b.byteLevel {
			key = string([]byte{byte(i)})
		}
		if id, ok := b.vocab[key]; ok {
			b.bytes[i] = id
		}
	}
}

// setMerges builds the merge table from pairs of tokens in order of rank, each written as in the vocabulary.
func (b *bpe) setMerges(list [][2]string) error {
	b.merges = newPairs(len(list))
	var joined []byte
	for rank, m := range list {
		left, okLeft := b.vocab[m[0]]
		right, okRight := b.vocab[m[1]]
		joined = append(append(joined[:0], m[0]...), strings.TrimPrefix(m[1], b.prefix)...)
		merged, ok := b.vocab[string(joined)]
		if !ok || !okLeft || !okRight {
			return fmt.Errorf("merge %d (%q %q): the vocabulary lacks a part or the result %q", rank, m[0], m[1], joined)
		}
		b.merges.set(left, right, uint32(rank), merged)
	}
	return nil
}

// maxScored bounds the length of a token that score-based merging may form; it keeps the search for its halves linear in
// the size of the file. SentencePiece's default is 16 characters.
const maxScored = 1024

// setScores builds the merge table of SentencePiece's and llama2.c's greedy rule: join the two neighbours whose joint text is
// the token of highest score, leftmost first. usable says which tokens may take part. A character that is no token may
// still be joined to others; it gets an id beyond the vocabulary.
func (b *bpe) setScores(tokens []string, scores []float32, usable func(id int) bool) error {
	ranks, err := scoreRanks(scores)
	if err != nil {
		return err
	}
	b.letterBase, b.letters = int32(len(tokens)), map[string]int32{}
	part := func(s string) (int32, bool) {
		if id, ok := b.vocab[s]; ok {
			return id, true
		}
		if _, n := utf8.DecodeRuneInString(s); n != len(s) {
			return 0, false
		}
		id, ok := b.letters[s]
		if !ok {
			id = b.letterBase + int32(len(b.spelled))
			b.letters[s] = id
			b.spelled = append(b.spelled, s)
		}
		return id, true
	}
	type merge struct {
		left, right, merged int32
	}
	var list []merge
	for id, tok := range tokens {
		if !usable(id) || b.vocab[tok] != int32(id) {
			continue
		}
		if len(tok) > maxScored {
			return fmt.Errorf("token %d is %d bytes long, more than the %d that merging by score allows", id, len(tok), maxScored)
		}
		for i := range tok {
			if i == 0 {
				continue
			}
			left, ok := part(tok[:i])
			if !ok {
				continue
			}
			if right, ok := part(tok[i:]); ok {
				list = append(list, merge{left, right, int32(id)})
			}
		}
	}
	b.merges = newPairs(len(list))
	for _, m := range list {
		b.merges.set(m.left, m.right, ranks[m.merged], m.merged)
	}
	return nil
}

// scoreRanks numbers the scores from the highest down, equal ones alike.
func scoreRanks(scores []float32) ([]uint32, error) {
	order := make([]int, len(scores))
	for i, s := range scores {
		if math.IsNaN(float64(s)) {
			return nil, fmt.Errorf("the score of token %d is not a number", i)
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case scores[i] > scores[j]:
			return -1
		case scores[i] < scores[j]:
			return 1
		}
		return 0
	})
	ranks := make([]uint32, len(scores))
	for k, i := range order {
		if k > 0 && scores[i] != scores[order[k-1]] {
			ranks[i] = ranks[order[k-1]] + 1
		} else if k > 0 {
			ranks[i] = ranks[order[k-1]]
		}
	}
	return ranks, nil
}

// wrap returns the model to run: with a cache of words and, where no token has mark after another character, so that no
// merge can cross such a place, on the sections between.
func (b *bpe) wrap(mark string) model {
	r := remembered{newCache(), b}
	_, known := b.vocab[mark]
	if mark == "" || b.byteLevel || b.ignoreMerges || b.prefix != "" || b.suffix != "" || !known {
		return r
	}
	for tok := range b.vocab {
		if strings.Contains(strings.TrimLeft(tok, mark), mark) {
			return r
		}
	}
	return sections{r, mark}
}
