"""What an encoder does with transformations of its input: a table, and a page to read.

From Python, :func:`report`; from a shell, ``python -m equiform.report --help``. Figures need the
``plots`` extra and the progress bar the ``examples`` extra; both are loaded on use.
"""

from equiform.report.batches import ReportError
from equiform.report.measure import report
from equiform.report.result import Report, Row
from equiform.report.verdicts import Verdict

__all__ = ["Report", "ReportError", "Row", "Verdict", "report"]
