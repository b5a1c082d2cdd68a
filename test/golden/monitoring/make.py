"""Golden values for processors/monitoring, by numpy, scipy and scikit-learn: python make.py, in this folder.

numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1. Nothing here is copied from the TypeScript: DeLong goes over all pairs, bins are
counted by comparing each value with each edge.
"""
import json
import math
from pathlib import Path

import numpy as np
from scipy import stats, special
from scipy.spatial.distance import jensenshannon
from sklearn import metrics

Z = stats.norm.ppf(0.975)
rng = np.random.default_rng(20130401)


def write(name, value):
    Path(__file__).with_name(name).write_text(json.dumps(value, allow_nan=False) + "\n")


def components(labels, scores):
    pos, neg = scores[labels == 1], scores[labels == 0]
    kernel = (pos[:, None] > neg[None, :]) + 0.5 * (pos[:, None] == neg[None, :])
    return kernel.mean(axis=1), kernel.mean(axis=0)


def mean_interval(values, low, high):
    m, half = values.mean(), Z * values.std(ddof=1) / math.sqrt(len(values))
    return [m, max(low, m - half), min(high, m + half)]


def losses(labels, scores):
    p = np.clip(scores, 1e-15, 1 - 1e-15)
    return -(labels * np.log(p) + (1 - labels) * np.log1p(-p))


def measure_case(labels, scores):
    v10, v01 = components(labels, scores)
    auc = metrics.roc_auc_score(labels, scores)
    half = Z * math.sqrt(v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01))
    wilson = stats.binomtest(int(labels.sum()), len(labels)).proportion_ci(method="wilson")
    log_loss = mean_interval(losses(labels, scores), 0, math.inf)
    assert abs(log_loss[0] - metrics.log_loss(labels, np.clip(scores, 1e-15, 1 - 1e-15))) < 1e-9
    brier = mean_interval((scores - labels) ** 2, 0, 1)
    assert abs(brier[0] - metrics.brier_score_loss(labels, scores)) < 1e-12
    ece = 0.0
    for b in range(10):
        inside = np.minimum(np.floor(scores * 10), 9) == b
        if inside.any():
            ece += inside.mean() * abs(labels[inside].mean() - scores[inside].mean())
    return {
        "labels": labels.tolist(),
        "scores": scores.tolist(),
        "expected": {
            "auc": [auc, max(0, auc - half), min(1, auc + half)],
            "log_loss": log_loss,
            "brier": brier,
            "ece": [ece, None, None],
            "label_rate": [labels.mean(), wilson.low, wilson.high],
            "score_mean": mean_interval(scores, 0, 1),
        },
    }


def scored(n, noise, decimals=None):
    truth = rng.beta(1.2, 4, n)
    labels = (rng.random(n) < truth).astype(int)
    labels[:2], labels[2:4] = 1, 0
    scores = 1 / (1 + np.exp(-(np.log(truth / (1 - truth)) + rng.normal(0, noise, n))))
    return labels, scores if decimals is None else scores.round(decimals)


cases = [measure_case(*scored(400, 0.5)), measure_case(*scored(300, 1.0, 1)), measure_case(*scored(12, 0.3, 2))]
extreme_labels, extreme_scores = scored(60, 0.2)
extreme_scores[:4] = [0, 1, 0, 1]
cases.append(measure_case(extreme_labels, extreme_scores))
write("measures.json", cases)


def quantile_edges(values):
    ordered = np.sort(values)
    n = len(ordered)
    return np.unique([ordered[max(0, math.ceil(b * n / 10) - 1)] for b in range(11)])


def binned(reference, current):
    def counts(values):
        present = values[~np.isnan(values)]
        out = [np.sum(present < edges[0]), np.sum(present > edges[-1]), np.sum(np.isnan(values))]
        if len(edges) == 1:
            out.append(np.sum(present == edges[0]))
        for at in range(1, len(edges)):
            lower = present >= edges[at - 1] if at == 1 else present > edges[at - 1]
            out.append(np.sum(lower & (present <= edges[at])))
        return np.array(out, dtype=float)

    edges = quantile_edges(reference[~np.isnan(reference)])
    a, b = counts(reference), counts(current)
    used = (a > 0) | (b > 0)
    assert a.sum() == len(reference) and b.sum() == len(current)
    return a[used], b[used]


def binned_statistics(a, b):
    n, m, bins = a.sum(), b.sum(), len(a)
    p, q = (a + 0.5) / (n + bins / 2), (b + 0.5) / (m + bins / 2)
    limit = (1 / n + 1 / m) * stats.chi2.isf(0.01, bins - 1) if bins > 1 else 0.0
    distance = jensenshannon(a, b, base=2)
    return {
        "psi": {"value": float(np.sum((q - p) * np.log(q / p))), "threshold": limit, "p": None},
        "js": {"value": float(distance), "threshold": math.sqrt(limit / 8 / math.log(2)), "p": None},
    }


