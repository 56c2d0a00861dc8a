"""A dataset of the platform (docs/formats/dataset.md) and the windows of its text in the Go trainer's order (trainer/data)."""

import hashlib
import json
from pathlib import Path

import numpy as np

import order


def checked(path: Path, digest: str, size: int | None) -> Path:
    """The path of a file that is what the manifest says; a shard that was cut short or damaged must not be learnt from."""
    try:
        with open(path, "rb") as f:
            have, got = path.stat().st_size, "sha256:" + hashlib.file_digest(f, "sha256").hexdigest()
    except OSError as e:
        raise SystemExit(f"data: {e}; start the run again, the worker fetches it") from e
    if got != digest or size is not None and have != size:
        raise SystemExit(f"data: {path} has {have} bytes with {got}, the manifest says {size if size is not None else 'any'} with {digest}; remove it and start the run again, the worker fetches it")
    return path


class Split:
    """One split: the ids of its shards behind each other, and which of them count in the loss."""

    def __init__(self, folder: Path, manifest: dict, name: str):
        split = next(s for s in manifest["splits"] if s["name"] == name)
        ids, masks = [], []
        for i, shard in enumerate(split["shards"]):
            path = checked(folder / "shards" / f"{name}-{i:05d}.bin", shard["digest"], shard["size"])
            ids.append(np.memmap(path, dtype="<u2" if manifest["dtype"] == "uint16" else "<u4", mode="r") if shard["tokens"] else np.empty(0, "<u2"))
            masks.append(checked(path.with_suffix(".mask"), shard["mask"], None) if shard.get("mask") else None)
        self.ids, self.ends = ids, np.cumsum([len(s) for s in ids])
        self.masks = None
        if any(masks):
            self.masks = [
                np.unpackbits(np.fromfile(m, np.uint8), bitorder="little")[: len(s)].astype(bool) if m else np.ones(len(s), bool)
                for m, s in zip(masks, ids)
            ]

    def __len__(self):
        return int(self.ends[-1])

    def _read(self, parts, at: int, n: int) -> np.ndarray:
        out = []
        first = int(np.searchsorted(self.ends, at, side="right"))
        for part, end in zip(parts[first:], self.ends[first:]):
            start = at - (int(end) - len(part))
            piece = np.asarray(part[start : start + n])
            out.append(piece)
            at, n = at + len(piece), n - len(piece)
            if n == 0:
                break
        return np.concatenate(out)

    def window(self, at: int, t: int):
        """t inputs and the t tokens that follow each; -1 where that does not count."""
        x = self._read(self.ids, at, t + 1).astype(np.int64)
        targets = x[1:].copy()
        if self.masks is not None:
            targets[~self._read(self.masks, at + 1, t)] = -1
        return x[:-1], targets


def dataset(folder):
    """The manifest and the splits by name, of a folder as the worker lays it out."""
    folder = Path(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    return manifest, {s["name"]: Split(folder, manifest, s["name"]) for s in manifest["splits"]}


class Sampler:
    """Deals windows: sample number i, counted from 0 over the whole of training, is the same for ever."""

    def __init__(self, split: Split, t: int, how: str, seed: int):
        self.split, self.t, self.how, self.key = split, t, how, order.key(seed, "data")
        self.windows = len(split) - t if how == "random" else (len(split) - 1) // t
        if self.windows < 1:
            raise SystemExit(f"data: {len(split)} tokens are fewer than one window of {t} and its target")

    def start(self, i: int) -> int:
        if self.how == "random":
            return order.below(self.key, i, self.windows)
        if self.how == "sequential":
            return i % self.windows * self.t
        epoch, i = divmod(i, self.windows)
        return order.permute(order.mix1(self.key, epoch), i, self.windows) * self.t

    def __call__(self, i: int):
        return self.split.window(self.start(i), self.t)
