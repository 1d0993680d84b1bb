"""llama.cpp through llama-cpp-python, for the suite model."""

from driver import checksum, serve
from ids import token_ids
from llamacpp_runner import Runner


def setup(request):
    context = request["context"]
    runner = Runner(request["model"], request["threads"], max(request["prompt"], context + request["decode"]))
    if request["routine"] == "prompt":
        ids = token_ids(request["prompt"])

        def call():
            runner.keep(0)
            runner.eval(ids)
    elif request["routine"] == "decode":
        ids = token_ids(context + request["decode"])
        runner.eval(ids[:context])

        def call():
            runner.keep(context)
            for t in ids[context:]:
                runner.eval([t])
    else:
        raise ValueError(f"unknown routine {request['routine']!r}")
    call()
    return call, {"library": "llama.cpp", "version": runner.version, **checksum(runner.logits())}


serve(setup)
