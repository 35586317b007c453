"""Writes __test__/fixtures/procrustes.json: orthogonal Procrustes by SciPy, in float64, on float32 anchors.

    python crates/gaussian/python/procrustes.py > __test__/fixtures/procrustes.json

Needs numpy and scipy (any recent version). `scipy.linalg.orthogonal_procrustes` is for equal dimensions; where they differ
it is the thin singular value decomposition of YᵀX, the same formula.
"""

import json

import numpy as np
import scipy
from scipy.linalg import orthogonal_procrustes, svd


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def case(anchors, columns, rows, noise, seed):
    random = np.random.default_rng(seed)
    latent = random.standard_normal((anchors, max(columns, rows)))
    mixing = [random.standard_normal((latent.shape[1], d)) for d in (columns, rows)]
    x, y = (unit(latent @ m + noise * random.standard_normal((anchors, m.shape[1]))) for m in mixing)
    x64, y64 = x.astype(np.float64), y.astype(np.float64)
    if columns == rows:
        a = orthogonal_procrustes(x64, y64)[0].T
    else:
        u, _, vt = svd(y64.T @ x64, full_matrices=False)
        a = u @ vt
    mapped = x64 @ a.T
    cosines = np.sum(mapped * y64, axis=1) / np.linalg.norm(mapped, axis=1) / np.linalg.norm(y64, axis=1)
    return {
        "columns": columns,
        "rows": rows,
        "x": [[float(v) for v in row] for row in x],
        "y": [[float(v) for v in row] for row in y],
        "a": a.tolist(),
        "cosine": float(cosines.mean()),
    }


cases = [case(40, 6, 6, 0.1, 1), case(40, 6, 6, 2.0, 2), case(30, 4, 7, 0.3, 3), case(30, 7, 4, 0.3, 4)]
print(json.dumps({"scipy": scipy.__version__, "cases": cases}))
