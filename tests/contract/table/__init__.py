"""Every public callable once, by package."""

import pytest

from tests.contract.call import Call
from tests.contract.table import forms, groups, learning, manifolds, measures

PACKAGES: dict[str, list[Call]] = {
    "forms": forms.CALLS,
    "groups": groups.CALLS,
    "manifolds": manifolds.CALLS,
    "ops, functional": measures.CALLS,
    "losses": learning.LOSSES,
    "metrics": learning.METRICS,
    "steering": learning.STEERING,
    "nn": learning.NETWORKS,
    "augment": learning.IMAGES,
    "probes": learning.PROBES,
}
CALLS = [call for calls in PACKAGES.values() for call in calls]
#: For tests; the full grid is slow.
GRID = [
    pytest.param(call, marks=[pytest.mark.slow] if call.whole else [], id=call.id) for call in CALLS
]
