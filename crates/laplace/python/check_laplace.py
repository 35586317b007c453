"""Checks posteriors against laplace-torch, where its definitions are ours (method section 2).

    python check_laplace.py < problems.json

tests/peers.rs writes the problems and what it got. A pair of the batch is a sample, the logits are s_ij and the label
is i, so that InfoNCE is laplace-torch's cross-entropy, summed over samples as ours, and W is the model's only
parameter. Then the same things have the same names, but for these:

- its `temperature` is our laplace_temperature T_l (H/T_l in the precision, and the loss over T_l);
- its prior precision is one number here (PriorStructure.SCALAR), its prior mean 0, hence our lambda |W|^2;
- its marginal likelihood has the same constants as ours; it is maximised by Adam, ours by a fixed point;
- 'last_layer' is the textbook case: unit vectors as fixed passages make of W a softmax regression. 'whole' puts
  passages, norm, pooling and cosine behind W, which laplace-torch takes as a model like any other.
- its empirical Fisher of a `last_layer` is 0 (version 0.3 asks the whole model for gradients by the last layer's own
  names), so that for 'ef' the linear layer is the whole model.

Not comparable: hard negatives (another number of classes for each sample), and sums over several batches (other
classes), which tests of ours cover.

Ends with status 0 if every difference is within its limit, 1 if not, 77 if a package is missing.
"""

import json
import sys

try:
    import torch
    from laplace import Laplace
    from laplace.curvature import CurvlinopsEF, CurvlinopsGGN
    from problem import Problem, Worst
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


class Encoder(torch.nn.Module):
    """Logits s_ij of queries, each one row of numbers: its tokens' a, residual and pooling weights."""

    def __init__(self, problem, tokens):
        super().__init__()
        self.weight = torch.nn.Parameter(problem.weight.clone())
        self.problem, self.tokens = problem, tokens

    def forward(self, rows):
        problem, tokens = self.problem, self.tokens
        sizes = [tokens * problem.features, tokens * problem.width, tokens]
        a, residual, weights = rows.split(sizes, dim=1)
        text = (a.unflatten(1, (tokens, -1)), residual.unflatten(1, (tokens, -1)), weights)
        return problem.score(problem.embed(self.weight, text), problem.candidates(self.weight, None))


def rows(problem, tokens):
    """The queries for Encoder, filled up with tokens of weight 0."""
    stacked = []
    for a, residual, weights in problem.queries:
        missing = tokens - len(weights)
        parts = [torch.nn.functional.pad(part, (0, 0, 0, missing)) for part in (a, residual)]
        stacked.append(torch.cat([part.flatten() for part in parts] + [torch.nn.functional.pad(weights, (0, missing))]))
    return torch.stack(stacked)


def last_layer(problem):
    """Softmax regression: a linear layer over features h = sum w_t a_t."""
    linear = torch.nn.Linear(problem.features, problem.width, bias=False)
    linear.weight.data = problem.weight.clone()
    h = torch.stack([weights @ a for a, _, weights in problem.queries])
    return linear, h


def fit(problem, subset):
    """laplace-torch's posterior at our lambda, and what it was fitted on."""
    estimator = problem.options["estimator"]
    if subset == "last_layer":
        model, x = last_layer(problem)
        model = torch.nn.Sequential(torch.nn.Identity(), model) if estimator == "ggn" else model
    else:
        tokens = max(len(weights) for _, _, weights in problem.queries)
        model, x = Encoder(problem, tokens), rows(problem, tokens)
    labels = torch.arange(len(x))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, labels), batch_size=2)
    laplace = Laplace(
        model,
        "classification",
        subset_of_weights="last_layer" if subset == "last_layer" and estimator == "ggn" else "all",
        hessian_structure="diag",
        backend={"ef": CurvlinopsEF, "ggn": CurvlinopsGGN}[estimator],
        prior_precision=problem.results["lambda"],
        temperature=problem.results["laplace_temperature"],
    )
    laplace.fit(loader)
    return laplace, x


def main():
    # V, and the H in the evidence, are float32 in the posterior; theirs is the maximum that Adam comes to.
    worst = Worst({"H": 1e-10, "loss": 1e-10, "V": 1e-6, "evidence": 1e-6, "logit variance": 1e-6, "lambda": 1e-6})
    for data in json.load(sys.stdin):
        problem, results = Problem(data), data["results"]
        name, subset = data["name"], data["subset"]
        laplace, x = fit(problem, subset)
        worst.compare("H", results["H"], laplace.H, name)
        worst.compare("loss", results["loss"], laplace.loss, name)
        worst.compare("V", results["V"], laplace.posterior_variance, name)
        worst.compare("evidence", results["evidence"], laplace.log_marginal_likelihood().detach(), name)
        if subset == "last_layer":
            backend, whole = laplace.backend, problem.options["estimator"] == "ef"
            jacobians, _ = (backend.jacobians if whole else backend.last_layer_jacobians)(x)
            variance = laplace.functional_variance(jacobians).diagonal(dim1=1, dim2=2)
            worst.compare("logit variance", results["logit_variance"], variance, name)
        laplace.optimize_prior_precision(method="marglik", n_steps=500, lr=0.05, init_prior_prec=results["lambda"])
        worst.compare("lambda", results["marglik_lambda"], laplace.prior_precision.detach(), name)
        theirs = laplace.log_marginal_likelihood().detach()
        ours = laplace.log_marginal_likelihood(torch.tensor(results["marglik_lambda"])).detach()
        if not ours >= theirs - 1e-9 * theirs.abs():
            worst.failed = True
            print(f"{name}: lambda {results['marglik_lambda']} has evidence {ours}, theirs {theirs}")
    sys.exit(worst.report())


if __name__ == "__main__":
    main()
