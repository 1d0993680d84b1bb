package tokenizer

import "unicode/utf8"

// wordPiece takes the longest token a word begins with, then the longest continuation of it, and so on (BERT, arXiv
// 1810.04805); a word that cannot be finished is the unknown token.
type wordPiece struct {
	heads    map[string]int32 // tokens as written
	tails    map[string]int32 // tokens that continue a word, without their prefix
	unk      int32
	maxChars int // a longer word is unknown
	longest  int // length of the longest token in bytes
}

func newWordPiece(vocab map[string]int32, prefix string, unk int32, maxChars int) *wordPiece {
	w := &wordPiece{heads: vocab, tails: map[string]int32{}, unk: unk, maxChars: maxChars}
	for tok, id := range vocab {
		w.longest = max(w.longest, len(tok))
		if len(tok) > len(prefix) && tok[:len(prefix)] == prefix {
			w.tails[tok[len(prefix):]] = id
		}
	}
	return w
}

// ids appends the tokens of word to sc.ids.
func (w *wordPiece) ids(sc *scratch, word string) {
	if utf8.RuneCountInString(word) > w.maxChars {
		sc.ids = append(sc.ids, w.unk)
		return
	}
	first, vocab := len(sc.ids), w.heads
	for start := 0; start < len(word); {
		end, id, ok := min(len(word), start+w.longest), int32(0), false
		for ; end > start; end-- {
			if end < len(word) && !utf8.RuneStart(word[end]) {
				continue
			}
			if id, ok = vocab[word[start:end]]; ok {
				break
			}
		}
		if !ok {
			sc.ids = append(sc.ids[:first], w.unk)
			return
		}
		sc.ids = append(sc.ids, id)
		start, vocab = end, w.tails
	}
}
