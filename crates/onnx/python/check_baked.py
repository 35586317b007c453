"""Checks a baked file with ONNX Runtime and the official checker against a direct computation in float64.

    python check_baked.py --original model.onnx --baked baked.onnx --reference folder --variance V.f32 \
        --pooling mean --normalize 1 --tail plain

The folder holds reference.json (token ids, a, u, pooled, embedding from another program) and, for the first-order
tail, may hold variance.json (V, h, v, v_mu). Needs numpy and onnxruntime, and onnx for the checker. Ends with status 0
if every difference is within its tolerance, 1 if not, 77 if a package is missing.
"""

import argparse
import json
import pathlib
import sys

try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

WORST = {}
LIMITS = {"mean": 1e-5, "norm": 1e-5, "variance": 1e-4, "original": 1e-5, "invalid": 0.0, "batch": 2e-5}


def record(name, value):
    """Keeps the largest difference; NaN counts as infinite."""
    value = float(value)
    WORST[name] = max(WORST.get(name, 0.0), value if value == value else float("inf"))


def weights(mask, pooling):
    mask = np.asarray(mask, float)
    kept = np.flatnonzero(mask)
    w = np.zeros(len(mask))
    if len(kept):
        if pooling == "mean":
            w = mask / mask.sum()
        else:
            w[kept[0] if pooling == "cls" else kept[-1]] = 1.0
    return w


def direct(a, u, mask, args, norm, v_matrix):
    """Mean, variance and norm by the formulas of method sections 1 and 3, in float64."""
    w = weights(mask, args.pooling)
    a, u = np.asarray(a, float), np.asarray(u, float)
    gamma = np.asarray(norm["gamma"] or np.ones(u.shape[1]), float)
    beta = np.asarray(norm["beta"] or np.zeros(u.shape[1]), float)
    c = u - u.mean(1, keepdims=True) if norm["type"] == "LayerNorm" else u
    s = np.sqrt((c**2).mean(1) + norm["eps"])
    z = w @ (gamma * c / s[:, None] + beta)
    h = w @ a if args.tail == "plain" else (w / s) @ a
    v = v_matrix @ h**2
    if args.tail != "plain":
        v = gamma**2 * v
    length = np.linalg.norm(z)
    if not args.normalize:
        return z, v, length
    mu = z / length
    return mu, (v * (1 - 2 * mu**2) + mu**2 * (mu**2 @ v)) / length**2, length


def main():
    parser = argparse.ArgumentParser()
    for name in ["original", "baked", "reference", "variance"]:
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--pooling", default="mean")
    parser.add_argument("--normalize", type=int, default=1)
    parser.add_argument("--tail", default="plain")
    args = parser.parse_args()

    onnx.checker.check_model(str(args.baked), full_check=True)
    reference = json.loads((args.reference / "reference.json").read_text())
    norm = reference["norm"]
    v_matrix = np.fromfile(args.variance, "<f4").reshape(reference["D"], reference["I"]).astype(float)
    stored = args.reference / "variance.json"
    stored = json.loads(stored.read_text()) if stored.exists() and args.tail != "plain" else None
    stored = stored if stored and args.pooling == reference["pooling"] else None

    original = onnxruntime.InferenceSession(str(args.original))
    session = onnxruntime.InferenceSession(str(args.baked))
    names = [output.name for output in session.get_outputs()]
    expected = [output.name for output in original.get_outputs()] + ["mean", "variance", "norm"]
    assert names == expected, names
    fed = {item.name for item in session.get_inputs()}

    def feed(ids, mask):
        ids, mask = np.asarray(ids, np.int64), np.asarray(mask, np.int64)
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return {name: value for name, value in feeds.items() if name in fed}

    def run(ids, mask):
        return session.run(["mean", "variance", "norm"], feed(ids, mask))

    singles = []
    for index, text in enumerate(reference["texts"]):
        mean, variance, length = run([text["input_ids"]], [text["attention_mask"]])
        singles.append((mean[0], variance[0]))
        mu, v, expected_length = direct(text["a"], text["u"], text["attention_mask"], args, norm, v_matrix)
        record("mean", np.abs(mean[0] - mu).max())
        record("variance", np.abs(variance[0] - v).max() / v.max())
        record("norm", abs(length[0] / expected_length - 1))
        if args.pooling == reference["pooling"]:
            known = text["embedding"] if args.normalize == reference["normalize"] else None
            known = text["pooled"] if not args.normalize else known
            if known is not None:
                record("mean", np.abs(mean[0] - np.asarray(known)).max())
        if stored:
            known = np.asarray(stored["texts"][index]["v_mu" if args.normalize else "v"])
            record("variance", np.abs(variance[0] - known).max() / known.max())
        # The original outputs stay as they were, up to rounding: exposing u keeps ONNX Runtime from some fusions.
        before = original.run(None, feed([text["input_ids"]], [text["attention_mask"]]))
        after = session.run(names[: len(before)], feed([text["input_ids"]], [text["attention_mask"]]))
        record("original", max(np.abs(x - y).max() for x, y in zip(before, after)))

    # A padded batch on the encoder's side gives what single texts give; a row without tokens gives zeros.
    batch = reference["padded_batch"]
    ids, mask = np.asarray(batch["input_ids"]), np.asarray(batch["attention_mask"])
    ids, mask = np.vstack([ids, ids[:1]]), np.vstack([mask, 0 * mask[:1]])
    mean, variance, length = run(ids, mask)
    for row, (single_mean, single_variance) in enumerate(singles):
        record("batch", np.abs(mean[row] - single_mean).max() / np.abs(single_mean).max())
        record("batch", np.abs(variance[row] - single_variance).max() / single_variance.max())
    record("invalid", max(np.abs(x[-1]).max() for x in (mean, variance, length)))
    assert (variance >= 0).all()

    for name, value in WORST.items():
        print(f"{name}: {value:.2e} (limit {LIMITS[name]:.0e})")
    sys.exit(any(value > LIMITS[name] for name, value in WORST.items()))


if __name__ == "__main__":
    main()
