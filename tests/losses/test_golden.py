"""Agreement with the paper's released code, by its printed numbers and by its formula.

The released functions (github: Sharut/CARE at 7090100) are written out here as a loop over chunks
with masks, independently of equiform's op.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from equiform import InfoNCELoss, PairwiseEquivarianceLoss
from equiform.functional import info_nce, info_nce_terms

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden" / "care_official_public.npz"


def released_equivariance(x, y, num_chunks):
    """Twice the row mean of the squared off-diagonal Gram difference, averaged over chunks."""
    total = 0.0
    for a, b in zip(x.chunk(num_chunks), y.chunk(num_chunks), strict=True):
        m = len(a)
        keep = ~torch.eye(m, dtype=torch.bool)
        before = torch.masked_select(a @ a.mT, keep).reshape(m, m - 1)
        after = torch.masked_select(b @ b.mT, keep).reshape(m, m - 1)
        total = total + 2 * (before - after).norm(dim=1).square().mean()
    return total / num_chunks


def released_info_nce_terms(x, y, temperature):
    """Alignment and uniformity by naive exponentials over the negatives."""
    n = len(x)
    z = torch.cat([x, y])
    similarity = torch.exp(z @ z.mT / temperature)
    index = torch.arange(2 * n) % n
    negatives = similarity * (index[:, None] != index)
    alignment = -(x * y).sum(-1).mean() / temperature
    return alignment, negatives.sum(-1).log().mean()


@pytest.fixture(params=["random", "rotated"])
def golden(request):
    if not GOLDEN.exists():
        pytest.skip("the released code's numbers are not beside this checkout")
    with np.load(GOLDEN, allow_pickle=False) as file:
        prefix = request.param + "_"
        case = {k.removeprefix(prefix): torch.from_numpy(file[k]) for k in file if prefix in k}
        case |= {"num_chunks": int(file["split"]), "temperature": float(file["tau"])}
    return case


def test_released_numbers(golden):
    exact = {"rtol": 1e-12, "atol": 1e-12}
    x, y = golden["x"].requires_grad_(), golden["y"].requires_grad_()
    loss = PairwiseEquivarianceLoss(num_chunks=golden["num_chunks"], normalization="care")(x, y)
    torch.testing.assert_close(loss, golden["equi"], **exact)
    gx, gy = torch.autograd.grad(loss, (x, y))
    torch.testing.assert_close(gx, golden["gx"], **exact)
    torch.testing.assert_close(gy, golden["gy"], **exact)
    temperature = golden["temperature"]
    torch.testing.assert_close(InfoNCELoss(temperature)(x, y), golden["infonce"], **exact)
    terms = info_nce_terms(x, y, temperature)
    torch.testing.assert_close(terms.alignment, golden["align"], **exact)
    torch.testing.assert_close(terms.uniformity, golden["unif"], **exact)


@pytest.mark.parametrize("num_chunks", [1, 2, 6])
def test_released_formulas(num_chunks):
    x, y = torch.nn.functional.normalize(torch.randn(2, 24, 5, dtype=torch.float64), dim=-1)
    x.requires_grad_()
    y.requires_grad_()
    loss = PairwiseEquivarianceLoss(num_chunks=num_chunks, normalization="care")(x, y)
    oracle = released_equivariance(x, y, num_chunks)
    torch.testing.assert_close(loss, oracle, rtol=1e-12, atol=1e-12)
    for got, expected in zip(
        torch.autograd.grad(loss, (x, y)), torch.autograd.grad(oracle, (x, y)), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    alignment, uniformity = released_info_nce_terms(x, y, 0.5)
    terms = info_nce_terms(x, y, 0.5)
    torch.testing.assert_close(terms.alignment, alignment, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(terms.uniformity, uniformity, rtol=1e-12, atol=1e-12)
    # The positive joins the negatives again in the loss itself.
    positive = torch.exp((x * y).sum(-1) / 0.5).repeat(2)
    z = torch.cat([x, y])
    similarity = torch.exp(z @ z.mT / 0.5).fill_diagonal_(0)
    expected = (similarity.sum(-1) / positive).log().mean()
    torch.testing.assert_close(info_nce(x, y, 0.5), expected, rtol=1e-12, atol=1e-12)
