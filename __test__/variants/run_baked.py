"""Runs baked files in Python's ONNX Runtime, without any code of ours.

    python run_baked.py models.json

A list of `file` and `ids` (token ids of texts, each run alone). Prints a list: for each file an object that has, for each
level of graph optimisation, mean and variance of the texts, or what ONNX Runtime said when it refused to open the file.
Ends with status 77 if a package is missing.
"""

import json
import sys

try:
    import numpy as np
    import onnxruntime
except ImportError as error:
    print(error)
    sys.exit(77)

LEVELS = {
    "disabled": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


def run(session, ids):
    ids = np.asarray([ids], np.int64)
    feeds = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
        "position_ids": np.arange(ids.shape[1])[None],
    }
    names = {item.name for item in session.get_inputs()}
    feeds = {name: value for name, value in feeds.items() if name in names}
    mean, variance = session.run(["mean", "variance"], feeds)
    return {"mean": mean[0].tolist(), "variance": variance[0].tolist()}


def outcome(model):
    found = {}
    for name, level in LEVELS.items():
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level
        options.log_severity_level = 3
        # Exact products of int8 on processors with AVX2 but without VNNI, which would saturate.
        options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            session = onnxruntime.InferenceSession(model["file"], options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 (the package exports no base class of its errors)
            found[name] = str(error)
            continue
        found[name] = [run(session, ids) for ids in model["ids"]]
    return found


with open(sys.argv[1]) as file:
    print(json.dumps([outcome(model) for model in json.load(file)]))
