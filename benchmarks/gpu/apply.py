"""What a run found, put where it belongs: launch parameters, crossovers, pages of the docs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.gpu.parameters import LAUNCH
from benchmarks.gpu.results import read
from benchmarks.gpu.stages import STAGES
from equiform.ops.gram_difference.routes import CROSSOVERS

ROOT = Path(__file__).parents[2]
#: The stages of each page, in their order there.
PAGES = {
    "docs/results/kernels.md": ("correct", "table", "tune", "crossovers"),
    "docs/results/cifar.md": ("step", "train"),
}
BEGIN, END = "<!-- gpu: written by python -m benchmarks.gpu --apply -->", "<!-- gpu: end -->"


def apply(out: Path, root: Path = ROOT) -> list[str]:
    """Write what the folder holds into a checkout.

    Args:
        out: of a run on a GPU; stages that it lacks are left as they are.
        root: the checkout.

    Returns:
        The files that were written.

    Raises:
        ValueError: the folder holds no results, or those of a rehearsal.
    """
    found = read(out)
    records = {name: record for name, record in found.items() if not record["rehearsal"]}
    if not records:
        what = "a rehearsal on the CPU" if found else "nothing"
        raise ValueError(f"{out} holds {what}; give the folder of a run on a GPU")
    written = []
    for op, entry in records.get("tune", {}).get("launch", {}).items():
        file = root / LAUNCH[op].file.relative_to(ROOT)
        LAUNCH[op].write(records["tune"]["machine"]["device"], entry, file)
        written.append(file)
    for entry in records.get("crossovers", {}).get("rows", []):
        file = root / CROSSOVERS.file.relative_to(ROOT)
        CROSSOVERS.write(records["crossovers"]["machine"]["device"], entry, file)
        written.append(file)
    for page, names in PAGES.items():
        if records.keys() & set(names):
            file = root / page
            text = replaced(file.read_text(encoding="utf-8"), sections(records, names), page)
            file.write_text(text, encoding="utf-8")
            written.append(file)
    return [str(file.relative_to(root)) for file in written]


def sections(records: dict[str, dict[str, Any]], names: Iterable[str]) -> str:
    """The stages that were run, each with where and whether it came to its end."""
    parts = []
    for name in names:
        if name not in records:
            continue
        record, machine = records[name], records[name]["machine"]
        try:
            body = STAGES[name].page(record)
        except (KeyError, ValueError) as error:  # it ended before it had anything to show
            body = f"### {name}\n\nNothing to show: {error!r}."
        state = "" if record["complete"] else " **It did not come to its end.**"
        parts.append(
            f"{body}\n\n*Stage `{name}`, {record['seconds']:.0f} s on {machine['device']}, torch "
            f"{machine['torch']}, triton {machine['triton']}.*{state}"
        )
    return "\n\n".join(parts)


def replaced(text: str, content: str, name: str) -> str:
    """A page with what stands between its two marks replaced."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{name} must hold {BEGIN!r} and {END!r} once each")
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{content}\n\n{END}{rest.partition(END)[2]}"
