"""What is no embedding or no option is named, with the argument, the value and the remedy."""

import inspect

import numpy as np
import pytest
import torch

from equiform import (
    EuclideanForm,
    Hyperboloid,
    MinkowskiForm,
    Moments,
    Orthochronous,
    Sphere,
    functional,
)
from equiform.metrics import (
    CompositionDefect,
    CosineSpread,
    EffectiveRank,
    KNNAccuracy,
    RelativeEquivariance,
    Uniformity,
    WahbaError,
    equivariance_metrics,
)

ONES, LABELS = torch.ones(4, 3), torch.zeros(4, dtype=torch.long)
O3 = EuclideanForm().isometry_group(3)

MEASURES = [
    functional.wahba_error,
    functional.composition_defect,
    functional.relative_equivariance,
    functional.relative_equivariance_care,
    functional.effective_rank,
    functional.cosine_spread,
    WahbaError().update,
    CompositionDefect().update,
    RelativeEquivariance().update,
    RelativeEquivariance(bounded=False).update,
    EffectiveRank().update,
    Uniformity().update,
    CosineSpread().update,
    Moments.of,
]
BAD = {
    "list": ([[1.0, 2.0]], r"must be a tensor of embeddings .*got list; use torch\.as_tensor"),
    "numpy": (np.ones((4, 3)), r"must be a tensor .*got ndarray; use torch\.as_tensor"),
    "None": (None, r"must be a tensor .*got NoneType"),
    "scalar": (torch.tensor(1.0), r"must have shape .*got \(\)"),
    "vector": (torch.ones(3), r"must have shape .*got \(3,\); use \w+\[None\] for one embedding"),
    "integers": (torch.ones(4, 3, dtype=torch.long), r"floating-point .*int64; use \w+\.float"),
    "other n": (torch.ones(5, 3), r"must have one shape .*\(5, 3\)"),
    "other d": (torch.ones(4, 2), r"must have one shape .*\(4, 2\)"),
    "complex": (ONES + 0j, r"must be (all real or all complex|real), got .*complex64"),
    "no points": (torch.ones(0, 3), r"must hold at least one embedding|one shape"),
}


def needed(measure):
    """Names of the embeddings that a measure takes."""
    parameters = inspect.signature(measure).parameters.values()
    return [p.name for p in parameters if p.default is p.empty]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda f: f.__qualname__)
@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_embedding_is_named(measure, bad):
    value, match = BAD[bad]
    names = needed(measure)
    if len(names) == 1 and (bad.startswith("other") or bad == "complex"):
        return  # it has nothing to differ from
    if measure == Moments.of and bad == "no points":
        match = "one shape"  # of no points at all there are moments
    for name in names:
        arguments = dict.fromkeys(names, ONES) | {name: value}
        with pytest.raises((TypeError, ValueError), match=match) as seen:
            measure(**arguments)
        assert name in str(seen.value)


@pytest.mark.parametrize("measure", MEASURES[:4] + MEASURES[5:6], ids=lambda f: f.__qualname__)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nan_and_infinity_never_become_a_number(measure, value):
    names = needed(measure)
    for name in names:
        sets = dict(zip(names, torch.randn(len(names), 6, 3), strict=True))
        sets[name][1, 2] = value
        try:
            result = measure(**sets)
        except ValueError as error:
            assert f"{name} must be finite" in str(error)  # noqa: PT017
        else:
            assert not result.isfinite()


@pytest.mark.parametrize("gallery", [ONES.numpy(), torch.ones(4, 2), torch.full((4, 3), torch.nan)])
def test_retrieval_names_what_does_not_fit(gallery):
    with pytest.raises((TypeError, ValueError), match="gallery"):
        functional.nearest_neighbours(ONES, gallery, 1)
    with pytest.raises(TypeError, match=r"labels .*got list"):
        functional.knn_accuracy(ONES, LABELS.tolist(), ONES, LABELS, 1)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: WahbaError(EuclideanForm()), r"use EuclideanForm\(\)\.isometry_group\(d\)"),
        (lambda: WahbaError(EuclideanForm), r"use EuclideanForm\(\)\.isometry_group\(d\)"),
        (lambda: WahbaError(Sphere()), r"isometry_group\(d\), or manifold=Sphere"),
        (lambda: WahbaError("O(3)"), r"group must be .*'O\(3\)'; use form\.isometry_group\(d\)"),
        (lambda: CompositionDefect(MinkowskiForm()), r"use MinkowskiForm\(\)\.isometry_group"),
        (lambda: functional.wahba_error(ONES, ONES, EuclideanForm()), r"\.isometry_group\(d\)"),
        (lambda: WahbaError(O3, held_out=(ONES, ONES)), "held_out must be True or False"),
        (lambda: CompositionDefect(O3, held_out=1), "held_out must be True or False, got 1"),
        (lambda: functional.wahba_error(ONES, ONES, held_out=ONES), "held_out must be True or"),
        (lambda: WahbaError(manifold=Sphere), r"got the class Sphere; use Sphere\(\)"),
        (lambda: WahbaError(manifold=MinkowskiForm()), "manifold must be a manifold"),
        (lambda: Uniformity(Hyperboloid()), "temperature must be a number"),
        (lambda: Uniformity(-1.0), "temperature must be positive and finite, got -1.0"),
        (lambda: Uniformity(manifold=Sphere), r"use Sphere\(\)"),
        (lambda: EffectiveRank(Sphere()), "form must be a form .*use manifold=Sphere"),
        (lambda: EffectiveRank(EuclideanForm(), manifold=Hyperboloid()), "give one of the two"),
        (lambda: RelativeEquivariance(bounded="yes"), "bounded must be True or False"),
        (lambda: RelativeEquivariance(MinkowskiForm(), bounded=False), "needs bounded=True"),
        (lambda: RelativeEquivariance(manifold=Hyperboloid(), bounded=False), "bounded=True"),
        (lambda: KNNAccuracy(ONES, LABELS, k=2.0), "k must be an int, got 2.0"),
        (lambda: KNNAccuracy(ONES, LABELS, k=5), "between 1 and the 4 embeddings"),
        (lambda: KNNAccuracy(ONES, LABELS, 2, temperature=0.0), "temperature must be positive"),
        (lambda: KNNAccuracy(ONES, LABELS.float(), 2), "int64 classes"),
        (lambda: CosineSpread().estimate("95%"), "level must be a number"),
        (lambda: equivariance_metrics(4.0), "d must be an int"),
        (lambda: equivariance_metrics(1, form=MinkowskiForm()), "one time"),
        (lambda: WahbaError(num_transformations=3), "write WahbaError"),
        (
            lambda: WahbaError(Orthochronous(3), manifold=Hyperboloid(), num_transformations=3),
            "no distances on a manifold",
        ),
        (lambda: WahbaError(O3, num_transformations=0), "num_transformations must be at least 1"),
    ],
)
def test_options_are_checked_where_they_are_given(make, match):
    with pytest.raises((TypeError, ValueError), match=match):
        make()


def test_one_point_cannot_be_held_out():
    for measure in (
        lambda: functional.wahba_error(ONES[:1], ONES[:1]),
        lambda: functional.composition_defect(*[ONES[:1]] * 4),
        lambda: WahbaError(O3).update(ONES[:1], ONES[:1]),
    ):
        with pytest.raises(ValueError, match=r"n=1; use held_out=False to measure on"):
            measure()
    assert functional.wahba_error(ONES[:1], ONES[:1], held_out=False) < 1e-6
