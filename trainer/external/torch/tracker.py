"""Points for the platform, over HTTP (docs/formats/http.md). Nothing here may stop a training: what cannot be sent waits, and is sent later."""

import json
import math
import os
import sys
import threading
import urllib.error
import urllib.request

MOST = 100_000  # points that wait; beyond, the oldest are dropped


class Tracker:
    def __init__(self, writer="rank0"):
        self.url, self.run, self.token = (os.environ.get("MILLRACE_" + k, "") for k in ("URL", "RUN", "TOKEN"))
        self.writer, self.waiting, self.stop_wished = writer, [], False
        self.lock, self.wake, self.over = threading.Lock(), threading.Event(), False
        self.thread = None
        if self.url and self.run:
            self.thread = threading.Thread(target=self._send, daemon=True)
            self.thread.start()

    def log(self, step, **values):
        """Points of a step. A step that is logged again after a resume is known by its number, and counts once."""
        points = [{"key": k.replace("__", "/"), "step": step, "value": v if math.isfinite(v) else str(v).replace("inf", "Infinity").replace("nan", "NaN")} for k, v in values.items()]
        with self.lock:
            self.waiting = (self.waiting + points)[-MOST:]

    def close(self, patience=20):
        """Sends what waits."""
        self.over = True
        self.wake.set()
        if self.thread:
            self.thread.join(patience)

    def _send(self):
        pause = 0.25
        while True:
            self.wake.wait(pause)
            with self.lock:
                batch, self.waiting = self.waiting[:5000], self.waiting[5000:]
            if not batch and self.over:
                return
            if not batch:
                continue
            try:
                self._post(batch)
                pause = 0.25
            except urllib.error.HTTPError as e:
                print(f"tracker: {e}: {e.read()[:300]!r}", file=sys.stderr)
                if e.code < 500 and e.code not in (401, 403, 408, 429):  # it will never be taken
                    continue
                pause = self._keep(batch, pause)
            except OSError as e:
                print(f"tracker: {e}; the points wait", file=sys.stderr)
                pause = self._keep(batch, pause)

    def _keep(self, batch, pause):
        with self.lock:
            self.waiting = (batch + self.waiting)[-MOST:]
        self.wake.clear()
        return min(30, 2 * pause)

    def _post(self, points):
        request = urllib.request.Request(
            f"{self.url}/api/v1/runs/{self.run}/points", json.dumps({"writer": self.writer, "points": points}).encode(),
            {"Content-Type": "application/json", **({"Authorization": "Bearer " + self.token} if self.token else {})})
        with urllib.request.urlopen(request, timeout=10) as answer:
            self.stop_wished |= bool(json.load(answer).get("run", {}).get("stopRequested"))
