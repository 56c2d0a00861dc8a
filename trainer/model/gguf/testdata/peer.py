"""Writes peer.gguf with the gguf package (0.19): python peer.py peer.gguf"""
import sys

import gguf
import numpy as np

w = gguf.GGUFWriter(sys.argv[1], "llama")
w.add_block_count(3)
w.add_rope_freq_base(500000.0)
w.add_token_list(["a", "b", "Ġc"])
w.add_token_types([1, 1, 3])
w.add_add_bos_token(False)
m = np.arange(12, dtype=np.float32).reshape(3, 4) / 4
h = (np.arange(10, dtype=np.float32).reshape(2, 5) / 4).astype(np.float16)
q = np.arange(128, dtype=np.float32).reshape(2, 64) / 4
kind = gguf.GGMLQuantizationType.Q8_0
w.add_tensor("m", m)
w.add_tensor("h", h)
w.add_tensor("q", gguf.quants.quantize(q, kind), raw_dtype=kind)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
