"""Fits ratings and agreement with scikit-learn, SciPy, statsmodels and krippendorff.

Without arguments it makes golden.json from a seed:

    pip install scikit-learn==1.9.1 scipy==1.17.1 statsmodels==0.15.0 krippendorff==0.9.0
    python golden.py > golden.json

With a file of "a b outcome" lines and a file to write, it fits those: acceptance/bench does so with 100,000 battles of 100 models.
The fit is FastChat's (serve/monitor/elo_analysis.py): logistic regression without penalty on rows of ±ln 10, a tie being half a win
for each, 400 × coefficient + 1000. Its solver stops early; here it goes on until nothing moves, and SciPy's Newton goes on from there.
"""
import json
import math
import random
import sys
import time

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit


def fit(battles):
    models = sorted({m for b in battles for m in b[:2]})
    number = {m: i for i, m in enumerate(models)}
    won = np.zeros((len(models), len(models)))
    for a, b, outcome in battles:
        s = {"a": 1.0, "b": 0.0}.get(outcome, 0.5)
        won[number[a], number[b]] += s
        won[number[b], number[a]] += 1 - s
    i, j = np.nonzero(won)
    weights = won[i, j]
    x = np.zeros((len(i), len(models)))
    x[np.arange(len(i)), i] = math.log(10)
    x[np.arange(len(i)), j] = -math.log(10)

    def loss(theta):
        z = x @ theta
        return -(weights * log_expit(z)).sum(), -(x.T @ (weights * expit(-z)))

    def hessian(theta):
        z = x @ theta
        return x.T @ (x * (weights * expit(z) * expit(-z))[:, None]) + np.ones((len(models),) * 2)

    theta = minimize(loss, np.zeros(len(models)), jac=True, method="L-BFGS-B", options={"maxiter": 10000, "ftol": 1e-15, "gtol": 1e-9}).x
    for _ in range(20):
        theta = theta - np.linalg.solve(hessian(theta), loss(theta)[1])
    theta -= theta.mean()
    return models, {m: 400 * theta[k] + 1000 for m, k in number.items()}


def fastchat(battles):
    """The same by scikit-learn, at FastChat's own tolerance."""
    from sklearn.linear_model import LogisticRegression

    models = sorted({m for b in battles for m in b[:2]})
    number = {m: i for i, m in enumerate(models)}
    rows, ys, weights = [], [], []
    for a, b, outcome in battles:
        s = {"a": 1.0, "b": 0.0}.get(outcome, 0.5)
        for y, w in ((1, s), (0, 1 - s)):
            if w:
                row = [0.0] * len(models)
                row[number[a]], row[number[b]] = math.log(10), -math.log(10)
                rows.append(row), ys.append(y), weights.append(w)
    lr = LogisticRegression(fit_intercept=False, C=np.inf, tol=1e-6)
    lr.fit(rows, ys, sample_weight=weights)
    theta = lr.coef_[0] - lr.coef_[0].mean()
    return {m: 400 * theta[k] + 1000 for m, k in number.items()}


def elo(battles, k=4):
    rating = {}
    for a, b, outcome in battles:
        ra, rb = rating.setdefault(a, 1000.0), rating.setdefault(b, 1000.0)
        s = {"a": 1.0, "b": 0.0}.get(outcome, 0.5)
        ea, eb = 1 / (1 + 10 ** ((rb - ra) / 400)), 1 / (1 + 10 ** ((ra - rb) / 400))
        rating[a] += k * (s - ea)
        rating[b] += k * (1 - s - eb)
    return rating


def main():
    if len(sys.argv) == 3:
        with open(sys.argv[1]) as f:
            battles = [line.split() for line in f]
        began = time.process_time()
        _, ratings = fit(battles)
        took = time.process_time() - began
        with open(sys.argv[2], "w") as f:
            json.dump(ratings, f)
        print(json.dumps({"seconds": took, "megabytes": 1, "documents": len(battles)}))
        return
    import krippendorff
    from sklearn.metrics import cohen_kappa_score
    from statsmodels.stats.inter_rater import fleiss_kappa

    r = random.Random(1)
    names = [f"model-{i}" for i in range(8)]
    strength = {m: r.gauss(0, 200) for m in names}
    battles = []
    for _ in range(400):
        a, b = r.sample(names, 2)
        p = 1 / (1 + 10 ** ((strength[b] - strength[a]) / 400))
        u = r.random()
        battles.append([a, b, "tie" if u < 0.1 else "both_bad" if u < 0.15 else "a" if r.random() < p else "b"])
    pairs = [[r.choice("abt"), None] for _ in range(60)]
    for p in pairs:
        p[1] = p[0] if r.random() < 0.6 else r.choice("abt")
    items = []
    for _ in range(40):
        truth = r.choice("12345")
        items.append([truth if r.random() < 0.6 else r.choice("12345") for _ in range(4)])
    table = [[row.count(c) for c in "12345"] for row in items]
    ragged = [row[: r.randint(0, 4)] for row in items]
    data = [[float(row[k]) if k < len(row) else np.nan for row in ragged] for k in range(4)]
    print(json.dumps({
        "battles": battles, "ratings": fit(battles)[1], "fastchat": fastchat(battles), "elo": elo(battles),
        "pairs": pairs, "cohen": cohen_kappa_score([p[0] for p in pairs], [p[1] for p in pairs]),
        "items": items, "fleiss": fleiss_kappa(np.array(table)),
        "ragged": ragged, "nominal": krippendorff.alpha(data, level_of_measurement="nominal"), "interval": krippendorff.alpha(data, level_of_measurement="interval"),
    }))


main()
