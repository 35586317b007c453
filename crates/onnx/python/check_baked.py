"""Checks baked files with ONNX Runtime and the official checker against a direct computation in float64.

    python check_baked.py cases.json

A list of cases: `original` and `baked` files; a folder `reference` with reference.json (token ids, a, u, pooled, embedding
from another program, and how far a variant may be from them) and, for the first-order tail, perhaps variance.json (V, h,
v, v_mu); the file `variance` with V in float32; `pooling`, `normalize`, `tail`, `dimensions`, `half` as baked;
`overflowing` if every text must come out as invalid. Needs numpy and onnxruntime, and onnx for the checker. Ends with
status 0 if every difference is within its tolerance, 1 if not, 77 if a package is missing.
"""

import functools
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

LIMITS = {"mean": 1e-5, "norm": 1e-5, "variance": 1e-4, "original": 1e-5, "invalid": 0.0, "batch": 2e-5}
# Half the distance of two float16 numbers, relative; a variance is a sum of such terms, all positive.
HALF = 2.0**-11


class Worst(dict):
    """The largest difference of each kind; NaN counts as infinite."""

    def record(self, name, value):
        value = float(value)
        self[name] = max(self.get(name, 0.0), value if value == value else float("inf"))


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


ACTIVATIONS = {
    None: (lambda u: u, lambda u: np.ones_like(u)),
    "tanh": (np.tanh, lambda u: np.cosh(u) ** -2),
}


def direct(text, reference, case, v_matrix):
    """Mean, variance and norm by the formulas of method sections 1 and 3, in float64."""
    norm, kept = reference["norm"], case["dimensions"]
    a, u = np.asarray(text["a"], float), np.asarray(text["u"], float)
    w = np.ones(1) if pooled_layer(reference) else weights(text["attention_mask"], case["pooling"])
    s = np.ones(len(u))
    gamma, y = np.ones(u.shape[1]), u
    if norm["type"] != "identity":
        gamma = np.asarray(norm["gamma"] or gamma, float)
        c = u - u.mean(1, keepdims=True) if norm["type"] == "LayerNorm" else u
        s = np.sqrt((c**2).mean(1) + norm["eps"])
        y = gamma * c / s[:, None] + np.asarray(norm["beta"] or 0, float)
    f, slope = ACTIVATIONS[reference["last_linear"].get("activation")]
    z = (w @ f(y))[:kept]
    h = w @ a if case["tail"] == "plain" else (w / s) @ a
    v = v_matrix @ h**2 * (1 if case["tail"] == "plain" else gamma[:kept] ** 2)
    if pooled_layer(reference):
        v = slope(u[0, :kept]) ** 2 * v
    length = np.linalg.norm(z)
    if not case["normalize"]:
        return z, v, length
    mu = z / length
    return mu, (v * (1 - 2 * mu**2) + mu**2 * (mu**2 @ v)) / length**2, length


def pooled_layer(reference):
    """Whether the last linear layer runs on pooled texts."""
    return "graph_last_linear" in reference


