"""``python -m equiform.audit``; the work is in :mod:`equiform.audit.cli`."""

import sys

from equiform.audit.cli import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m equiform.audit"))
