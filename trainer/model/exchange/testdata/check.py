"""Opens the GGUF files that exchange_test.go writes with other programs, and writes checked.json: the sha256 of each file and the greatest
difference of its logits from those of logits.json.

    mkdir out && MILLRACE_CHECK=$PWD/out go test ./trainer/model/exchange -run GGUFRoundTrip
    python check.py out > checked.json

transformers 5.23 with gguf 0.19 is asked always, llama.cpp where llama-cpp-python (0.3.36) is installed. llama.cpp looks GELU up in a table of
binary16, and takes Q8_0 times activations of 8 bits: its differences are those of its arithmetic.
"""
import hashlib
import json
import os
import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

try:
    import llama_cpp
    import numpy as np
except ImportError:
    llama_cpp = None
else:  # without repacked weights: their AMX kernels end the process where the system does not hand AMX out
    defaults = llama_cpp.llama_cpp.llama_model_default_params

    def plain():
        params = defaults()
        params.use_extra_bufts = False
        return params

    llama_cpp.llama_cpp.llama_model_default_params = plain

torch.set_num_threads(1)
here = os.path.dirname(os.path.abspath(__file__))
golden = json.load(open(os.path.join(here, "logits.json")))
text = "the miller waits for 1234 herons, and RAIN follows\n\n the  river's wheel"
out = {}
for name in sorted(os.listdir(sys.argv[1])):
    path = os.path.join(sys.argv[1], name)
    family = name.split("-")[0]
    g = golden[family]
    want = [torch.tensor(x) for x in g["logits"]]
    entry = {"sha256": hashlib.sha256(open(path, "rb").read()).hexdigest(), "difference": {}}
    ids = AutoTokenizer.from_pretrained(os.path.join(here, family)).encode(text, add_special_tokens=False)
    # The config is given: transformers 5.23 reads no context from a GPT-2's GGUF, and no rope_freqs from a Llama's.
    config = AutoConfig.from_pretrained(os.path.join(here, family))
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], gguf_file=name, config=config, dtype=torch.float32).eval()
    with torch.no_grad():
        entry["difference"]["transformers"] = max(
            float((model(torch.tensor([i])).logits[0] - w).abs().max()) for i, w in zip(g["ids"], want))
    if llama_cpp is not None:
        m = llama_cpp.Llama(path, n_ctx=256, logits_all=True, verbose=False, n_threads=1)
        worst = 0.0
        for i, w in zip(g["ids"], want):
            m.reset()
            m.eval(i)
            worst = max(worst, float(np.abs(np.array(m.scores[: len(i)]) - w.numpy()).max()))
        entry["difference"]["llama.cpp"] = worst
        entry["tokens"] = m.tokenize(text.encode(), add_bos=False, special=False) == ids
    out[name] = entry
    print(name, entry, file=sys.stderr)
json.dump(out, sys.stdout, indent=1)
print()
