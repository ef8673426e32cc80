"""The report, against direct computation on the same halves."""

import json
import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from equiform import (
    EuclideanForm,
    HermitianForm,
    Hyperboloid,
    Joint,
    MetricForm,
    MinkowskiForm,
    Orthochronous,
    SpecialOrthogonal,
    Sphere,
    SymplecticForm,
    functional,
)
from equiform.audit import Verdict, report
from equiform.audit.measure import ANCHOR
from tests.audit.cases import (
    TRANSFORMATIONS,
    TURN,
    D,
    blur,
    encoder,
    halves,
    numbers,
    points,
    scramble,
    turn,
    unseen,
)


def test_verdicts(measured):
    verdicts = {row.name: row.verdict for row in measured}
    assert verdicts == {
        "turn": Verdict.REPRESENTED,
        "unseen": Verdict.IGNORED,
        "scramble": Verdict.SCRAMBLED,
        "blur": Verdict.REPRESENTED,
    }
    assert measured["turn"].error < 1e-6
    assert measured["turn"].component == "O(6), det −1"
    torch.testing.assert_close(measured["turn"].matrix, TURN, rtol=0, atol=1e-7)
    assert measured["unseen"].displacement == 0
    assert measured["unseen"].invariance_error == 0


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_numbers_agree_with_direct_computation(measured, name):
    row, group = measured[name], EuclideanForm().isometry_group(D)
    fit, held_out = halves(points())
    transform = TRANSFORMATIONS[name]
    b, a, aa = (encoder(x) for x in (fit, transform(fit), transform(transform(fit))))
    t, t_twice = (group.recover(b, target, anchor=ANCHOR).matrix for target in (a, aa))
    torch.testing.assert_close(row.matrix, t)
    source, target = encoder(held_out), encoder(transform(held_out))
    norm = torch.linalg.matrix_norm
    expected = {
        "error": norm(target - source @ t.mT) / norm(target),
        "invariance_error": norm(target - source) / norm(target),
        "relative_equivariance": functional.relative_equivariance(source, target),
        "composition_defect": norm(source @ (t @ t - t_twice).mT) / norm(source),
    }
    shuffled = group.recover(b, a.roll(1, 0), anchor=ANCHOR).matrix
    expected["null"] = norm(target.roll(1, 0) - source @ shuffled.mT) / norm(target)
    pairs = torch.cdist(source, source).square().sum() / (len(source) * (len(source) - 1))
    moved = (target - source).square().sum(1).mean()
    expected["displacement"] = (moved / pairs).sqrt()
    for attribute, value in expected.items():
        # Moments resolve a vanishing displacement or error no better than its square does.
        assert getattr(row, attribute) == pytest.approx(value.item(), rel=1e-7, abs=1e-7), attribute
    rank = functional.effective_rank(source)
    assert measured.effective_rank == pytest.approx(rank.item())
    singular = torch.linalg.svdvals(source).square()
    torch.testing.assert_close(torch.tensor(measured.spectrum).double(), singular / singular.sum())


def test_interval_covers_the_value_and_the_spread_of_the_sample(measured):
    for row in measured:
        assert row.low <= row.error <= row.high
    # Against the delta method for a ratio of means.
    _, held_out = halves(points())
    t = measured["blur"].matrix
    source, target = encoder(held_out), encoder(blur(held_out))
    error = (target - source @ t.mT).square().sum(1)
    energy = target.square().sum(1)
    ratio = error.sum() / energy.sum()
    deviation = (error - ratio * energy).std() / energy.mean() / math.sqrt(len(error))
    width = 2 * 1.96 * deviation / (2 * ratio.sqrt())
    assert measured["blur"].high - measured["blur"].low == pytest.approx(width.item(), rel=0.15)


@given(
    n=st.integers(4, 40),
    batch_size=st.integers(1, 50),
    seed=st.integers(0, 2**32),
    composition=st.booleans(),
)
def test_batch_size_does_not_matter(n, batch_size, seed, composition):
    x = points(n, seed)
    small, large = (
        report(
            encoder,
            x,
            {"blur": blur, "scramble": scramble},
            batch_size=size,
            seed=seed,
            composition=composition,
        )
        for size in (batch_size, n)
    )
    # Directions that few points leave open are held by the anchor alone: there rounding is divided
    # by it, and turns T by some degrees times this.
    scale = 1e-9 if n > 4 * D else 10 * math.degrees(torch.finfo(torch.float64).eps / ANCHOR)
    assert numbers(small) == pytest.approx(numbers(large), rel=scale, abs=scale)
    assert small["blur"].rank == large["blur"].rank
    assert small["blur"].low <= small["blur"].high
    assert (small["blur"].composition_defect is None) == (not composition)


