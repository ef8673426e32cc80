"""Mean and spread over seeds, as a Markdown table, of what protein_care.py or cifar_care.py wrote.

    python examples/summarise_seeds.py runs/pdb/*/metrics.json

Bold is the best mean of a column, or what looks the same in three digits.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from score_columns import PROTEINS, are_best, digits, encodable, heading

IMAGES = (
    "probe_top1",
    "knn",
    "wahba",
    "wahba_null",
    "gamma_b",
    "gamma_f",
    "effective_rank",
    "uniformity",
)


def setting(record: Mapping[str, Any]) -> str:
    """What runs have to share: all but the seed, and what follows from it."""
    shared = {k: v for k, v in record.items() if k not in ("seed", "versions")}
    shared["methods"] = {name: row.get("settings") for name, row in record["methods"].items()}
    shared["configuration"] = {**record.get("configuration", {}), "seed": None}
    return json.dumps(shared, sort_keys=True)


def read(path: str) -> dict[str, Any]:
    """What a metrics.json holds, for argparse."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table of the given metrics.json files, which must be of one configuration."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=read, help="metrics.json, one a seed, two or more")
    records = parser.parse_args(argv).runs
    if len(records) < 2 or len({setting(record) for record in records}) != 1:
        parser.error("give two or more metrics.json of one configuration")
    methods = records[0]["methods"]
    wanted = PROTEINS if "pc1_mse" in next(iter(methods.values())) else IMAGES
    keys = [key for key in wanted if all(key in scores for scores in methods.values())]
    dim = records[0].get("configuration", {}).get("dim")
    columns = [["method", *methods]]
    for key in keys:
        values = [[record["methods"][method][key] for record in records] for method in methods]
        means = [mean(of_method) for of_method in values]
        cells = [
            f"**{cell}**" if best else cell
            for cell, best in zip(map(spread, values), are_best(key, means), strict=True)
        ]
        columns.append([heading(key, dim), *cells])
    header, *rows = [f"| {' | '.join(row)} |" for row in zip(*columns, strict=True)]
    table = "\n".join([header, "|---" * len(columns) + "|", *rows])
    print(encodable(table, sys.stdout.encoding))
    return 0


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation."""
    return f"{digits(mean(values))} ± {stdev(values):.1g}"


if __name__ == "__main__":
    sys.exit(main())
