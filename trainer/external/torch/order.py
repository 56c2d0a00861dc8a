"""Numbers that follow from a key and a counter: the order of the text and the initial weights, the same as the Go trainer's (trainer/random)."""

import math

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MASK = (1 << 64) - 1


def _finish(z):
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def mix(a, b):
    """Two words become one, element by element: two rounds of SplitMix64's finaliser."""
    with np.errstate(over="ignore"):
        a, b = np.asarray(a, np.uint64) + GOLDEN, np.asarray(b, np.uint64) + GOLDEN
    return _finish(_finish(a) ^ b)


def mix1(a: int, b: int) -> int:
    return int(mix([a & MASK], [b & MASK])[0])


def key(seed: int, use: str) -> int:
    """The key of a named use of a seed."""
    raw = use.encode()
    k = mix1(seed, len(raw))
    for byte in raw:
        k = mix1(k, byte)
    return k


def below(k: int, i: int, n: int) -> int:
    """A number in [0, n)."""
    return mix1(k, i) * n >> 64


def normal(k: int, n: int) -> np.ndarray:
    """The first n standard normal numbers of a stream, float64 (Box & Muller 1958)."""
    pairs = np.arange((n + 1) // 2, dtype=np.uint64)
    two = np.uint64(2)
    u = ((mix(k, two * pairs) >> np.uint64(11)).astype(np.float64) + 1) / (1 << 53)
    turn = 2 * math.pi * ((mix(k, two * pairs + np.uint64(1)) >> np.uint64(11)).astype(np.float64) / (1 << 53))
    r = np.sqrt(-2 * np.log(u))
    out = np.empty(2 * len(pairs))
    out[0::2], out[1::2] = r * np.cos(turn), r * np.sin(turn)
    return out[:n]


def permute(k: int, i: int, n: int) -> int:
    """Where the permutation of [0, n) named by a key takes i: a Feistel network of four rounds, walked until it is below n."""
    half = ((n - 1).bit_length() + 1) // 2
    if half == 0:
        return 0
    mask = (1 << half) - 1
    while True:
        left, right = i >> half, i & mask
        for r in range(4):
            left, right = right, (left ^ mix1(k + r, right)) & mask
        i = left << half | right
        if i < n:
            return i
