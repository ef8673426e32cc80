"""Mean and spread over seeds, as a Markdown table, of what protein_care.py wrote.

python examples/summarise_seeds.py runs/pdb/*/metrics.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

COLUMNS = {
    "axis error (°)": "pc1_angle_deg_median",
    "axis MSE": "pc1_mse",
    "W_f": "wahba",
    "γ_b": "gamma_b",
    "effective rank": "effective_rank",
    "uniformity": "uniformity",
}


def main(argv: Sequence[str]) -> int:
    """Print the table of the given metrics.json files, which must be of one configuration."""
    records = [json.loads(Path(path).read_text(encoding="utf-8")) for path in argv]
    # The seed, and what follows from it, is all that may differ.
    runs = {json.dumps({**r["configuration"], "seed": None}, sort_keys=True) for r in records}
    if len(records) < 2 or len(runs) != 1:
        print("error: give two or more metrics.json of one configuration", file=sys.stderr)
        return 2
    print("| method |", " | ".join(COLUMNS), "|")
    print("|---" * (1 + len(COLUMNS)) + "|")
    for method in records[0]["methods"]:
        cells = []
        for key in COLUMNS.values():
            values = [record["methods"][method][key] for record in records]
            cells.append(f"{mean(values):.3g} ± {stdev(values):.1g}")
        print(f"| {method} |", " | ".join(cells), "|")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
