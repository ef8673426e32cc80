import pytest

from equiform.report import Report, report
from tests.report.cases import TRANSFORMATIONS, encoder, points


@pytest.fixture(scope="session")
def measured() -> Report:
    return report(encoder, points(), TRANSFORMATIONS, batch_size=64)
