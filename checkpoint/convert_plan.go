package checkpoint

import (
	"path/filepath"
	"strings"
)

// PlanConvert returns the tensors that Convert would write for the same dst and opts, in order, without writing anything. It
// fails where Convert would for want of a name, a type or a tokenizer in the other format.
func (m *Model) PlanConvert(dst string, opts ConvertOptions) ([]Info, error) {
	c := &conversion{model: m, opts: opts, config: m.config, dst: dst}
	c.gguf = strings.EqualFold(filepath.Ext(dst), ".gguf")
	if c.gguf {
		if _, err := c.ggufMetadata(); err != nil {
			return nil, err
		}
	}
	if err := c.plan(); err != nil {
		return nil, err
	}
	if !c.gguf {
		if err := c.narrowVectors(); err != nil {
			return nil, err
		}
	}
	infos := make([]Info, len(c.steps))
	for i, s := range c.steps {
		infos[i] = s.out
	}
	return infos, nil
}
