"""llama.cpp on fixed token ids through llama-cpp-python's low-level bindings."""

import ctypes
import time

import llama_cpp


class Runner:
    """One model and one context. Only its calls of llama_decode are timed."""

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
        self.version = f"llama-cpp-python {llama_cpp.__version__} ({' '.join(w.strip() for w in info.split('|')[:1])})"

    def ids(self, n):
        """Token ids that are the same for every peer: i -> 1000 + 37 i mod 20000."""
        return [1000 + 37 * i % 20000 for i in range(n)]

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def eval(self, ids):
        tokens = (llama_cpp.llama_token * len(ids))(*ids)
        if llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(tokens, len(ids))) != 0:
            raise RuntimeError("llama_decode failed")

    def prompt(self, n):
        """Seconds to process n tokens in one batch, logits of the last."""
        self.clear()
        start = time.perf_counter()
        self.eval(self.ids(n))
        llama_cpp.llama_synchronize(self.context)
        return time.perf_counter() - start

    def decode(self, context, n):
        """Seconds to decode n tokens one by one behind context tokens."""
        self.clear()
        ids = self.ids(context + n)
        self.eval(ids[:context])
        start = time.perf_counter()
        for t in ids[context:]:
            self.eval([t])
        llama_cpp.llama_synchronize(self.context)
        return time.perf_counter() - start
