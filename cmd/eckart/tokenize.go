package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eckart-go/eckart/corpus"
)

func newTokenize(e *env) *cobra.Command {
	var sequences, length, blocks int
	var seed uint64
	c := &cobra.Command{
		Use:   "tokenize MODEL TEXT",
		Short: "Print the token ids of a text, or the sequences that compress and eval take from it",
		Long: `Encodes a text file or folder with a model's tokenizer and prints ids, one text a line. With --sequences it prints the
sequences that "compress" draws from the text for the same --context and --seed, with --blocks the first blocks that "eval"
measures: for handing the same data to another program.`,
		Example: `  eckart tokenize smollm2 book.txt --json
  eckart tokenize smollm2 book.txt --sequences 16 -c 256 --json
  eckart tokenize smollm2 wiki.test.raw --blocks 16 -c 256 --json`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if sequences > 0 && blocks > 0 {
				return usageError{fmt.Errorf("--sequences and --blocks exclude each other")}
			}
			m, err := openModel(args[0])
			if err != nil {
				return err
			}
			defer m.Close()
			tokens, err := m.tokens(args[1])
			if err != nil {
				return err
			}
			ids := tokenIDs{tokens}
			switch {
			case sequences > 0:
				ids, err = corpus.Sample(tokens, length, sequences, seed)
			case blocks > 0:
				ids, err = corpus.Blocks(tokens, length, blocks)
			}
			if err != nil {
				return err
			}
			return e.print(ids)
		},
	}
	c.Flags().IntVar(&sequences, "sequences", 0, "draw this many sequences, as compress does")
	c.Flags().IntVar(&blocks, "blocks", 0, "take this many blocks from the start, as eval does")
	c.Flags().IntVarP(&length, "context", "c", 512, "tokens of a sequence or block")
	e.seedFlag(c, &seed)
	return c
}

// tokenIDs are sequences of ids.
type tokenIDs [][]int

// WriteText writes one sequence a line.
func (t tokenIDs) WriteText(w io.Writer) error {
	for _, ids := range t {
		if _, err := fmt.Fprintln(w, strings.Trim(fmt.Sprint(ids), "[]")); err != nil {
			return err
		}
	}
	return nil
}

// MarshalJSON writes arrays without line breaks between numbers.
func (t tokenIDs) MarshalJSON() ([]byte, error) { return json.Marshal([][]int(t)) }
