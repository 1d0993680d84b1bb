package checkpoint

import (
	"strconv"
	"strings"
)

// Where a tensor of a Llama-family model is called what. In each format, block i's tensors share a prefix with i in it.

// naming is how one format names a model's tensors.
type naming struct {
	block string // prefix of a block's tensors, before the block's number and a dot
	of    func(row *nameRow) string
}

var (
	huggingFaceNames = naming{"model.layers.", func(r *nameRow) string { return r.huggingFace }}
	ggufNames        = naming{"blk.", func(r *nameRow) string { return r.gguf }}
	llama2cNames     = naming{"layers.", func(r *nameRow) string { return r.llama2c }}
)

// nameRow is one tensor in the three formats. An empty name means that the format has no such tensor.
type nameRow struct {
	huggingFace, gguf, llama2c string
	rotary                     rotary
}

// rotary says whether the rows of a tensor are turned by RoPE, which decides on their order: Hugging Face keeps the two
// halves of a head apart, Meta, llama2.c and GGUF's "llama" architecture keep the pairs side by side.
type rotary uint8

const (
	notRotary rotary = iota
	queryRows
	keyRows
)

var modelNames = []nameRow{
	{"model.embed_tokens.weight", "token_embd.weight", "tok_embeddings.weight", notRotary},
	{"model.norm.weight", "output_norm.weight", "norm.weight", notRotary},
	{"lm_head.weight", "output.weight", "output.weight", notRotary},
}

var blockNames = []nameRow{
	{"input_layernorm.weight", "attn_norm.weight", "attention_norm.weight", notRotary},
	{"self_attn.q_proj.weight", "attn_q.weight", "attention.wq.weight", queryRows},
	{"self_attn.q_proj.bias", "attn_q.bias", "", queryRows},
	{"self_attn.k_proj.weight", "attn_k.weight", "attention.wk.weight", keyRows},
	{"self_attn.k_proj.bias", "attn_k.bias", "", keyRows},
	{"self_attn.v_proj.weight", "attn_v.weight", "attention.wv.weight", notRotary},
	{"self_attn.v_proj.bias", "attn_v.bias", "", notRotary},
	{"self_attn.o_proj.weight", "attn_output.weight", "attention.wo.weight", notRotary},
	{"self_attn.o_proj.bias", "attn_output.bias", "", notRotary},
	{"post_attention_layernorm.weight", "ffn_norm.weight", "ffn_norm.weight", notRotary},
	{"mlp.gate_proj.weight", "ffn_gate.weight", "feed_forward.w1.weight", notRotary},
	{"mlp.gate_proj.bias", "ffn_gate.bias", "", notRotary},
	{"mlp.up_proj.weight", "ffn_up.weight", "feed_forward.w3.weight", notRotary},
	{"mlp.up_proj.bias", "ffn_up.bias", "", notRotary},
	{"mlp.down_proj.weight", "ffn_down.weight", "feed_forward.w2.weight", notRotary},
	{"mlp.down_proj.bias", "ffn_down.bias", "", notRotary},
}

// ropeFrequenciesName is GGUF's tensor of divisors of RoPE's frequencies (Llama 3.1 and later).
const ropeFrequenciesName = "rope_freqs.weight"

// lookup finds the row of a stored name and the block it belongs to, -1 for none. It reports whether there is one.
func (n naming) lookup(name string) (row *nameRow, block int, ok bool) {
	rows, block := modelNames, -1
	if rest, found := strings.CutPrefix(name, n.block); found {
		number, suffix, _ := strings.Cut(rest, ".")
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || strconv.Itoa(i) != number {
			return nil, 0, false
		}
		rows, block, name = blockNames, i, suffix
	}
	for i := range rows {
		if s := n.of(&rows[i]); s != "" && s == name {
			return &rows[i], block, true
		}
	}
	return nil, 0, false
}

// name returns what the format calls the row's tensor in a block (-1 for none); "" when it has none.
func (n naming) name(row *nameRow, block int) string {
	s := n.of(row)
	if s == "" || block < 0 {
		return s
	}
	return n.block + strconv.Itoa(block) + "." + s
}
