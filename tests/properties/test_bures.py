"""How close the Grams are bounds how close a rotation comes, and back: O(d), quantitatively."""

import hypothesis.strategies as st
import torch
from hypothesis import assume, given, settings

from equiform import EuclideanForm
from equiform.testing import matrices

SLACK = 1 + 1e-9


@settings(max_examples=300)
@given(data=st.data())
def test_wahba_error_and_gram_difference_bound_each_other(data):
    d = data.draw(st.integers(1, 5))
    n = data.draw(st.integers(1, 3 * d + 1))
    a, b = data.draw(matrices(n, d)), data.draw(matrices(n, d))
    scale = data.draw(st.sampled_from([1.0, 0.1, 1e-3]))
    a = b + scale * a
    norm = torch.linalg.matrix_norm
    assume(norm(a) > 1e-2)
    form = EuclideanForm()
    fit = form.isometry_group(d).recover(b, a)
    wahba = fit.residual * norm(a)
    delta = form.gram(a) - form.gram(b)
    rounding = 1e-12 * (norm(a) + norm(b))
    # W² is the squared Bures distance of the Grams, at most the nuclear norm of their difference.
    assert wahba**2 <= SLACK * norm(delta, "nuc") + rounding
    assert norm(delta) <= SLACK * (norm(a, 2) + norm(b, 2)) * wahba + rounding
    smallest = torch.linalg.svdvals(b)[-1]
    if n >= d and smallest > 1e-3:
        assert wahba**2 <= SLACK * 1.2072 * norm(delta) ** 2 / smallest**2 + rounding


@given(data=st.data())
def test_squared_wahba_error_is_the_bures_distance(data):
    d = data.draw(st.integers(1, 4))
    n = data.draw(st.integers(1, 6))
    a, b = data.draw(matrices(n, d)), data.draw(matrices(n, d))
    assume(torch.linalg.matrix_norm(a) > 1e-2)
    fit = EuclideanForm().isometry_group(d).recover(b, a)
    squared = (fit.residual * torch.linalg.matrix_norm(a)) ** 2
    # tr G_A + tr G_B - 2 tr (G_A^½ G_B G_A^½)^½, from the n×n Grams alone.
    values, vectors = torch.linalg.eigh(a @ a.mT)
    root = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.mT
    fidelity = torch.linalg.eigvalsh(root @ (b @ b.mT) @ root).clamp_min(0).sqrt().sum()
    bures = a.square().sum() + b.square().sum() - 2 * fidelity
    torch.testing.assert_close(squared, bures, rtol=1e-5, atol=1e-5)
