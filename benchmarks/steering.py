r"""Group elements of unseen augmentations, learned from 16 augmentations of 16 noisy points each.

    python -m benchmarks.steering [--seeds 8]

The truth is the representation of SO(3) with spins 1, 2 and 3, D = 3 + 5 + 7 = 15, in a random
orthonormal basis that nothing is told of. Embeddings are standard Gaussian rows B, targets
A = B ρ(θ)^t plus Gaussian noise of size 0.3 an entry, and θ is a rotation vector with uniform axis
and an angle uniform in [0, π]. The error is ‖ρ̂(θ) - ρ(θ)‖_F / √(2D), about 1 for unrelated
rotations, averaged over unseen θ of the same distribution; mean and worst over seeds of everything.

Learned maps see moments of the 16 augmentations. With λ > 0 they also see the law: fresh random
pairs θ, θ' at each step, and the rotation vector of θ followed after θ'. The last rows solve
Wahba's problem for each unseen θ from pairs of its own.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from equiform import Moments, SpecialOrthogonal
from equiform.steering import LearnedIsometry

SPINS = (1, 2, 3)
DIM = sum(2 * spin + 1 for spin in SPINS)
GROUP = SpecialOrthogonal(DIM)
NOISE = 0.3
AUGMENTATIONS, POINTS, UNSEEN, LAW_PAIRS = 16, 16, 256, 32


def spin_matrices(spin: int) -> Tensor:
    """Generators of the rotations about x, y and z on real spherical harmonics, ``(3, n, n)``."""
    m = torch.arange(-spin, spin, dtype=torch.float64)
    raising = torch.diag((spin * (spin + 1) - m * (m + 1)).sqrt(), diagonal=-1) + 0j
    z = torch.diag(torch.arange(-spin, spin + 1, dtype=torch.float64)) + 0j
    j = torch.stack([(raising + raising.mH) / 2, (raising - raising.mH) / 2j, z])
    # Rows of u: the real harmonics, sums and differences of Y_m and Y_{-m}.
    u = torch.zeros_like(z)
    u[spin, spin] = 1
    for k in range(1, spin + 1):
        plus, minus, sign = spin + k, spin - k, (-1) ** k
        u[plus, [minus, plus]] = math.sqrt(0.5) * torch.tensor([1, sign]).to(u)
        u[minus, [minus, plus]] = math.sqrt(0.5) * torch.tensor([1j, -1j * sign]).to(u)
    return (u @ (-1j * j) @ u.mH).real


def rotation_vectors(n: int, generator: torch.Generator, *, largest: float = math.pi) -> Tensor:
    """Uniform axes times angles uniform in [0, largest], ``(n, 3)``."""
    axis = nn.functional.normalize(torch.randn(n, 3, generator=generator), dim=-1)
    return axis * largest * torch.rand(n, 1, generator=generator)


def compose(theta: Tensor, theta_prime: Tensor) -> Tensor:
    """Rotation vector, of angle at most π, of θ after θ': the product of unit quaternions."""
    (w1, v1), (w2, v2) = _quaternion(theta), _quaternion(theta_prime)
    w = w1 * w2 - (v1 * v2).sum(-1, keepdim=True)
    v = w1 * v2 + w2 * v1 + torch.linalg.cross(v1, v2)
    sine = v.norm(dim=-1, keepdim=True)
    direction = torch.where(w < 0, -v, v) / sine.clamp_min(torch.finfo(v.dtype).tiny)
    return 2 * torch.atan2(sine, w.abs()) * direction


def _quaternion(theta: Tensor) -> tuple[Tensor, Tensor]:
    half = theta.norm(dim=-1, keepdim=True) / 2
    return half.cos(), torch.special.sinc(half / math.pi) * theta / 2


