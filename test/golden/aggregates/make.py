"""Golden values for streams/aggregates, by numpy, pandas, scipy, mmh3 and datasketches: python make.py, in this folder.

numpy 2.4.6, scipy 1.17.1, pandas 3.1.1, mmh3 5.3.1, datasketches 5.2.0. Nothing here is copied from the TypeScript. Of datasketches
the errors are kept, not the bytes: the sketches are others, and what is compared is how far off they are.
"""
import json
import math
from pathlib import Path

import datasketches
import mmh3
import numpy as np
import pandas as pd
from scipy import stats

rng = np.random.default_rng(20130401)
HALF_LIFE_MS = 21_600_000
QUANTILES = [0, 0.01, 0.07, 0.25, 0.29, 0.5, 0.75, 0.9, 0.99, 1]


def write(name, value):
    Path(__file__).with_name(name).write_text(json.dumps(value, allow_nan=False) + "\n")


# --- statistics of lists -------------------------------------------------------------------------------------------------


def of_list(name, values):
    values = np.asarray(values, dtype=float)
    # numpy's own variance in twice the precision, so that its rounding is not what we compare with
    wide = values.astype(np.longdouble)
    many = len(values) > 1
    edges = [float(edge) for edge in np.unique(np.quantile(values, [0.2, 0.5, 0.8]))]
    counted, _ = np.histogram(values, bins=[-np.inf, *edges, np.inf])
    if many:
        described = stats.describe(values)
        assert np.isclose(described.variance, float(wide.var(ddof=1)), rtol=1e-6, atol=1e-300)
    return {
        "name": name,
        "values": values.tolist(),
        "sum": math.fsum(values),
        "mean": float(wide.mean()),
        "variance": [float(wide.var(ddof=0)), float(wide.var(ddof=1)) if many else None],
        "stddev": [float(wide.std(ddof=0)), float(wide.std(ddof=1)) if many else None],
        "min": float(values.min()),
        "max": float(values.max()),
        "quantiles": [[q, float(np.quantile(values, q, method="inverted_cdf"))] for q in QUANTILES],
        "bounds": edges,
        "histogram": counted.tolist(),
        "distinct": int(pd.Series(values).nunique()),
    }


lists = [
    of_list("one value", [7.25]),
    of_list("normal", rng.normal(0, 1, 150)),
    of_list("far from 0", rng.normal(1e9, 1e-3, 120)),
    of_list("lognormal", rng.lognormal(2, 3, 180)),
    of_list("whole numbers, many alike", rng.integers(-5, 5, 190)),
    of_list("alternating, huge and tiny", np.where(np.arange(101) % 2 == 0, 1e12, 1e-12) * rng.uniform(-1, 1, 101)),
    of_list("flight delays", np.round(rng.gamma(0.7, 40, 199) - 15)),
]
write("lists.json", lists)

# --- decayed values, first, last and friends over events in the order of a log ---------------------------------------------