def worst(case):
    """The largest differences of one baked file, and their limits."""
    worst, folder = Worst(), pathlib.Path(case["reference"])
    record = worst.record
    full = checkable(case["original"])
    if full is not None:
        onnx.checker.check_model(case["baked"], full_check=full)
    reference = read(folder)
    limits = dict(LIMITS)
    if reference["tolerance"] > 1e-4:
        limits.update((name, reference["tolerance"]) for name in LIMITS if name != "invalid")
    if case["half"]:
        limits["variance"] += HALF
    v_matrix = np.fromfile(case["variance"], "<f4").reshape(case["dimensions"], reference["I"]).astype(float)
    whole = case["dimensions"] == reference["D"]
    stored = folder / "variance.json"
    stored = json.loads(stored.read_text()) if stored.exists() and case["tail"] != "plain" and whole else None
    stored = stored if stored and case["pooling"] == reference["pooling"] else None

    original = open_session(case["original"])
    session = open_session(case["baked"])
    names = [output.name for output in session.get_outputs()]
    expected = [output.name for output in original.get_outputs()] + ["mean", "variance", "norm"]
    assert names == expected, names
    shapes = [output.shape[1:] for output in session.get_outputs()[-3:]]
    assert shapes == [[case["dimensions"]], [case["dimensions"]], []], shapes
    fed = {item.name for item in session.get_inputs()}

    def feed(ids, mask):
        ids, mask = np.asarray(ids, np.int64), np.asarray(mask, np.int64)
        positions = np.maximum(np.cumsum(mask, 1) - 1, 0)
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids), "position_ids": positions}
        return {name: value for name, value in feeds.items() if name in fed}

    def run(ids, mask):
        return session.run(["mean", "variance", "norm"], feed(ids, mask))

    if case["overflowing"]:
        for text in reference["texts"]:
            record("invalid", max(np.abs(x).max() for x in run([text["input_ids"]], [text["attention_mask"]])))
        return worst, limits

    singles = []
    for index, text in enumerate(reference["texts"]):
        mean, variance, length = run([text["input_ids"]], [text["attention_mask"]])
        singles.append((mean[0], variance[0]))
        mu, v, expected_length = direct(text, reference, case, v_matrix)
        record("mean", np.abs(mean[0] - mu).max())
        record("variance", np.abs(variance[0] - v).max() / v.max())
        record("norm", abs(length[0] / expected_length - 1))
        if case["pooling"] == reference["pooling"] and whole:
            known = text["embedding"] if case["normalize"] == reference["normalize"] else None
            known = text["pooled"] if not case["normalize"] and not pooled_layer(reference) else known
            if known is not None:
                record("mean", np.abs(mean[0] - np.asarray(known)).max())
        if stored:
            known = stored["texts"][index]
            known = np.asarray(known["v_mu"] if case["normalize"] else known.get("v_after_activation", known["v"]))
            record("variance", np.abs(variance[0] - known).max() / known.max())
        # The original outputs stay as they were, up to rounding: exposing u keeps ONNX Runtime from some fusions.
        before = original.run(None, feed([text["input_ids"]], [text["attention_mask"]]))
        after = session.run(names[: len(before)], feed([text["input_ids"]], [text["attention_mask"]]))
        record("original", max(np.abs(x - y).max() for x, y in zip(before, after)))

    # A padded batch gives what single texts give, on either side where only the distances of positions count; a row
    # without tokens gives zeros.
    batch = reference["padded_batch"]
    ids, mask = np.asarray(batch["input_ids"]), np.asarray(batch["attention_mask"])
    ids, mask = np.vstack([ids, ids[:1]]), np.vstack([mask, 0 * mask[:1]])
    for ids, mask in [(ids, mask)] + [flipped(ids, mask)] * (reference["padding_side"] == "left"):
        mean, variance, length = run(ids, mask)
        for row, (single_mean, single_variance) in enumerate(singles if not runs_alone(case["baked"]) else []):
            record("batch", np.abs(mean[row] - single_mean).max() / np.abs(single_mean).max())
            record("batch", np.abs(variance[row] - single_variance).max() / single_variance.max())
        record("invalid", max(np.abs(x[-1]).max() for x in (mean, variance, length)))
        assert (variance >= 0).all()

    return worst, limits


@functools.cache
def checkable(path):
    """How far the official checker accepts an original: it knows the operators of ONNX alone, not the shapes behind any
    other. Fused RMSNorms carry a name of ONNX Runtime in the domain of ONNX: it refuses them altogether."""
    for full in (True, False):
        try:
            onnx.checker.check_model(path, full_check=full)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
            continue
        return full
    print("not checked by the official checker:", path)
    return None


@functools.cache
def read(folder):
    """The reference values of an encoder."""
    return json.loads((folder / "reference.json").read_text())


@functools.lru_cache(maxsize=2)  # the original of several baked files
def open_session(path):
    """Without the products that saturate on processors with AVX2 alone."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(path, options)


def runs_alone(path):
    """Whether one scale is computed for the whole batch, so that texts change each other."""
    model = onnx.load(path, load_external_data=False)
    return any(node.op_type.startswith("DynamicQuantize") for node in model.graph.node)


def flipped(ids, mask):
    """The same texts with the padding on the right instead of the left."""
    order = np.argsort(-mask, axis=1, kind="stable")
    return np.take_along_axis(ids, order, 1), np.take_along_axis(mask, order, 1)


def main():
    failed = False
    for case in json.loads(pathlib.Path(sys.argv[1]).read_text()):
        found, limits = worst(case)
        print(case)
        for name, value in found.items():
            failed |= not value <= limits[name]
            print(f"  {name}: {value:.2e} (limit {limits[name]:.0e})")
    sys.exit(failed)


if __name__ == "__main__":
    main()
