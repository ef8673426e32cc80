"""``python -m equiform.report``; the work is in :mod:`equiform.report.cli`."""

import sys

from equiform.report.cli import main

if __name__ == "__main__":
    sys.exit(main())