def test_seed_draws_the_split():
    first, again, other = (
        report(encoder, points(), {"blur": blur}, seed=seed) for seed in (0, 0, 1)
    )
    assert numbers(first) == numbers(again)
    assert first["blur"].error != other["blur"].error


def test_few_points_and_collapse_are_warned_of(measured):
    assert measured.warnings == ()
    few = report(encoder, points(2 * D), {"turn": turn})
    assert any("fitted to 6 points in 6 dimensions" in text for text in few.warnings)
    assert "Warning: T is fitted to 6 points" in str(few)
    collapsed = report(lambda x: 20 + encoder(x), points(), {"unseen": unseen})
    assert any("collapsed" in text for text in collapsed.warnings)


def test_a_constant_encoder_has_no_displacement(tmp_path):
    constant = report(lambda x: torch.full((len(x), D), 1 / 3), points(), TRANSFORMATIONS)
    for row in constant:
        assert row.displacement is None
        assert row.verdict == Verdict.CONSTANT
    zero = report(lambda x: torch.zeros(len(x), 1), points(), {"turn": turn})
    assert zero["turn"].ratio is None
    assert zero.effective_rank == 1
    json.dumps(zero.to_dict(), allow_nan=False)


def test_unused_directions_are_left_alone():
    """T closest to the identity: with any other completion T T would not be the T of a∘a."""
    flat = torch.diag(torch.tensor([1.0] * 3 + [0] * 3)).double()
    fold = EuclideanForm().isometry_group(3).sample(dtype=torch.float64)
    turned = torch.eye(D + 2, dtype=torch.float64)
    turned[:3, :3] = fold
    result = report(lambda x: encoder(x) @ flat, points(), {"fold": lambda x: x @ turned.mT})
    row = result["fold"]
    assert row.rank == 3
    assert not row.identifiable
    assert row.composition_defect < 1e-7
    torch.testing.assert_close(row.matrix, turned[:D, :D], rtol=0, atol=1e-7)


def test_manifold_and_group_are_used():
    x = points()
    scale = {"double": lambda x: 2 * x}
    assert report(encoder, x, scale)["double"].verdict == Verdict.PARTLY
    assert report(encoder, x, scale, manifold=Sphere())["double"].verdict == Verdict.IGNORED
    special = report(encoder, x, {"turn": turn}, group=SpecialOrthogonal(D))
    assert special.group == "SO(6)"
    assert torch.linalg.det(special["turn"].matrix) == pytest.approx(1)
    assert special["turn"].error > 1e-2


def test_the_group_is_that_of_the_form_or_of_the_manifold():
    x, changes = points(), {"unseen": unseen}
    assert report(encoder, x, changes).group == "O(6)"
    assert report(encoder, x, changes, manifold=Sphere()).group == "O(6)"
    assert report(encoder, x, changes, form=SymplecticForm()).group == "Sp(6)"
    assert report(encoder, x, changes, form=MinkowskiForm()).group == "O(1, 5)"
    # The manifold has one coordinate more, and half of its form's group leaves it.
    assert report(encoder, x, changes, manifold=Hyperboloid()).group == "O⁺(1, 6)"
    group = MinkowskiForm().isometry_group(D + 1)
    assert report(encoder, x, changes, manifold=Hyperboloid(), group=group).group == "O(1, 6)"


def test_a_joint_form_has_every_number():
    """Two rotations, each of its half: γ_b is zero up to the rounding of moments."""
    half = [(EuclideanForm(), slice(0, 3)), (EuclideanForm(), slice(3, 6))]
    joint = Joint(half)
    t = joint.isometry_group(D).sample(dtype=torch.float64)

    def apart(x):
        return torch.cat([x[:, :D] @ t.mT, x[:, D:]], 1)

    changes = {"apart": apart, "turn": turn, "scramble": scramble}
    result = report(encoder, points(), changes, form=joint)
    assert result["apart"].error < 1e-7
    assert result["apart"].relative_equivariance < 1e-9
    torch.testing.assert_close(result["apart"].matrix, t, rtol=0, atol=1e-7)
    assert result["turn"].error > 0.1  # it mixes the halves
    _, held_out = halves(points())
    expected = functional.relative_equivariance(encoder(held_out), encoder(turn(held_out)), joint)
    assert result["turn"].relative_equivariance == pytest.approx(expected.item(), rel=1e-7)


