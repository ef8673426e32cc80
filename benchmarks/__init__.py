"""What is fast, and by how much; and all that a GPU has to do."""

import sys
from pathlib import Path

# Where the examples keep what some benchmarks measure; last, so that it hides nothing.
sys.path.append(str(Path(__file__).parents[1] / "examples"))
