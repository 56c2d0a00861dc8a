"""Writes q8_0.json: rows of float32 and the blocks that gguf's quantisation makes of them.

Run with the gguf package (0.19) and numpy: python q8_0.py > q8_0.json
"""
import base64
import json

import numpy as np
from gguf import GGMLQuantizationType, quants

r = np.random.default_rng(7)
rows = [
    r.normal(size=64), r.normal(size=32) * 1e-3, r.normal(size=96) * 300, np.zeros(32), np.arange(-16, 16),
    np.arange(-16, 16) / 2, r.normal(size=32) * 1e-7, np.array([127.0] + [0.5, 1.5, -0.5, -2.5] * 7 + [0, 1, 2]),
]
out = []
for x in rows:
    x = x.astype(np.float32)
    out.append({"bits": x.view(np.uint32).tolist(), "blocks": None})
    b = quants.quantize(x.reshape(1, -1), GGMLQuantizationType.Q8_0)
    out[-1]["blocks"] = base64.b64encode(b.tobytes()).decode()
print(json.dumps(out))
