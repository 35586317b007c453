"""NumPy, torch and laplace-torch at the curvature of one contrastive batch: a JSON object per line in, one per line out
(benchmark/README.md).

The tail: u = W a + r, LayerNorm, mean over the tokens, length 1; InfoNCE among the passages of the batch, τ = 0.05. All
float32 as in the product, the sum of squares in float64.
"""

import time

import numpy as np

from serve import serve

TEMPERATURE = 0.05


class Peers:
    """Answers requests; a request's threads are those that the process was started with."""

    def load(self, batch, tokens, dimension, features, what, **_):
        random = np.random.default_rng(1)
        numbers = lambda *shape: random.standard_normal(shape, np.float32)
        if what == "numpy":
            # What enters G_i: the query's tokens and those of all passages; Δ and A are given.
            entering = tokens * (1 + batch)
            self.delta, self.a = numbers(batch, entering, dimension), numbers(batch, entering, features)
            self.h = np.zeros((dimension, features))
            return {}
        import torch

        self.torch = torch
        self.a = [torch.from_numpy(numbers(batch, tokens, features)) for _ in range(2)]
        self.r = [torch.from_numpy(numbers(batch, tokens, dimension)) for _ in range(2)]
        self.w = torch.nn.Parameter(torch.from_numpy(numbers(dimension, features)) / features**0.5)
        self.h = torch.zeros(dimension, features, dtype=torch.float64)
        return {}

    def einsum(self, **_):
        """Per sample G = Δᵀ A by einsum, which calls the BLAS for it, then the squares."""
        start = time.perf_counter()
        for delta, a in zip(self.delta, self.a):
            gradient = np.einsum("td,ti->di", delta, a, optimize=True)
            self.h += np.square(gradient, dtype=np.float64)
        return {"ms": (time.perf_counter() - start) * 1e3}

    def _embed(self, side):
        functional = self.torch.nn.functional
        u = self.a[side] @ self.w.T + self.r[side]
        return functional.normalize(functional.layer_norm(u, u.shape[-1:]).mean(1), dim=1)

    def autograd(self, **_):
        """One forward of the tail, then a backward for each sample's loss."""
        torch = self.torch
        start = time.perf_counter()
        scores = self._embed(0) @ self._embed(1).T / TEMPERATURE
        labels = torch.arange(len(scores))
        for loss in torch.nn.functional.cross_entropy(scores, labels, reduction="none"):
            (gradient,) = torch.autograd.grad(loss, self.w, retain_graph=True)
            self.h += gradient.double().square()
        return {"ms": (time.perf_counter() - start) * 1e3}

    def laplace(self, **_):
        """Diagonal empirical Fisher of laplace-torch. Its samples are independent: the passages are constants (sides
        'query'), and the tail with the scores against them is a classifier of the query."""
        torch = self.torch
        from laplace.curvature import CurvlinopsEF

        with torch.no_grad():
            passages = self._embed(1)

        class Tail(torch.nn.Module):
            def __init__(self, w):
                super().__init__()
                self.w = w

            def forward(self, inputs):
                a, r = inputs.split([self.w.shape[1], self.w.shape[0]], dim=-1)
                functional = torch.nn.functional
                u = a @ self.w.T + r
                z = functional.layer_norm(u, u.shape[-1:]).mean(-2)
                return functional.normalize(z, dim=-1) @ passages.T / TEMPERATURE

        model = Tail(self.w)
        inputs = torch.cat([self.a[0], self.r[0]], dim=-1)
        labels = torch.arange(len(inputs))
        start = time.perf_counter()
        _loss, diagonal = CurvlinopsEF(model, "classification").diag(inputs, labels)
        self.h += diagonal.reshape(self.h.shape).double()
        return {"ms": (time.perf_counter() - start) * 1e3}


serve(Peers())
