"""The ops, stateless losses and measures."""

from functools import partial

import numpy as np
import torch

from equiform import (
    EuclideanForm,
    Hyperboloid,
    MinkowskiForm,
    Moments,
    Sphere,
    SymplecticForm,
    functional,
    steer,
)
from equiform.experimental import FiniteGroup, pair_orbit
from equiform.ops import gram_difference, log_partition
from tests.contract.call import Call, clouds, numbers
from tests.contract.table.manifolds import unit

NO_GRAPH = dict.fromkeys(("compile", "export"), "outside of torch.compile")
J = np.diag([-1.0, 1, 1, 1])
SYMPLECTIC = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])


def _difference(j):
    return lambda a, b: ((a @ j @ a.T - b @ j @ b.T) ** 2).sum()


def _info_nce(z1, z2, tau=0.5):
    z = np.stack([z1, z2], 1).reshape(-1, z1.shape[-1])
    s = z @ z.T / tau
    np.fill_diagonal(s, -np.inf)
    partner = np.arange(len(z)) ^ 1
    return (np.log(np.exp(s).sum(1)) - s[np.arange(len(z)), partner]).mean()


def _pairs(name1, name2, oracle_of=None, **options):
    return {"inputs": clouds(name1, name2), **options}


def _wahba(source, target):
    u, _, vh = np.linalg.svd(target.T @ source)
    misfit = target - source @ (u @ vh).T
    return (np.linalg.norm(misfit, axis=1) / np.linalg.norm(target, axis=1)).mean()


def _rank(z):
    # The exponential of the entropy of the spectrum.
    s = np.linalg.eigvalsh(z.T @ z)
    p = s / s.sum()
    return np.exp(-(p * np.log(p)).sum())


TWO = {"inputs": clouds("z1", "z2")}
BEFORE_AND_AFTER = {"inputs": clouds("source", "target")}
ON_SPHERE = {**TWO, "onto": {"z1": unit, "z2": unit}}
HYPERBOLIC = Hyperboloid()
ON_HYPERBOLOID = {**TWO, "onto": {"z1": HYPERBOLIC.projx, "z2": HYPERBOLIC.projx}}


def _gram(backend, form, j):
    return Call(
        name="gram_difference",
        variant=f"{form}-{backend}",
        function=partial(gram_difference, form=form, backend=backend),
        inputs=clouds("a", "b"),
        oracle=_difference(j),
        size=lambda a, b: ((a**2).sum() + (b**2).sum()) ** 2,
        whole=backend in ("gram", "gauge"),
        rtol=2e-3,
    )


FORMS = [(EuclideanForm(), np.eye(4)), (MinkowskiForm(), J), (SymplecticForm(), SYMPLECTIC)]
CALLS = [
    _gram(backend, form, j)
    for backend in ("auto", "reference", "gram", "moments")
    for form, j in FORMS
]
CALLS.append(_gram("gauge", EuclideanForm(), np.eye(4)))
CALLS += [
    Call(
        name="gram_difference",
        variant="weights",
        function=lambda a, b, weights: gram_difference(a, b, EuclideanForm(), weights=weights),
        taken={"weights": ("None", "integers", "bool")},
        inputs=lambda n, d: {**clouds("a", "b")(n, d), "weights": numbers(n, seed=3).abs()},
        rtol=2e-3,
    ),
    Call(
        name="log_partition",
        function=log_partition,
        inputs=clouds("x"),
        oracle=lambda x: np.log((np.exp(x @ x.T) * (1 - np.eye(len(x)))).sum(1)),
    ),
    Call(
        name="steer",
        function=steer,
        inputs=lambda n, d: {"z": numbers(n, d), "matrix": numbers(d, d, seed=1)},
        fixed=("matrix",),
        keeps_dtype=True,
        oracle=lambda z, matrix: z @ matrix.T,
    ),
]
for normalization in ("pairs", "care", "relative"):
    for center in (False, True):
        CALLS.append(
            Call(
                name="pairwise_equivariance",
                variant=f"{normalization}{'-center' * center}",
                function=partial(
                    functional.pairwise_equivariance, normalization=normalization, center=center
                ),
                rtol=2e-3,
                whole=center and normalization == "care",
                **TWO,
            )
        )
