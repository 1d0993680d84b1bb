"""Makes this folder: tiny models as transformers saves them, and the same weights in GGUF as the gguf package writes them.

Run with transformers 5.24, tokenizers 0.23 and gguf 0.19 (any recent versions do): python make_fixtures.py
The rows of the query and key projections are reordered here by the reshape that llama.cpp's converter uses, and RoPE's
divisors follow from the frequencies that transformers computed: neither repeats Eckart's code.
"""
import json
import os
import shutil

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB = 280
SHAPE = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128, initializer_range=0.5, bos_token_id=0, eos_token_id=1)
NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
         "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def gguf_name(name):
    if name.startswith("model.layers."):
        _, _, block, rest = name.split(".", 3)
        module, kind = rest.rsplit(".", 1)
        return f"blk.{block}.{NAMES[module]}.{kind}"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
            "lm_head.weight": "output.weight"}[name]


def permute(w, heads):
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def tokenizer():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB - 4, special_tokens=["<|begin|>", "<|end|>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator(["the cat sat on the mat and the hat in 1984"] * 50, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<|begin|>", eos_token="<|end|>")


def main():
    torch.manual_seed(1)
    scaling = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=64)
    made = {
        "llama": LlamaForCausalLM(LlamaConfig(**SHAPE, rope_parameters=scaling, tie_word_embeddings=False)),
        "qwen2": Qwen2ForCausalLM(Qwen2Config(**SHAPE, tie_word_embeddings=True)),
    }
    expected = {}
    for arch, model in made.items():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                torch.nn.init.normal_(p)
        rope = model.model.rotary_emb.inv_freq.float().numpy()  # before it is rounded with the weights
        model = model.to(torch.bfloat16)
        folder = os.path.join(HERE, arch)
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder, max_shard_size="40KB" if arch == "llama" else "1GB")
        tokenizer().save_pretrained(folder)
        expected[arch] = {"inv_freq": [float(f) for f in rope]}

        w = gguf.GGUFWriter(os.path.join(HERE, arch + ".gguf"), arch)
        c = model.config
        w.add_block_count(2), w.add_context_length(128), w.add_embedding_length(32), w.add_feed_forward_length(64)
        w.add_head_count(4), w.add_head_count_kv(2), w.add_layer_norm_rms_eps(c.rms_norm_eps)
        w.add_rope_freq_base(c.rope_parameters["rope_theta"])
        w.add_rope_dimension_count(8)
        if arch == "llama":
            plain = 500000.0 ** -(np.arange(0, 8, 2) / 8)
            w.add_tensor("rope_freqs.weight", (plain / rope).astype(np.float32))
            w.add_uint32("llama.rope.scaling.original_context_length", 64)
        for name, p in model.state_dict().items():
            if name == "lm_head.weight" and c.tie_word_embeddings:
                continue
            a = p.float().numpy()
            if arch == "llama" and "q_proj" in name:
                a = permute(a, 4)
            if arch == "llama" and "k_proj" in name:
                a = permute(a, 2)
            if a.ndim == 1:
                w.add_tensor(gguf_name(name), a)
            else:
                half = gguf.GGMLQuantizationType.BF16
                w.add_tensor(gguf_name(name), gguf.quantize(a, half), raw_dtype=half)
        w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()
    with open(os.path.join(HERE, "expected.json"), "w") as f:
        json.dump(expected, f, indent=1)


main()
