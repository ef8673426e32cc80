"""Options are checked where they are given, and inputs where they come in, by name."""

import geoopt
import numpy as np
import pytest
import torch

from equiform import (
    CARELoss,
    EuclideanForm,
    Hyperboloid,
    InfoNCELoss,
    InvarianceLoss,
    MinkowskiForm,
    MomentumContrastLoss,
    OrientationLoss,
    PairwiseEquivarianceLoss,
    Sphere,
    UniformityLoss,
    functional,
)
from equiform.ops import gram_difference, log_partition

OPTIONS = [
    (lambda: PairwiseEquivarianceLoss(Sphere()), r"form must be a form.*manifold=Sphere"),
    (lambda: PairwiseEquivarianceLoss(EuclideanForm), "form must be a form"),
    (lambda: PairwiseEquivarianceLoss("euclidean"), "form must be a form"),
    (lambda: PairwiseEquivarianceLoss(manifold=Sphere), r"use Sphere\(\)"),
    (lambda: PairwiseEquivarianceLoss(manifold=geoopt.Sphere()), r"equiform.Sphere\(\)"),
    (lambda: PairwiseEquivarianceLoss(manifold=geoopt.Lorentz()), r"equiform.Hyperboloid\(\)"),
    (lambda: PairwiseEquivarianceLoss(MinkowskiForm(), manifold=Sphere()), "one of the two"),
    (lambda: PairwiseEquivarianceLoss(num_chunks=0), "num_chunks=0"),
    (lambda: PairwiseEquivarianceLoss(num_chunks=2.0), "num_chunks must be an int"),
    (lambda: PairwiseEquivarianceLoss(num_chunks=True), "num_chunks must be an int"),
    (lambda: PairwiseEquivarianceLoss(normalization="meen"), "normalization must be one of"),
    (lambda: PairwiseEquivarianceLoss(reduction="meen"), "reduction must be one of"),
    (lambda: PairwiseEquivarianceLoss(backend="fastest"), "backend must be one of"),
    (lambda: PairwiseEquivarianceLoss(center=1), "center must be True or False"),
    (lambda: PairwiseEquivarianceLoss(link="cosh"), "link must be one of"),
    (lambda: PairwiseEquivarianceLoss(orientation=-1.0), "orientation"),
    (lambda: PairwiseEquivarianceLoss(orientation=float("nan")), "orientation"),
    (lambda: PairwiseEquivarianceLoss(MinkowskiForm(), orientation=1.0), "EuclideanForm"),
    (lambda: PairwiseEquivarianceLoss(gather_distributed="yes"), "gather_distributed"),
    (lambda: InfoNCELoss(Hyperboloid()), "temperature must be a number"),
    (lambda: InfoNCELoss(-1.0), "temperature must be positive"),
    (lambda: InfoNCELoss(float("inf")), "temperature must be positive"),
    (lambda: InfoNCELoss(manifold=Sphere), r"use Sphere\(\)"),
    (lambda: InfoNCELoss(manifold=geoopt.Lorentz()), r"equiform.Hyperboloid\(\)"),
    (lambda: InfoNCELoss(backend="fastest"), "backend must be one of"),
    (lambda: UniformityLoss(0), "temperature must be positive"),
    (lambda: UniformityLoss(manifold=geoopt.Sphere()), r"equiform.Sphere\(\)"),
    (lambda: MomentumContrastLoss(0.0), "temperature must be positive"),
    (lambda: InvarianceLoss(manifold=Hyperboloid), r"use Hyperboloid\(\)"),
    (lambda: OrientationLoss(num_chunks=0), "num_chunks=0"),
    (lambda: OrientationLoss(reduction="max"), "reduction must be one of"),
    (lambda: CARELoss(weight=float("nan")), "weight must be finite and not negative"),
    (lambda: CARELoss(weight=-1.0), "weight must be finite and not negative"),
    (lambda: CARELoss(weight="0.1"), "weight must be a number"),
    (lambda: CARELoss(0.5), "contrastive must be a loss"),
    (lambda: CARELoss(manifold=geoopt.Sphere()), r"equiform.Sphere\(\)"),
    (lambda: CARELoss(equivariance=PairwiseEquivarianceLoss(), num_chunks=4), "num_chunks=4"),
    (
        lambda: CARELoss(InfoNCELoss(), PairwiseEquivarianceLoss(), manifold=Sphere()),
        "give it to those",
    ),
]


@pytest.mark.parametrize(("make", "message"), OPTIONS)
def test_options_are_checked_at_construction(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


Z = torch.randn(4, 3)
LOSSES = [
    functional.pairwise_equivariance,
    functional.info_nce,
    functional.info_nce_terms,
    functional.uniformity,
    functional.invariance,
    functional.orientation_gap,
    functional.orientation_determinant,
    lambda z1, z2: functional.momentum_contrast(z1, z2, Z),
    lambda z1, z2: gram_difference(z1, z2, EuclideanForm()),
]
BAD = {
    "a list": [[1.0, 2.0, 3.0]] * 4,
    "an array": np.ones((4, 3)),
    "None": None,
    "a string": "z",
    "a scalar": torch.tensor(1.0),
    "one row": torch.ones(3),
    "other n": torch.ones(3, 3),
    "other d": torch.ones(4, 2),
    "integers": torch.ones(4, 3, dtype=torch.int64),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
def test_inputs_are_refused_by_name_and_not_by_torch(loss, bad):
    for pair in ((Z, bad), (bad, Z)):
        with pytest.raises((TypeError, ValueError)) as caught:
            loss(*pair)
        frames = [entry.path.parts for entry in caught.traceback]
        assert "equiform" in frames[-1]
        assert "got" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": [1.0] * 4}, "weights must be a tensor"),
        ({"weights": torch.ones(3)}, r"weights must be a tensor of shape \(4,\), got \(3,\)"),
        ({"mask": torch.ones(4, 4)}, "mask must be a tensor of bool, got torch.float32"),
        ({"mask": np.ones((4, 4), dtype=bool)}, "mask must be a tensor of bool"),
        ({"mask": torch.ones(3, 3, dtype=torch.bool)}, r"mask must have shape \(4, 4\)"),
        ({"backend": "meen"}, "backend must be one of"),
    ],
)
def test_weights_and_masks_are_checked(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        gram_difference(Z, Z, EuclideanForm(), **options)


def test_rows_of_a_partition_are_checked():
    for bad in ([[1.0]], np.ones((2, 2)), None, torch.tensor(1.0)):
        with pytest.raises((TypeError, ValueError), match="log_partition"):
            log_partition(bad)
