package tokenizer

import "strings"

// Stream decodes ids one by one, as a generating model gives them, and holds back text that is not complete: the bytes of an
// unfinished character. Joined, what it returns is what Decode returns for all ids at once, but for broken characters:
// where a run of byte-fallback tokens spells no text, Decode may replace all of the run, Stream only what it still holds.
type Stream struct {
	t       *Tokenizer
	opts    DecodeOptions
	pending []byte // byte-level: an unfinished character
	ids     []int  // otherwise: enough ids to decode the next one in its context
	done    string // the part of their text that was returned
	held    int    // ids added since
}

// NewStream returns a decoder for one text.
func (t *Tokenizer) NewStream(opts DecodeOptions) *Stream { return &Stream{t: t, opts: opts} }

// Next returns the text that id completes, which is often empty.
func (s *Stream) Next(id int) string {
	text, ok := s.t.written(id, s.opts)
	if !ok {
		return ""
	}
	if s.t.byteLevel {
		s.pending = appendTokenBytes(s.pending, text)
		whole := len(s.pending) - incomplete(string(s.pending))
		out := lossy(string(s.pending[:whole]))
		s.pending = append(s.pending[:0], s.pending[whole:]...)
		return out
	}
	s.ids = append(s.ids, id)
	s.held++
	if _, ok := fallbackByte(text); ok && s.unfinished() {
		return ""
	}
	return s.take(ok)
}

// Flush returns what is held back, an unfinished character as U+FFFD, and makes the stream ready for another text.
func (s *Stream) Flush() string {
	out := ""
	if s.t.byteLevel {
		out = lossy(string(s.pending))
	} else {
		out = s.take(false)
	}
	s.pending, s.ids, s.done, s.held = s.pending[:0], s.ids[:0], "", 0
	return out
}

// unfinished reports whether the bytes at the end of ids begin a character without finishing it.
func (s *Stream) unfinished() bool {
	var run []byte
	for i := max(0, len(s.ids)-4); i < len(s.ids); i++ {
		text, _ := s.t.written(s.ids[i], s.opts)
		if b, ok := fallbackByte(text); ok {
			run = append(run, b)
		} else {
			run = run[:0]
		}
	}
	return incomplete(string(run)) > 0
}

// take returns the text of ids that was not returned before, and forgets the ids that the next ones no longer depend on: all
// but the last, unless the last belongs to a run of bytes.
func (s *Stream) take(inRun bool) string {
	all := s.t.DecodeWith(s.ids, s.opts)
	out, ok := strings.CutPrefix(all, s.done)
	if !ok { // a run of bytes turned out to spell no text: what was returned stands
		out = strings.Repeat("\uFFFD", s.held)
	}
	s.done, s.held = all, 0
	if !inRun && len(s.ids) > 1 {
		s.ids = append(s.ids[:0], s.ids[len(s.ids)-1])
		s.done = s.t.DecodeWith(s.ids, s.opts)
	}
	return out
}
