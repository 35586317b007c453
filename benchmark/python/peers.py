"""NumPy and faiss over the rows of the benchmark: a JSON object per line in, one per line out (benchmark/README.md)."""

import math
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np

from serve import serve

TILE = 16_384  # rows per product: what a tile makes stays in the caches


class Peers:
    """Answers requests; a request's threads are those that the process was started with."""

    def load(self, folder, rows, dimension, what, **_):
        self.dimension = dimension
        self.mean = self._read(folder, "mean", rows)
        if what == "faiss":
            import faiss

            self.flat = faiss.IndexFlatIP(dimension)
            self.flat.add(self.mean)
            del self.mean
        else:
            self.variance = self._read(folder, "variance", rows)
            self.square = self.mean * self.mean
        return {}

    def _read(self, folder, name, rows):
        return np.fromfile(Path(folder) / f"{name}.f32", np.float32, rows * self.dimension).reshape(rows, -1)

    def _queries(self, folder, first, queries):
        read = lambda name: self._read(folder, f"query-{name}", first + queries)[first:]
        return read("mean"), read("variance")

    def products(self, folder, first, queries, **_):
        """The three products alone."""
        mean, variance = self._queries(folder, first, queries)
        start = time.perf_counter()
        for _tile, _similarity, _spread in self._tiles(mean, variance):
            pass
        return {"ms": (time.perf_counter() - start) * 1e3}

    def search(self, folder, first, queries, k, **_):
        """The products, the formula and the k best."""
        mean, variance = self._queries(folder, first, queries)
        start = time.perf_counter()
        scores, rows = [], []
        for tile, similarity, spread in self._tiles(mean, variance):
            score = similarity / np.sqrt(1 + np.float32(math.pi / 8) * spread)
            best = np.argpartition(-score, min(k, score.shape[1]) - 1, axis=1)[:, :k]
            scores.append(np.take_along_axis(score, best, 1))
            rows.append(best + tile)
        scores, rows = np.concatenate(scores, 1), np.concatenate(rows, 1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(rows, order, 1)
        return {"ms": (time.perf_counter() - start) * 1e3, "best": found[0, :10].tolist()}

    def _tiles(self, mean, variance):
        second = mean * mean + variance
        shape = (len(mean), TILE)
        outs = [np.empty(shape, np.float32) for _ in range(3)]
        for tile in range(0, len(self.mean), TILE):
            part = slice(tile, tile + TILE)
            factors = ((mean, self.mean), (second, self.variance), (variance, self.square))
            size = len(self.mean[part])
            similarity, left, right = (
                np.matmul(a, b[part].T, out=out if size == TILE else None)
                for (a, b), out in zip(factors, outs)
            )
            yield tile, similarity, np.add(left, right, out=left)

    def means(self, folder, first, queries, k, **_):
        """faiss, exact, means only."""
        mean, _variance = self._queries(folder, first, queries)
        start = time.perf_counter()
        _scores, rows = self.flat.search(mean, k)
        return {"ms": (time.perf_counter() - start) * 1e3, "best": rows[0, :10].tolist()}

    def info(self):
        found = {"python": sys.version.split()[0], "numpy": np.__version__}
        blas = np.show_config("dicts")["Build Dependencies"]["blas"]
        found["blas"] = f"{blas['name']} {blas['version']}"
        for name, package in {"faiss": "faiss-cpu", "torch": "torch", "laplace-torch": "laplace-torch"}.items():
            try:
                found[name] = metadata.version(package)
            except metadata.PackageNotFoundError:
                pass
        return found


serve(Peers())
