"""How short the way of a loss through the library is, on the path of every training step."""

import sys
from pathlib import Path

import torch

import equiform
from equiform import PairwiseEquivarianceLoss

PACKAGE = str(Path(equiform.__file__).parent)


def test_a_forward_is_a_short_walk():
    loss = PairwiseEquivarianceLoss(num_chunks=2)
    z1, z2 = torch.randn(2, 32, 8, requires_grad=True)
    loss(z1, z2)  # what is checked and made once
    calls = []

    def profile(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            calls.append(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        loss(z1, z2)
    finally:
        sys.setprofile(before)
    assert 0 < len(calls) <= 20
    assert len(set(calls)) <= 6
