"""Options are checked where they are given, and inputs where they come in, by name."""

from functools import partial

import geoopt
import numpy as np
import pytest
import torch
from torch import nn

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
from equiform.steering import LearnedIsometry

GROUP = EuclideanForm().isometry_group(3)
OPTIONS = [
    (lambda: PairwiseEquivarianceLoss(Sphere()), r"form must be a form.*manifold=Sphere"),
    (lambda: PairwiseEquivarianceLoss(EuclideanForm), "form must be a form"),
    (lambda: PairwiseEquivarianceLoss("euclidean"), "form must be a form"),
    (lambda: PairwiseEquivarianceLoss(geoopt.Lorentz()), r"use manifold=Sphere\(\) or Hyperboloid"),
    (
        lambda: PairwiseEquivarianceLoss(manifold=Sphere(), link="log_cosh"),
        r"no log_cosh_products; use equiform.Hyperboloid\(\)",
    ),
    (lambda: CARELoss(num_chunks=1.0), "num_chunks must be an int"),
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
    (lambda: InvarianceLoss(manifold=geoopt.Lorentz()), r"equiform.Hyperboloid\(\)"),
    (lambda: InvarianceLoss(manifold=torch.ones(3)), "manifold must be a manifold"),
    (lambda: PairwiseEquivarianceLoss(manifold=GROUP), "manifold must be a manifold"),
    (lambda: PairwiseEquivarianceLoss(manifold=EuclideanForm()), "manifold must be a manifold"),
    (lambda: OrientationLoss(num_chunks=0), "num_chunks=0"),
    (lambda: OrientationLoss("gap"), "term must be a function such as"),
    (lambda: OrientationLoss(Sphere()), "term must be a function such as"),
    (lambda: OrientationLoss(EuclideanForm), r"use EuclideanForm\(\)"),
    (lambda: CARELoss(Sphere()), "contrastive must be a loss"),
    (lambda: CARELoss(InfoNCELoss), r"use InfoNCELoss\(\)"),
    (lambda: CARELoss(None, Hyperboloid()), "equivariance must be a loss"),
    (lambda: LearnedIsometry(GROUP, 1, network=Sphere()), "network must be a module"),
    (lambda: LearnedIsometry(GROUP, 1, network=nn.Linear), "network must be a module"),
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
    partial(functional.pairwise_equivariance, center=True),
    partial(functional.pairwise_equivariance, normalization="relative"),
    partial(functional.pairwise_equivariance, manifold=Hyperboloid(), link="log_cosh"),
    functional.info_nce,
    functional.info_nce_terms,
    functional.uniformity,
    functional.invariance,
    functional.orientation_gap,
    functional.orientation_determinant,
    lambda z1, z2: functional.momentum_contrast(z1, z2, Z),
    lambda z1, z2: gram_difference(z1, z2, EuclideanForm()),
]
#: Options of functions, where a look at each call must cost nothing.
CALLS = [
    (functional.pairwise_equivariance, {"normalization": ["pairs"]}, "normalization must be one"),
    (functional.pairwise_equivariance, {"num_chunks": [1]}, "num_chunks must be an int"),
    (functional.pairwise_equivariance, {"gather_distributed": 1}, "gather_distributed must be"),
    (functional.pairwise_equivariance, {"form": Sphere()}, "use manifold=Sphere"),
    (functional.info_nce, {"gather_distributed": "no"}, "gather_distributed must be"),
    (functional.uniformity, {"backend": ["tiled"]}, "backend must be one of"),
    (functional.orientation_gap, {"gather_distributed": "no"}, "gather_distributed must be"),
    (gram_difference, {"form": None}, "form must be a form"),
    (gram_difference, {"form": EuclideanForm}, "form must be a form"),
    (gram_difference, {"form": EuclideanForm(), "exclude_diagonal": "no"}, "exclude_diagonal"),
    (gram_difference, {"form": EuclideanForm(), "gather_distributed": "no"}, "gather_distributed"),
    (gram_difference, {"form": EuclideanForm(), "backend": np.array(["gram"])}, "backend must be"),
]


@pytest.mark.parametrize(("function", "options", "message"), CALLS)
def test_options_of_functions_are_checked(function, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        function(Z, Z, **options)


def test_views_on_two_devices_are_refused():
    with pytest.raises(ValueError, match="on one device, got cpu and meta"):
        gram_difference(Z, Z.to("meta"), EuclideanForm())


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
@pytest.mark.parametrize("loss", LOSSES)
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
        (
            {"weights": torch.ones(3)},
            r"nonnegative of shape \(4,\), got shape \(3,\)",
        ),
        ({"weights": -torch.ones(4)}, "weights must be nonnegative"),
        ({"weights": torch.ones(4) + 0j}, "weights must be a tensor of real numbers"),
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
        with pytest.raises((TypeError, ValueError), match=r"x must be a tensor|log_partition"):
            log_partition(bad)


def test_complex_views_are_refused_where_losses_are_real_and_measured_where_not():
    z1, z2 = torch.randn(2, 6, 4, dtype=torch.complex64)
    for loss in (functional.info_nce, functional.uniformity, functional.orientation_gap):
        with pytest.raises(TypeError, match=r"z1 must be real, .*view_as_real\(z1\)"):
            loss(z1, z2)
    distance = torch.view_as_real(z1 - z2).square().sum((-2, -1)).sqrt()
    torch.testing.assert_close(functional.invariance(z1, z2), distance.mean())