def number_case(reference, current):
    expected = binned_statistics(*binned(reference, current))
    x, y = reference[~np.isnan(reference)], current[~np.isnan(current)]
    d = stats.ks_2samp(x, y, method="asymp").statistic
    scale = math.sqrt(len(x) * len(y) / (len(x) + len(y)))
    expected["ks"] = {"value": d, "threshold": special.kolmogi(0.01) / scale, "p": special.kolmogorov(scale * d)}
    none = lambda values: [None if np.isnan(v) else v for v in values.tolist()]
    return {"kind": "number", "reference": none(reference), "current": none(current), "expected": expected}


def category_case(reference, current):
    names = sorted({v for v in reference + current if v is not None}) + [None]
    a = np.array([reference.count(v) for v in names], dtype=float)
    b = np.array([current.count(v) for v in names], dtype=float)
    used = (a > 0) | (b > 0)
    a, b = a[used], b[used]
    expected = binned_statistics(a, b)
    chi = stats.chi2_contingency(np.array([a, b]), correction=False)
    expected["chi_square"] = {"value": chi.statistic, "threshold": stats.chi2.isf(0.01, len(a) - 1), "p": chi.pvalue}
    return {"kind": "category", "reference": reference, "current": current, "expected": expected}


def with_nulls(values, share):
    values = values.copy()
    values[rng.random(len(values)) < share] = np.nan
    return values


normal = rng.normal(0, 1, 500)
letters = lambda n, p: [None if v == "-" else str(v) for v in rng.choice(list("abcde-"), n, p=p)]
write(
    "drift.json",
    [
        number_case(normal, rng.normal(0, 1, 300)),
        number_case(normal, rng.normal(0.7, 1.4, 300)),
        number_case(with_nulls(normal, 0.1), with_nulls(rng.normal(0, 1, 250), 0.3)),
        number_case(rng.poisson(1.5, 400).astype(float), rng.poisson(2.5, 350).astype(float)),
        number_case(np.full(80, 3.0), np.concatenate([np.full(60, 3.0), np.full(20, 2.0), np.full(5, 9.0)])),
        number_case(rng.uniform(0, 1, 100), rng.uniform(5, 6, 100)),
        category_case(letters(400, [0.3, 0.3, 0.2, 0.1, 0.05, 0.05]), letters(300, [0.3, 0.3, 0.2, 0.1, 0.05, 0.05])),
        category_case(letters(400, [0.3, 0.3, 0.2, 0.15, 0, 0.05]), letters(300, [0.2, 0.1, 0.2, 0.1, 0.3, 0.1])),
    ],
)


def comparison_case(labels, champion, challenger):
    a10, a01 = components(labels, champion)
    b10, b01 = components(labels, challenger)
    s10, s01 = np.cov(a10, b10), np.cov(a01, b01)
    contrast = np.array([-1, 1])
    var = contrast @ s10 @ contrast / len(a10) + contrast @ s01 @ contrast / len(a01)
    aucs = metrics.roc_auc_score(labels, champion), metrics.roc_auc_score(labels, challenger)
    gain, half = aucs[1] - aucs[0], Z * math.sqrt(max(0, var))
    la, lb = losses(labels, champion), losses(labels, challenger)
    return {
        "labels": labels.tolist(),
        "champion": champion.tolist(),
        "challenger": challenger.tolist(),
        "auc": [*aucs, gain, gain - half, gain + half],
        "log_loss": [la.mean(), lb.mean(), *mean_interval(la - lb, -math.inf, math.inf)],
    }


def pair(n, noises, decimals=None):
    truth = rng.beta(1.2, 4, n)
    labels = (rng.random(n) < truth).astype(int)
    logit = np.log(truth / (1 - truth))
    both = [1 / (1 + np.exp(-(logit + rng.normal(0, s, n)))) for s in noises]
    return labels, *(both if decimals is None else [s.round(decimals) for s in both])


write("comparison.json", [comparison_case(*pair(400, (1.5, 0.3))), comparison_case(*pair(300, (0.5, 0.5), 1)), comparison_case(*pair(250, (0.2, 2.0)))])

write(
    "distributions.json",
    {
        "chi_square_tail": [[x, k, float(stats.chi2.sf(x, k))] for k in (1, 2, 3, 9, 12, 100) for x in (0.01, 0.5, 1, 3.8, 10, 25, 140)],
        "chi_square_quantile": [[t, k, float(stats.chi2.isf(t, k))] for k in (1, 2, 3, 9, 12, 100, 400) for t in (0.5, 0.05, 0.01)],
        "kolmogorov_tail": [[x, float(special.kolmogorov(x))] for x in (0.2, 0.5, 0.8, 0.99, 1, 1.2, 1.63, 2, 3)],
        "kolmogorov_quantile": [[t, float(special.kolmogi(t))] for t in (0.5, 0.05, 0.01)],
    },
)
