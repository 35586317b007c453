"""Problems as crates/laplace/tests/peers.rs writes them, as float64 torch tensors, and the tail of method section 1."""

import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


class Problem:
    """A head, a batch of texts, the settings of the loss, and the results to compare with."""

    def __init__(self, data):
        head = self.head = data["head"]
        self.width, self.dimension, self.features = head["width"], head["dimension"], head["features"]
        self.gamma, self.beta = torch.tensor(head["gamma"]), torch.tensor(head["beta"])
        self.weight = torch.tensor(data["weight"]).reshape(self.width, self.features)
        self.queries = [self.text(text) for text in data["queries"]]
        self.positives = [self.text(text) for text in data["positives"]]
        self.negatives = [[self.text(text) for text in texts] for texts in data["negatives"]]
        self.options, self.results = data["options"], data["results"]

    def text(self, data):
        weights = torch.tensor(data["weights"])
        a = torch.tensor(data["a"]).reshape(len(weights), self.features)
        u = torch.tensor(data["u"]).reshape(len(weights), self.width)
        return a, u - a @ self.weight.T, weights  # the residual, with the bias in it

    def embed(self, weight, text):
        """z of a text (or of a stack of texts) under W = weight (width x I): layer, norm, pooling, activation."""
        a, residual, weights = text
        u = a @ weight.T + residual
        kind, epsilon = self.head["norm"], self.head["epsilon"]
        if kind == "layer":
            u = torch.nn.functional.layer_norm(u, (self.width,), self.gamma, self.beta, epsilon)
        elif kind == "rms":
            u = torch.nn.functional.rms_norm(u, (self.width,), self.gamma, epsilon)
        names = {"identity": lambda x: x, "tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}
        pooled = torch.einsum("...t,...td->...d", weights, u)
        return names[self.head["activation"]](pooled[..., : self.dimension])

    def score(self, query, candidates):
        """s of a query (D), or of several (m x D), against candidates (n x D)."""
        if self.options["similarity"] == "cosine":
            query = torch.nn.functional.normalize(query, dim=-1, eps=0)
            candidates = torch.nn.functional.normalize(candidates, dim=-1, eps=0)
        return query @ candidates.T / self.options["temperature"]

    def candidates(self, weight, query):
        """z of everything that a query (None: one without negatives) is compared with, n x D, constants for sides 'query'."""
        own = self.negatives[query] if self.negatives else []
        rows = torch.stack([self.embed(weight, text) for text in self.positives + own])
        return rows if self.options["sides"] == "both" else rows.detach()


class Worst:
    """The largest difference of each kind, relative to the largest expected number."""

    def __init__(self, limits):
        self.limits, self.seen, self.failed = limits, {}, False

    def compare(self, kind, got, expected, where):
        got, expected = torch.as_tensor(got).flatten(), torch.as_tensor(expected).flatten()
        assert got.shape == expected.shape, f"{where}: {kind} has {got.shape} numbers for {expected.shape}"
        error = float((got - expected).abs().max() / expected.abs().max())
        self.seen[kind] = max(self.seen.get(kind, 0.0), error if error == error else float("inf"))
        if not error <= self.limits[kind]:
            self.failed = True
            print(f"{where}: {kind} is off by {error:.2e} (limit {self.limits[kind]:.0e})")

    def report(self):
        for kind, error in self.seen.items():
            print(f"{kind}: {error:.2e} (limit {self.limits[kind]:.0e})")
        return int(self.failed)
