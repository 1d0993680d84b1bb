package tokenizer

import (
	"errors"
	"fmt"
	"sync"
)

// Tokenizer turns text into token ids and back. It is safe for concurrent use, and what it returns does not depend on what
// it encoded before.
type Tokenizer struct {
	tokens  []string        // by id; holes are empty
	byText  map[string]int  // token -> id
	added   map[int]added   // by id
	special map[string]bool // texts of special tokens

	raw, normed   *matcher // added tokens matched before and after normalisation
	normalisers   []normaliser
	stages        []stage
	model         model
	before, after []int // ids the post-processor puts around a text
	bos, eos      int   // or -1
	decoders      []decodeStep
	byteLevel     bool // decoders contain ByteLevel
	template      string
	scratches     sync.Pool
}

// EncodeOptions tunes Encode; its zero value gives what the model expects: the tokens its configuration puts around a text
// are there, and special tokens written in the text are recognised.
type EncodeOptions struct {
	// Bare leaves out what the configuration adds around the text (BOS, EOS, [CLS], [SEP]).
	Bare bool
	// Literal reads special tokens written in the text as ordinary characters: for text that must not command the model.
	Literal bool
}

// Encode appends the ids of text to dst and returns it. text may hold any bytes (see the package documentation for what is
// not UTF-8).
func (t *Tokenizer) Encode(dst []int, text string, opts EncodeOptions) []int {
	sc, _ := t.scratches.Get().(*scratch)
	if sc == nil {
		sc = &scratch{}
	}
	sc.out = dst
	if !opts.Bare {
		sc.out = append(sc.out, t.before...)
	}
	t.encodeText(sc, lossy(text), opts.Literal)
	if !opts.Bare {
		sc.out = append(sc.out, t.after...)
	}
	dst, sc.out = sc.out, nil
	t.scratches.Put(sc)
	return dst
}

// encodeText cuts out the added tokens that are matched in the text as it is.
func (t *Tokenizer) encodeText(sc *scratch, text string, literal bool) {
	sc.special = t.raw.find(sc.special[:0], text, literal)
	at := 0
	for _, m := range sc.special {
		if at < m.lo {
			t.encodeSection(sc, text[at:m.lo], at == 0, literal)
		}
		sc.out = append(sc.out, m.id)
		at = m.hi
	}
	if at < len(text) {
		t.encodeSection(sc, text[at:], at == 0, literal)
	}
}

// encodeSection normalises what lies between and cuts out the added tokens that are matched in normalised text.
func (t *Tokenizer) encodeSection(sc *scratch, s string, atStart, literal bool) {
	for _, n := range t.normalisers {
		s = n(s)
	}
	sc.normed = t.normed.find(sc.normed[:0], s, literal)
	at := 0
	for _, m := range sc.normed {
		if at < m.lo {
			t.encodePiece(sc, 0, s[at:m.lo], atStart && at == 0)
		}
		sc.out = append(sc.out, m.id)
		at = m.hi
	}
	if at < len(s) {
		t.encodePiece(sc, 0, s[at:], atStart && at == 0)
	}
}

// encodePiece runs the pre-tokenizer from step k on, and the model on the words it ends in.
func (t *Tokenizer) encodePiece(sc *scratch, k int, s string, atStart bool) {
	if k == len(t.stages) {
		t.model.encode(sc, s)
		return
	}
	st := &t.stages[k]
	if st.rewrite != nil {
		s = st.rewrite(s, atStart)
	}
	if st.splitter == nil {
		t.encodePiece(sc, k+1, s, atStart)
		return
	}
	last := k+1 == len(t.stages)
	for len(s) > 0 {
		n, keep := st.splitter.next(s)
		switch {
		case keep && last:
			t.model.encode(sc, s[:n])
		case keep:
			t.encodePiece(sc, k+1, s[:n], atStart)
		}
		s, atStart = s[n:], false
	}
}

// VocabSize returns one more than the highest id, added tokens included: the rows an embedding needs.
func (t *Tokenizer) VocabSize() int { return len(t.tokens) }

// Token returns the text of an id as the vocabulary writes it ("Ġthe", "▁the", "##ing", "<0x0A>"), and whether it exists.
func (t *Tokenizer) Token(id int) (string, bool) {
	if id < 0 || id >= len(t.tokens) {
		return "", false
	}
	text := t.tokens[id]
	at, ok := t.byText[text]
	return text, ok && (at == id || text != "")
}

// ID returns the id of a token as the vocabulary writes it, and whether it exists.
func (t *Tokenizer) ID(token string) (int, bool) {
	id, ok := t.byText[token]
	return id, ok
}

// BOS returns the id of the token that begins a text, and whether the configuration names one; it may do so without Encode
// adding it.
func (t *Tokenizer) BOS() (int, bool) { return t.bos, t.bos >= 0 }

// EOS returns the id of the token that ends a text, and whether the configuration names one.
func (t *Tokenizer) EOS() (int, bool) { return t.eos, t.eos >= 0 }

// IsSpecial reports whether id is a special token, which Decode leaves out.
func (t *Tokenizer) IsSpecial(id int) bool {
	text, ok := t.Token(id)
	return ok && t.special[text]
}

// ChatTemplate returns the chat template (Jinja source) that came with the tokenizer, or the empty string. It is not run.
func (t *Tokenizer) ChatTemplate() string { return t.template }

// builder collects a vocabulary on its way into a Tokenizer.
type builder struct {
	t     *Tokenizer
	added []added
}

func newBuilder() *builder {
	return &builder{t: &Tokenizer{byText: map[string]int{}, added: map[int]added{}, special: map[string]bool{}, bos: -1, eos: -1}}
}

// setTokens sets the model's vocabulary. Ids may leave holes, but not more than there are tokens.
func (b *builder) setTokens(vocab map[string]int32, extra int) error {
	size := 0
	for tok, id := range vocab {
		if id < 0 || int(id) > 2*(len(vocab)+extra)+1000 {
			return fmt.Errorf("token %q has id %d in a vocabulary of %d tokens", tok, id, len(vocab))
		}
		size = max(size, int(id)+1)
	}
	b.t.tokens = make([]string, size)
	for tok, id := range vocab {
		b.t.tokens[id] = tok
		b.t.byText[tok] = int(id)
	}
	return nil
}

// add registers an added token. A token of the vocabulary keeps the id it has there.
func (b *builder) add(a added) error {
	t := b.t
	if a.content == "" {
		return nil
	}
	if id, ok := t.byText[a.content]; ok {
		a.id = id
	}
	if a.id < 0 || a.id > 2*len(t.tokens)+1000 {
		return fmt.Errorf("added token %q has id %d beside a vocabulary of %d", a.content, a.id, len(t.tokens))
	}
	for len(t.tokens) <= a.id {
		t.tokens = append(t.tokens, "")
	}
	t.tokens[a.id] = a.content
	t.byText[a.content] = a.id
	if a.special {
		t.special[a.content] = true
	}
	b.added = append(b.added, a)
	return nil
}

// finish builds the matchers and returns the tokenizer.
func (b *builder) finish() (*Tokenizer, error) {
	t := b.t
	var raw, normed []added
	for _, a := range b.added {
		a.pattern = a.content
		if a.normed {
			for _, n := range t.normalisers {
				a.pattern = n(a.pattern)
			}
			normed = append(normed, a)
		} else {
			raw = append(raw, a)
		}
		t.added[a.id] = a
	}
	var errRaw, errNormed error
	t.raw, errRaw = newMatcher(raw)
	t.normed, errNormed = newMatcher(normed)
	return t, errors.Join(errRaw, errNormed)
}
