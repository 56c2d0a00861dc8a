"""Reads golden.gguf with the gguf package (0.19) and compares it with what gguf_test.go writes: python check.py golden.gguf"""
import sys

import gguf
import numpy as np

r = gguf.GGUFReader(sys.argv[1])
value = {k: f.contents() for k, f in r.fields.items()}
assert value["general.architecture"] == "gpt2" and value["a.uint64"] == 1 << 40 and value["a.int64"] == -9, value
assert value["a.texts"] == ["Ġmill", "", "race"] and value["a.types"] == [1, 3, -1] and value["a.bool"] is True, value
row = ((np.arange(64) - 20) / 8).astype(np.float32).reshape(2, 32)
for t in r.tensors:
    got = gguf.quants.dequantize(t.data, t.tensor_type)
    want = np.array([1, -2, 3], np.float32) if t.name == "norm" else row
    err = float(np.abs(got - want).max())
    print(t.name, t.tensor_type.name, got.shape, err)
    assert got.shape == want.shape and err <= (0.03 if t.tensor_type.name == "Q8_0" else 0)
