import pytest

from equiform.audit import Report, report
from tests.audit.cases import TRANSFORMATIONS, encoder, points


@pytest.fixture(scope="session")
def measured() -> Report:
    return report(encoder, points(), TRANSFORMATIONS, batch_size=64)