def of_log(name, count, span_ms, ties):
    times = 1_364_774_400_000 + np.sort(rng.integers(0, span_ms, count))
    if ties:
        times = times // 600_000 * 600_000
    else:
        times = np.unique(times)
    values = np.round(rng.normal(20, 30, len(times)), 1)
    log = rng.permutation(len(times))
    frame = pd.DataFrame({"time_ms": times[log], "value": values[log]})
    in_time = frame.sort_values("time_ms", kind="stable")
    # newest at age 0: the weighted sums of pandas' adjust=True
    stamps = pd.to_datetime(in_time["time_ms"], unit="ms")
    half_life = pd.Timedelta(HALF_LIFE_MS, unit="ms")
    means = in_time["value"].ewm(halflife=half_life, times=stamps, adjust=True).mean()
    now_ms = int(in_time["time_ms"].max()) + 5_000_000
    weights = np.exp2(-(now_ms - in_time["time_ms"].to_numpy()) / HALF_LIFE_MS)
    frequent = frame["value"].round(-1).value_counts()
    top = sorted(frequent.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
    return {
        "name": name,
        "half_life_ms": HALF_LIFE_MS,
        "now_ms": now_ms,
        "events": frame.to_numpy().tolist(),
        # after each event in the order of time; with ties only the last of an instant has seen all of it
        "decayed_means": None if ties else means.tolist(),
        "decayed_mean": float(means.iloc[-1]),
        "decayed_sum": math.fsum(in_time["value"].to_numpy() * weights),
        "last": float(in_time["value"].iloc[-1]),
        "last_5": in_time["value"].tail(5).tolist(),
        "time_since_last": now_ms - int(in_time["time_ms"].max()),
        "share_at_least_15": float((frame["value"] >= 15).mean()),
        "top_5_of_tens": [[float(value), int(count)] for value, count in top],
    }


write("logs.json", [of_log("a week", 160, 7 * 86_400_000, False), of_log("an hour with ties", 60, 3_600_000, True)])

# --- hashes ------------------------------------------------------------------------------------------------------------------

hashes = []
for length in [*range(0, 36), 64, 100]:
    data = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
    for seed in (0, 1, 0x7FFFFFFF):
        found = mmh3.hash_bytes(data, seed, x64arch=False)
        words = [int.from_bytes(found[at : at + 4], "little", signed=True) for at in (0, 4)]
        hashes.append([data.hex(), seed, *words])
write("hashes.json", hashes)

# --- errors of other sketches over the same data ---------------------------------------------------------------------------


def uniform(seed):
    """mulberry32, as test/property/aggregates/random.ts has it."""
    state = seed & 0xFFFFFFFF
    while True:
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = ((state ^ (state >> 15)) * (1 | state)) & 0xFFFFFFFF
        t = ((t + (((t ^ (t >> 7)) * (61 | t)) & 0xFFFFFFFF)) & 0xFFFFFFFF) ^ t
        yield (t ^ (t >> 14)) / 4294967296


def rank_error(ordered, answer, q):
    low = np.searchsorted(ordered, answer, "left") / len(ordered)
    high = np.searchsorted(ordered, answer, "right") / len(ordered)
    return max(0.0, low - q, q - high)


def kll_error(n, seeds, panes):
    ranks = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
    errors = []
    for seed in range(1, seeds + 1):
        stream = uniform(104_729 * seed)
        values = np.array([next(stream) for _ in range(n)])
        parts = [datasketches.kll_doubles_sketch(200) for _ in range(panes)]
        for at, value in enumerate(values):
            parts[at * panes // n].update(value)
        merged = parts[0]
        for part in parts[1:]:
            merged.merge(part)
        ordered = np.sort(values)
        errors += [rank_error(ordered, merged.get_quantile(q, True), q) for q in ranks]
    return {
        "n": n,
        "seeds": seeds,
        "panes": panes,
        "ranks": ranks,
        "rms": float(np.sqrt(np.mean(np.square(errors)))),
        "largest": float(np.max(errors)),
    }


def hll_error(n, seeds):
    """From four panes: a sketch that was never merged has a better estimator there, which does not survive merging."""
    errors = []
    for seed in range(seeds):
        parts = [datasketches.hll_sketch(12, datasketches.tgt_hll_type.HLL_8) for _ in range(4)]
        for at in range(n):
            parts[at % 4].update(f"{seed}/{at}")
        union = datasketches.hll_union(12)
        for part in parts:
            union.update(part)
        errors.append(union.get_estimate() / n - 1)
    return {"n": n, "seeds": seeds, "rms": float(np.sqrt(np.mean(np.square(errors))))}


def frequent_error(n):
    """The ten most frequent of Zipf-like values; their sketch of 128 counters finds the same ones."""
    stream = uniform(20130401)
    values = [math.floor(1 / (1 - next(stream)) ** 1.1) for _ in range(n)]
    sketch = datasketches.frequent_strings_sketch(7)
    for value in values:
        sketch.update(str(value))
    counts = pd.Series(values).value_counts()
    top = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:10]
    found = sketch.get_frequent_items(datasketches.frequent_items_error_type.NO_FALSE_NEGATIVES)
    assert {item[0] for item in found[:10]} == {str(value) for value, _ in top}
    return {"n": n, "top": [[int(value), int(count)] for value, count in top]}


write(
    "sketches.json",
    {
        "datasketches_bound_k200": datasketches.kll_doubles_sketch.get_normalized_rank_error(200, False),
        "kll": [kll_error(20_000, 40, 1), kll_error(20_000, 40, 24), kll_error(2_000, 40, 1)],
        "hll": [hll_error(2_000, 100), hll_error(10_000, 100), hll_error(50_000, 60)],
        "frequent": frequent_error(50_000),
    },
)
