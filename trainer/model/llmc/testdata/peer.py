"""Writes peer_v3.bin and peer_v5.bin as llm.c's train_gpt2.py does (write_model), without llm.c: a GPT-2 of 2 layers, 2 heads, 4 channels, 3 positions
and 5 tokens, whose weights are counted through in Hugging Face's order: x_i = (i mod 251 - 125) / 64, exact in bfloat16. Run: python peer.py DIR
"""
import os
import sys

import numpy as np

L, H, C, T, V, VP = 2, 2, 4, 3, 5, 128
hf = {"wte": (V, C), "wpe": (T, C)}
for l in range(L):
    for n, s in [("ln_1.weight", (C,)), ("ln_1.bias", (C,)), ("attn.c_attn.weight", (C, 3 * C)), ("attn.c_attn.bias", (3 * C,)),
                 ("attn.c_proj.weight", (C, C)), ("attn.c_proj.bias", (C,)), ("ln_2.weight", (C,)), ("ln_2.bias", (C,)),
                 ("mlp.c_fc.weight", (C, 4 * C)), ("mlp.c_fc.bias", (4 * C,)), ("mlp.c_proj.weight", (4 * C, C)), ("mlp.c_proj.bias", (C,))]:
        hf[f"h.{l}.{n}"] = s
hf["ln_f.weight"], hf["ln_f.bias"] = (C,), (C,)
w, i = {}, 0
for name, shape in hf.items():
    n = int(np.prod(shape))
    w[name] = (((np.arange(i, i + n) % 251) - 125) / 64).astype(np.float32).reshape(shape)
    i += n


def linear(name):  # Conv1D [in, out] as nn.Linear has it
    return w[name].T


for version in (3, 5):
    with open(os.path.join(sys.argv[1], f"peer_v{version}.bin"), "wb") as f:
        header = np.zeros(256, np.int32)
        header[:8] = [20240326, version, T, V, L, H, C, VP]
        f.write(header.tobytes())

        def put(x):
            x = np.ascontiguousarray(x, np.float32)
            if version == 5:
                x = (x.view(np.uint32) >> 16).astype(np.uint16)
            f.write(x.tobytes())

        put(np.concatenate([w["wte"], np.zeros((VP - V, C), np.float32)]))
        put(w["wpe"])
        for n in ("ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias",
                  "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"):
            for l in range(L):
                put(linear(f"h.{l}.{n}") if ".c_" in n and n.endswith("weight") else w[f"h.{l}.{n}"])
        put(w["ln_f.weight"])
        put(w["ln_f.bias"])
