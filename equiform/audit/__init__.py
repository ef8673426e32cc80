"""What an encoder does with transformations of its input: a table, and a page to read.

From Python, :func:`report`; from a shell, ``equiform-report --help`` or ``python -m
equiform.audit --help``. Figures need the ``plots`` extra and the progress bar the ``examples``
extra; both are loaded on use.
"""

from equiform.audit.batches import ReportError
from equiform.audit.measure import report
from equiform.audit.result import Report, Row
from equiform.audit.save import save_report
from equiform.audit.verdicts import Verdict

__all__ = ["Report", "ReportError", "Row", "Verdict", "report", "save_report"]
