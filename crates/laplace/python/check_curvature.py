"""Checks curvatures against torch's automatic differentiation (method section 2).

    python check_curvature.py < problems.json

tests/peers.rs writes the problems and what it got. Needs torch. Ends with status 0 if every difference is within its
limit, 1 if not, 77 if a package is missing.
"""

import json
import sys

try:
    import torch
    from problem import Problem, Worst
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def gradient(value, weight):
    """d value/dW, zeros where W has no part in it."""
    (found,) = torch.autograd.grad(value, weight, retain_graph=True, allow_unused=True)
    return torch.zeros_like(weight) if found is None else found


def curvature(problem):
    """H by its definition and the losses: one gradient per sample (ef), or per sample and candidate (ggn)."""
    weight = problem.weight.clone().requires_grad_()
    total, losses = torch.zeros_like(weight), []
    for i, text in enumerate(problem.queries):
        scores = problem.score(problem.embed(weight, text), problem.candidates(weight, i))
        loss = torch.nn.functional.cross_entropy(scores[None], torch.tensor([i]))
        losses.append(float(loss.detach()))
        if problem.options["estimator"] == "ef":
            total += gradient(loss, weight) ** 2
        else:
            p = torch.softmax(scores.detach(), 0)[:, None, None]
            slopes = torch.stack([gradient(score, weight) for score in scores])
            total += (p * (slopes - (p * slopes).sum(0)) ** 2).sum(0)
    return total[: problem.dimension], losses


def main():
    worst = Worst({"H": 1e-10, "H fast": 1e-5, "losses": 1e-10})
    for data in json.load(sys.stdin):
        problem = Problem(data)
        h, losses = curvature(problem)
        worst.compare("H", problem.results["H"], h, data["name"])
        worst.compare("H fast", problem.results["H_fast"], h, data["name"])
        worst.compare("losses", problem.results["losses"], losses, data["name"])
    sys.exit(worst.report())


if __name__ == "__main__":
    main()