class Toy:
    """One draw of the hidden basis, and points from it.

    Args:
        seed: of all that is drawn, the initial weights of the networks included.
    """

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.generator = torch.Generator().manual_seed(seed)
        basis = torch.linalg.qr(torch.randn(DIM, DIM, generator=self.generator)).Q
        blocks = zip(*map(spin_matrices, SPINS), strict=True)
        self.generators = torch.stack([basis @ torch.block_diag(*b) @ basis.mT for b in blocks])
        self.unseen = self.draw(UNSEEN)
        seen = self.draw(AUGMENTATIONS)
        self.seen = seen[seen.norm(dim=-1).argsort()]
        self.moments = Moments.of(*self.pairs(self.seen, POINTS))

    def draw(self, n: int, largest: float = math.pi) -> Tensor:
        """Fresh augmentations."""
        return rotation_vectors(n, self.generator, largest=largest)

    def truth(self, theta: Tensor) -> Tensor:
        """ρ(θ)."""
        return torch.linalg.matrix_exp(torch.tensordot(theta, self.generators, dims=1))

    def pairs(self, theta: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """n noisy pairs of rows of each augmentation."""
        b = torch.randn(len(theta), n, DIM, generator=self.generator)
        noise = torch.randn(b.shape, generator=self.generator)
        return b, b @ self.truth(theta).mT + NOISE * noise

    def error(self, fitted: Tensor) -> float:
        """Of fitted ρ at the unseen augmentations."""
        gap = torch.linalg.matrix_norm(fitted - self.truth(self.unseen))
        return float(gap.mean()) / math.sqrt(2 * DIM)

    def law_defect(self) -> float:
        """How far the truth is from its own law: rounding, unless something here is wrong."""
        first, second = self.unseen.chunk(2)
        defect = self.truth(compose(first, second)) - self.truth(first) @ self.truth(second)
        return float(defect.abs().max())


class Recipe(NamedTuple):
    """How a learned map is made and fitted: Adam under one cycle of the learning rate."""

    network: Callable[[], nn.Module] | None
    steps: int
    learning_rate: float
    law: float


def perceptron() -> nn.Module:
    """Two hidden layers; a last one near zero, so that ρ begins near the identity."""
    out = len(GROUP.algebra_basis())
    last = nn.Linear(64, out, bias=False)
    nn.init.normal_(last.weight, std=0.01)
    return nn.Sequential(nn.Linear(3, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), last)


def fit(toy: Toy, recipe: Recipe) -> float:
    """Error of a learned map."""
    network = None if recipe.network is None else recipe.network()
    rho = LearnedIsometry(GROUP, 3, network=network)
    optimizer = torch.optim.Adam(rho.parameters(), recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, recipe.steps, pct_start=0.05
    )
    sizes = toy.seen.norm(dim=-1)
    for step in range(recipe.steps):
        # Small rotations first, all of them after 60 % of the steps. From the identity a fit finds
        # turns below π only, and a spin of 3 turns by three times the angle: 1 radian is safe.
        largest = min(math.pi, 1 + (math.pi - 1) * step / (0.6 * recipe.steps))
        m = max(2, int((sizes <= largest).sum()))
        loss = rho.moment_loss(toy.seen[:m], toy.moments.map(lambda x, m=m: x[:m]))
        if recipe.law:
            theta, theta_prime = toy.draw(2 * LAW_PAIRS, largest).chunk(2)
            composed = compose(theta, theta_prime)
            loss = loss + recipe.law * rho.composition_loss(theta, theta_prime, composed)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return toy.error(rho(toy.unseen))


def solve(toy: Toy, n: int) -> float:
    """Error of Wahba's problem solved for each unseen augmentation from n pairs of its own."""
    return toy.error(GROUP.recover(*toy.pairs(toy.unseen, n)).matrix)


ROWS: dict[str, Callable[[Toy], float]] = {
    "linear generators": lambda toy: fit(toy, Recipe(None, 600, 0.03, law=0)),
    "linear generators, law λ = 3": lambda toy: fit(toy, Recipe(None, 600, 0.03, law=3)),
    "MLP": lambda toy: fit(toy, Recipe(perceptron, 700, 0.003, law=0)),
    "MLP, law λ = 3": lambda toy: fit(toy, Recipe(perceptron, 700, 0.003, law=3)),
    "Wahba, 16 pairs of each": lambda toy: solve(toy, 16),
    "Wahba, 64 pairs of each": lambda toy: solve(toy, 64),
    "Wahba, 128 pairs of each": lambda toy: solve(toy, 128),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=8, help="seeds 0, 1, …")
    seeds = range(parser.parse_args().seeds)
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)  # the matrices are small
    print(f"largest defect of the true law: {max(Toy(seed).law_defect() for seed in seeds):.1e}")
    print(f"{'error on unseen augmentations':32}{'mean':>8}{'worst':>8}{'s a seed':>10}")
    for name, row in ROWS.items():
        start = time.perf_counter()
        errors = [row(Toy(seed)) for seed in seeds]
        seconds = (time.perf_counter() - start) / len(errors)
        print(
            f"{name:32}{sum(errors) / len(errors):8.3f}{max(errors):8.3f}{seconds:10.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
