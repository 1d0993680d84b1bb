"""llama.cpp on fixed token ids through llama-cpp-python's low-level bindings."""

import ctypes

import llama_cpp
import numpy as np


def simd(info):
    """The instruction sets in llama.cpp's system information, "CPU : AVX2 = 1 | FMA = 1 | ..."."""
    return " ".join(w.split("=")[0].split(":")[-1].strip() for w in info.split("|") if "= 1" in w)


class Runner:
    """One model and one context."""

    def __init__(self, path, threads, context):
        quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
        self.quiet = quiet  # the library keeps the pointer
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            raise OSError(f"llama.cpp cannot load {path}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = context
        params.n_threads = params.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.context:
            raise MemoryError(f"llama.cpp has no room for a context of {context}")
        vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.vocab = llama_cpp.llama_vocab_n_tokens(vocab)
        info = llama_cpp.llama_print_system_info().decode()
        self.version = f"llama-cpp-python {llama_cpp.__version__} ({simd(info)})"

    def keep(self, n):
        """Forgets all tokens but the first n."""
        llama_cpp.llama_memory_seq_rm(llama_cpp.llama_get_memory(self.context), 0, n, -1)

    def eval(self, ids):
        """Processes tokens in one batch behind those of before; logits of the last."""
        tokens = (llama_cpp.llama_token * len(ids))(*ids)
        if llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(tokens, len(ids))) != 0:
            raise RuntimeError("llama_decode failed")
        llama_cpp.llama_synchronize(self.context)

    def logits(self):
        """Logits of the last token."""
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self.context, -1), shape=(self.vocab,)).copy()

    def __del__(self):
        if getattr(self, "context", None):
            llama_cpp.llama_free(self.context)
        if getattr(self, "model", None):
            llama_cpp.llama_model_free(self.model)
