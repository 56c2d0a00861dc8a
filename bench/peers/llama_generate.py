"""llama_generate.py MODEL TOKENS: how fast llama.cpp continues a text of 16 tokens by TOKENS, greedily, one stream, the prompt left out. Threads: OMP_NUM_THREADS.
With a third argument, plain, its weights are not repacked: its AMX kernels end the process where the system does not hand AMX out."""
import os
import sys
import time

import llama_cpp
import peer
from llama_cpp import Llama

if sys.argv[3:] == ["plain"]:
    defaults = llama_cpp.llama_cpp.llama_model_default_params

    def plain():
        params = defaults()
        params.use_extra_bufts = False
        return params

    llama_cpp.llama_cpp.llama_model_default_params = plain

path, count = sys.argv[1], int(sys.argv[2])
threads = int(os.environ["OMP_NUM_THREADS"])
model = Llama(path, n_ctx=1024, n_threads=threads, n_threads_batch=threads, verbose=False)
prompt = list(range(100, 116))
best, said = float("inf"), []
for _ in range(4):
    model.reset()
    model.eval(prompt)
    said, began = [], time.perf_counter()
    for _ in range(count):
        token = model.sample(temp=0.0, repeat_penalty=1.0)
        said.append(int(token))
        model.eval([token])
    best = min(best, time.perf_counter() - began)
peer.say(seconds=best, tokens=said)
