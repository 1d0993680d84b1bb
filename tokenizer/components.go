package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxNesting bounds Sequences of Sequences.
const maxNesting = 8

// typed is the field every component has. A component's options are read with strict into a struct of all options that
// components of its kind have.
type typed struct {
	Type string `json:"type"`
}

func typeOf(raw json.RawMessage, depth int) (string, error) {
	if depth > maxNesting {
		return "", fmt.Errorf("sequences are nested more than %d deep", maxNesting)
	}
	var c typed
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", err
	}
	return c.Type, nil
}

// pattern is a string or a regular expression.
type pattern struct {
	String *string
	Regex  *string
}

func (p pattern) literal() (string, error) {
	switch {
	case p.Regex != nil:
		return "", fmt.Errorf("unknown regular expression %q", *p.Regex)
	case p.String == nil || *p.String == "":
		return "", errors.New("empty pattern")
	}
	return *p.String, nil
}