CALLS += [
    Call(
        name="pairwise_equivariance",
        variant="log_cosh",
        function=partial(functional.pairwise_equivariance, manifold=HYPERBOLIC, link="log_cosh"),
        rtol=2e-3,
        **ON_HYPERBOLOID,
    ),
    Call(
        name="info_nce",
        function=functional.info_nce,
        **ON_SPHERE,
        oracle=_info_nce,
        size=lambda z1, z2: 1,
        least=2,
    ),
    Call(
        name="info_nce",
        variant="sphere",
        function=partial(functional.info_nce, manifold=Sphere()),
        **ON_SPHERE,
        oracle=_info_nce,
        size=lambda z1, z2: 1,
        least=2,
    ),
    Call(
        name="info_nce",
        variant="hyperboloid",
        function=partial(functional.info_nce, manifold=HYPERBOLIC),
        **ON_HYPERBOLOID,
        least=2,
    ),
    Call(name="info_nce_terms", function=functional.info_nce_terms, **ON_SPHERE, least=2),
    Call(name="uniformity", function=functional.uniformity, **ON_SPHERE, least=2),
    Call(
        name="invariance",
        function=functional.invariance,
        **TWO,
        oracle=lambda z1, z2: np.linalg.norm(z1 - z2, axis=1).mean(),
    ),
    Call(
        name="invariance",
        variant="hyperboloid",
        function=partial(functional.invariance, manifold=HYPERBOLIC),
        **ON_HYPERBOLOID,
    ),
    Call(
        name="momentum_contrast",
        function=functional.momentum_contrast,
        inputs=clouds("query", "key", "queue"),
    ),
    Call(name="orientation_determinant", function=functional.orientation_determinant, **TWO),
    Call(name="orientation_gap", function=functional.orientation_gap, **TWO),
    Call(
        name="effective_rank",
        function=functional.effective_rank,
        inputs=clouds("z"),
        oracle=_rank,
        rtol=1e-3,
    ),
    Call(
        name="effective_rank",
        variant="minkowski",
        function=partial(functional.effective_rank, form=MinkowskiForm()),
        inputs=clouds("z"),
        rtol=1e-3,
    ),
    Call(
        name="effective_rank_moments",
        function=functional.effective_rank_moments,
        inputs=lambda n, d: {"second_moment": numbers(n, d).mT @ numbers(n, d)},
        oracle=lambda second_moment: _rank(np.linalg.cholesky(second_moment).T),
        rtol=1e-3,
    ),
    Call(
        name="wahba_error",
        function=partial(functional.wahba_error, held_out=False),
        refuses=NO_GRAPH,
        rtol=1e-3,
        **BEFORE_AND_AFTER,
    ),
    Call(
        name="wahba_error",
        variant="held_out",
        function=functional.wahba_error,
        refuses=NO_GRAPH,
        least=2,
        rtol=1e-3,
        **BEFORE_AND_AFTER,
    ),
    Call(
        name="composition_defect",
        function=functional.composition_defect,
        refuses=NO_GRAPH,
        inputs=clouds("source", "first", "second", "both"),
        least=2,
        rtol=1e-3,
    ),
    Call(name="cosine_spread", function=functional.cosine_spread, least=2, **BEFORE_AND_AFTER),
    Call(
        name="relative_equivariance",
        function=functional.relative_equivariance,
        rtol=1e-3,
        **BEFORE_AND_AFTER,
    ),
    Call(
        name="relative_equivariance",
        variant="minkowski",
        function=partial(functional.relative_equivariance, form=MinkowskiForm()),
        rtol=1e-3,
        **BEFORE_AND_AFTER,
    ),
    Call(
        name="relative_equivariance_care",
        function=functional.relative_equivariance_care,
        least=2,
        rtol=1e-3,
        **BEFORE_AND_AFTER,
    ),
    Call(
        name="relative_equivariance_moments",
        function=lambda source, target: functional.relative_equivariance_moments(
            Moments.of(source, target)
        ),
        rtol=1e-3,
        **BEFORE_AND_AFTER,
    ),
    Call(
        name="Moments.of",
        function=lambda source, target: Moments.of(source, target).parts[:3],
        oracle=lambda source, target: (source.T @ source, source.T @ target, target.T @ target),
        **BEFORE_AND_AFTER,
    ),
    Call(
        name="nearest_neighbours",
        function=partial(functional.nearest_neighbours, k=1),
        inputs=clouds("query", "gallery"),
        smooth=False,
    ),
    Call(
        name="knn_accuracy",
        function=partial(functional.knn_accuracy, k=1),
        inputs=lambda n, d: {
            "features": numbers(n, d),
            "labels": torch.arange(n) % 2,
            "test_features": numbers(n, d, seed=1),
            "test_labels": torch.arange(n) % 2,
        },
        smooth=False,
    ),
    Call(name="pair_orbit", function=partial(pair_orbit, group=FiniteGroup.signs(4)), **TWO),
]
