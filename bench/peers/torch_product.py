"""torch_product.py M K N KIND SECONDS: times one matrix product: numpy (OpenBLAS, float32), torch (float32) or bf16 (torch, oneDNN). Threads: OMP_NUM_THREADS."""
import os
import statistics
import sys
import time

import numpy
import peer
import torch

m, k, n = map(int, sys.argv[1:4])
kind, limit = sys.argv[4], float(sys.argv[5])
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
if kind == "numpy":
    a, b = (numpy.random.default_rng(1).standard_normal(s, dtype=numpy.float32) for s in ((m, k), (k, n)))
    out = numpy.empty((m, n), numpy.float32)
    multiply = lambda: numpy.matmul(a, b, out=out)
else:
    dtype = torch.bfloat16 if kind == "bf16" else torch.float32
    a, b = torch.randn(m, k, dtype=dtype), torch.randn(k, n, dtype=dtype)
    out = torch.empty(m, n, dtype=dtype)
    multiply = lambda: torch.matmul(a, b, out=out)
multiply()
times, began = [], time.perf_counter()
while len(times) < 10 or time.perf_counter() - began < limit:
    at = time.perf_counter()
    multiply()
    times.append(time.perf_counter() - at)
part = max(1, len(times) // 10)  # the least median of ten stretches: other guests of a virtual machine come and go within a second
peer.say(seconds=min(statistics.median(times[i : i + part]) for i in range(0, len(times) - part + 1, part)), best=min(times))
