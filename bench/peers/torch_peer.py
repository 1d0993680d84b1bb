"""PyTorch on the CPU (transformers, eager mode, scaled dot-product attention), for the suite model."""

import torch
import transformers

import torch_llama as llama
from driver import checksum, serve
from ids import token_ids

models = {}


def setup(request):
    torch.set_num_threads(request["threads"])
    if request["model"] not in models:
        models[request["model"]] = llama.load(request["model"])
    model = models[request["model"]]
    step = lambda ids, cache: model(input_ids=torch.tensor([ids]), cache=cache, use_cache=True, logits_to_keep=1)
    last = None
    if request["routine"] == "prompt":
        ids = token_ids(request["prompt"])

        def call():
            nonlocal last
            with torch.inference_mode():
                last = step(ids, None).logits
    elif request["routine"] == "decode":
        context = request["context"]
        ids = token_ids(context + request["decode"])
        with torch.inference_mode():
            cache = step(ids[:context], None).past_key_values

        def call():
            nonlocal last
            with torch.inference_mode():
                surplus = cache.get_seq_length() - context
                if surplus > 0:
                    cache.crop(-surplus)
                for t in ids[context:]:
                    last = step([t], cache).logits
    else:
        raise ValueError(f"unknown routine {request['routine']!r}")
    call()
    capability = torch.backends.cpu.get_cpu_capability()
    version = f"torch {torch.__version__} ({capability}, {torch.get_num_threads()} threads), transformers {transformers.__version__}"
    return call, {"library": "torch", "version": version, **checksum(last.float().numpy())}


serve(setup)
