"""Mean and spread over seeds, as a Markdown table, of what protein_care.py or cifar_care.py wrote.

python examples/summarise_seeds.py runs/pdb/*/metrics.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

PROTEINS = {
    "axis error (°)": "pc1_angle_deg_median",
    "axis MSE": "pc1_mse",
    "W_f": "wahba",
    "γ_b": "gamma_b",
    "effective rank": "effective_rank",
    "uniformity": "uniformity",
}
IMAGES = {
    "probe": "probe_top1",
    "kNN": "knn",
    "W_f": "wahba",
    "null": "wahba_null",
    "γ_b": "gamma_b",
    "γ_f": "gamma_f",
    "effective rank": "effective_rank",
    "uniformity": "uniformity",
}


def setting(record: Mapping[str, Any]) -> str:
    """What runs have to share: all but the seed, and what follows from it."""
    shared = {k: v for k, v in record.items() if k not in ("seed", "versions")}
    shared["methods"] = {name: row.get("settings") for name, row in record["methods"].items()}
    shared["configuration"] = {**record.get("configuration", {}), "seed": None}
    return json.dumps(shared, sort_keys=True)


def main(argv: Sequence[str]) -> int:
    """Print the table of the given metrics.json files, which must be of one configuration."""
    records = [json.loads(Path(path).read_text(encoding="utf-8")) for path in argv]
    if len(records) < 2 or len({setting(record) for record in records}) != 1:
        print("error: give two or more metrics.json of one configuration", file=sys.stderr)
        return 2
    scores = next(iter(records[0]["methods"].values()))
    columns = PROTEINS if "pc1_mse" in scores else IMAGES
    print("| method |", " | ".join(columns), "|")
    print("|---" * (1 + len(columns)) + "|")
    for method in records[0]["methods"]:
        cells = []
        for key in columns.values():
            values = [record["methods"][method][key] for record in records]
            cells.append(f"{mean(values):.3g} ± {stdev(values):.1g}")
        print(f"| {method} |", " | ".join(cells), "|")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