@pytest.mark.parametrize("j", [(1, 1, 1, 1, 1, 1), (1, 1, 1, 1, -1, -1)], ids=["O(6)", "O(4, 2)"])
def test_lengths_are_those_of_the_form(j):
    """Embeddings written in other coordinates x ↦ x M, with the form's matrix in those."""
    m = torch.randn(D, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    inverse = torch.linalg.inv(m)
    form = MetricForm(inverse @ torch.diag(torch.tensor(j).double()) @ inverse.mT)
    c = m @ form.frame(D)
    plain = report(lambda x: encoder(x) @ c, points(), TRANSFORMATIONS, form=form.standard())
    written = report(lambda x: encoder(x) @ m, points(), TRANSFORMATIONS, form=form)
    # Rounding is magnified by the condition number of the form, that of M squared.
    slack = 1e3 * torch.finfo(torch.float64).eps * torch.linalg.cond(m).item() ** 2
    for row, expected in zip(written, plain, strict=True):
        names = ("error", "low", "high", "null", "invariance_error", "displacement")
        for name in (*names, "composition_defect"):
            # A vanishing error is resolved to the root of that.
            got, wanted = getattr(row, name), getattr(expected, name)
            assert got**2 == pytest.approx(wanted**2, rel=slack, abs=slack), (row.name, name)
        assert (row.verdict, row.component) == (expected.verdict, expected.component)
        assert row.relative_equivariance == pytest.approx(expected.relative_equivariance, abs=1e-8)
        if expected.angles is not None:
            assert row.angles == pytest.approx(expected.angles, abs=1e-4)
    assert written.effective_rank == pytest.approx(plain.effective_rank)
    assert written.spectrum == pytest.approx(plain.spectrum)
    assert written.group == plain.group


def test_complex_embeddings_are_fitted_by_unitary_matrices():
    unitary = HermitianForm().isometry_group(3).sample(dtype=torch.complex128)

    def to_complex(x):
        return torch.view_as_complex(x[:, :D].reshape(-1, 3, 2).contiguous())

    def rotate(x):
        return torch.view_as_real(to_complex(x) @ unitary.mT).flatten(1)

    row = report(to_complex, points(), {"rotate": rotate})["rotate"]
    assert row.component == "U(3)"
    assert row.error < 1e-7
    torch.testing.assert_close(row.matrix, unitary, rtol=0, atol=1e-7)


@pytest.mark.parametrize("noise", [0, 0.3])
def test_a_boost_is_found_on_the_hyperboloid(noise):
    manifold = Hyperboloid(max_radius=1e6)  # project is then the exponential map to rounding
    p = manifold.random_normal(400, D + 1, std=0.7, dtype=torch.float64)
    boost = Orthochronous(D + 1).sample(rapidity=0.5, dtype=torch.float64)

    def read(p):
        return manifold.logmap0(p)[:, 1:]

    def move(p):
        return manifold.project(read(p @ boost.mT) + noise * torch.sin(40 * read(p)))

    row = report(read, p, {"boost": move}, manifold=manifold)["boost"]
    assert row.verdict == Verdict.REPRESENTED
    assert row.angles is None
    assert row.component == "O⁺(1, 6), signs (+)"
    torch.testing.assert_close(row.matrix, boost, rtol=0, atol=0.1 if noise else 1e-6)
    fit, held_out = halves(p)
    group = Orthochronous(D + 1)
    t, t_twice = (group.recover(fit, target).matrix for target in (move(fit), move(move(fit))))
    h = group.balance(held_out.mT @ held_out)
    norm = torch.linalg.matrix_norm
    defect = norm(held_out @ (t @ t - t_twice).mT @ h) / norm(held_out @ h)
    assert row.composition_defect == pytest.approx(defect.item(), rel=1e-5, abs=1e-6)


def test_report_is_a_collection_of_rows(measured):
    assert len(measured) == 4
    assert [row.name for row in measured] == list(TRANSFORMATIONS)
    with pytest.raises(KeyError, match=r"no transformation 'x'; there are \['turn'"):
        measured["x"]


def test_table_has_a_line_for_each_transformation(measured):
    lines = str(measured).splitlines()
    assert lines[0] == measured.summary
    for line, row in zip(lines[4:], measured, strict=True):
        assert line.startswith(row.name)
        assert f"  {row.verdict} " in line
