package tokenizer

// A model turns one word of the pre-tokenizer into ids, which it appends to sc.ids.
type model interface {
	encode(sc *scratch, word string)
}

// scratch is the memory one Encode works in.
type scratch struct {
	ids     []int32 // of the word in hand
	out     []int   // of the text
	pairs   []uint64
	links   []link
	queue   []uint64
	special []match
	normed  []match
}

// emit appends a word's ids to the text's.
func (sc *scratch) emit(ids []int32) {
	for _, id := range ids {
		sc.out = append(sc.out, int(id))
	}
}

// remembered runs a model through a cache of words.
type remembered struct {
	cache *cache
	model interface {
		ids(sc *scratch, word string)
	}
}

func (r remembered) encode(sc *scratch, word string) {
	if len(word) > cacheWord {
		sc.ids = sc.ids[:0]
		r.model.ids(sc, word)
		sc.emit(sc.ids)
		return
	}
	set := r.cache.set(word)
	if ids, ok := set.get(word); ok {
		sc.emit(ids)
		return
	}
	sc.ids = sc.ids[:0]
	r.model.ids(sc, word)
	set.put(word, sc.ids)
	sc.emit(sc.ids)
}

// sections runs a model on parts of a long piece that no merge can join: each begins with mark where the character before
// is not mark. SentencePiece-style models have no pre-tokenizer, so that without it a text would be one word.
type sections struct {
	remembered
	mark string
}

func (b sections) encode(sc *scratch, piece string) {
	start, i := 0, 0
	for i < len(piece) {
		if piece[i] != b.mark[0] || len(piece)-i < len(b.mark) || piece[i:i+len(b.mark)] != b.mark {
			i++
			continue
		}
		if i > start {
			b.remembered.encode(sc, piece[start:i])
			start = i
		}
		for i < len(piece) && len(piece)-i >= len(b.mark) && piece[i:i+len(b.mark)] == b.mark {
			i += len(b.mark)
		}
	}
	if start < len(piece) {
		b.remembered.encode(sc, piece[start:])
	}
}
