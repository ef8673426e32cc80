"""Public callables that take no points: files, settings, records, loops, with their arguments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch_geometric.data import Batch, Data

import equiform
from equiform import audit, augment, data, forms, metrics, probes, testing, training
from equiform.augment import SolarizeParameters
from tests.contract.call import numbers

NUMBERS = numbers(6, 4)


class Other(NamedTuple):
    """A callable, and what it is called with, made in an empty folder.

    Attributes:
        free: positions of arguments that may be anything, or that None is right for.
    """

    function: Callable[..., Any]
    arguments: Callable[[Path], tuple[Any, ...]] = lambda folder: ()
    keywords: dict[str, Any] = {}  # noqa: RUF012
    free: tuple[int, ...] = ()


def clouds() -> Batch:
    items = [Data(pos=numbers(5, 3, seed=i).float()) for i in range(4)]
    return Batch.from_data_list(items)


def _pdb(folder: Path) -> Path:
    line = "ATOM  {i:5d}  CA  ALA A{i:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C\n"
    text = "".join(line.format(i=i + 1, x=3.8 * i, y=0.0, z=0.0) for i in range(20)) + "END\n"
    (folder / "chain.pdb").write_text(text)
    return folder / "chain.pdb"


def _cifar(folder: Path, labels: int) -> Path:
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + [
        "test_batch.bin",
        "train.bin",
        "test.bin",
    ]
    for name in names:
        (folder / name).write_bytes(bytes(labels) + bytes(3072))
    classes = "\n".join(map(str, range(10)))
    (folder / "batches.meta.txt").write_text(classes)
    (folder / "coarse_label_names.txt").write_text("\n".join(map(str, range(20))))
    (folder / "fine_label_names.txt").write_text("\n".join(map(str, range(100))))
    return folder


def _images(folder: Path) -> Path:
    (folder / "cat").mkdir()
    pixels = np.zeros((4, 4, 3), np.uint8)
    from PIL import Image

    Image.fromarray(pixels).save(folder / "cat" / "0.png")
    return folder


def _fitted() -> tuple[Any, ...]:
    module = torch.nn.Linear(2, 1)
    batches = [torch.ones(3, 2)] * 2
    return (
        module,
        lambda x: module(x).square().mean(),
        batches,
        torch.optim.SGD(module.parameters()),
    )


def _report(folder: Path) -> audit.Report:
    return audit.report(torch.nn.Linear(3, 3), numbers(40, 3).float(), {"mirror": lambda x: x * -1})


def _checkpoint(folder: Path) -> Path:
    training.save_checkpoint(folder / "state.pt", {"a": torch.ones(2)})
    return folder / "state.pt"


_AUGMENTATION = augment.Solarize(p=1.0)
OTHERS: dict[str, Other] = {
    "report": Other(
        equiform.report,
        lambda _: (torch.nn.Linear(3, 3), numbers(40, 3).float(), {"mirror": lambda x: -x}),
    ),
    "isometry_group": Other(forms.isometry_group, lambda _: (equiform.MinkowskiForm(), 4)),
    "natural_manifold": Other(forms.natural_manifold, lambda _: (equiform.MinkowskiForm(),)),
    "PairMetric": Other(metrics.PairMetric),
    "BlurParameters": Other(augment.BlurParameters, lambda _: (torch.ones(2),), free=(0,)),
    "ComposedParameters": Other(augment.ComposedParameters, lambda _: ((),), free=(0,)),
    "CropParameters": Other(
        augment.CropParameters, lambda _: (torch.ones(2),) * 4, free=(0, 1, 2, 3)
    ),
    "ImageParameters": Other(augment.ImageParameters),
    "JitterParameters": Other(
        augment.JitterParameters, lambda _: (torch.ones(2),) * 5, free=(0, 1, 2, 3, 4)
    ),
    "SolarizeParameters": Other(SolarizeParameters, lambda _: (torch.ones(2),), free=(0,)),
    "SwitchParameters": Other(augment.SwitchParameters, lambda _: (torch.ones(2) > 0,), free=(0,)),
    "fixed": Other(augment.fixed, lambda _: (_AUGMENTATION, _AUGMENTATION.sample(1))),
    "random_rotations": Other(augment.random_rotations, lambda _: (2, 3)),
    "reorient": Other(augment.reorient, lambda _: (clouds(),)),
    "rotate_chunks": Other(augment.rotate_chunks, lambda _: (clouds(), 2)),
    "tilt": Other(augment.tilt, lambda _: (clouds(), 10.0)),
    "CalphaTrace": Other(
        data.CalphaTrace, lambda _: ("a", np.zeros((1, 3)), "A", ("A",), 0), free=(0, 1, 2, 3, 4)
    ),
    "ImageSet": Other(
        data.ImageSet,
        lambda _: (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2).long(), ("a",)),
        free=(0, 1, 2),
    ),
    "ProteinDataset": Other(
        data.ProteinDataset, lambda _: ([data.protein_item("a", NUMBERS[:, :3])],)
    ),
    "ReadLimits": Other(data.ReadLimits),
    "RemoteFile": Other(
        data.RemoteFile, lambda _: ("https://example.org/a", "0" * 32), free=(0, 1)
    ),
    "download_entries": Other(data.download_entries, lambda folder: ([], folder)),
    "entry_ids": Other(data.entry_ids),
    "iter_structure_files": Other(
        lambda path: list(data.iter_structure_files(path)), lambda folder: (_pdb(folder),)
    ),
    "load_cifar10": Other(data.load_cifar10, lambda folder: (_cifar(folder, 1),), {"train": True}),
    "load_cifar100": Other(
        data.load_cifar100, lambda folder: (_cifar(folder, 2),), {"train": True}
    ),
    "load_image_folder": Other(
        data.load_image_folder, lambda folder: (_images(folder),), {"size": 4}
    ),
    "parse_calpha": Other(
        data.parse_calpha, lambda folder: ("chain.pdb", _pdb(folder).read_bytes())
    ),
    "protein_item": Other(data.protein_item, lambda _: ("a", NUMBERS[:, :3])),
    "read_calpha": Other(data.read_calpha, lambda folder: (_pdb(folder),)),
    "synthetic_backbones": Other(data.synthetic_backbones, lambda _: (2,)),
    "synthetic_shapes": Other(data.synthetic_shapes, lambda _: (4,)),
    "extract_features": Other(
        probes.extract_features,
        lambda _: (
            torch.nn.Flatten().eval(),
            torch.zeros(2, 3, 4, 4, dtype=torch.uint8),
            torch.Tensor.float,
        ),
    ),
    "require_frozen": Other(
        probes.require_frozen, lambda _: (torch.nn.Linear(2, 2).requires_grad_(False).eval(),)
    ),
    "fit": Other(training.fit, lambda _: _fitted(), {"epochs": 1}),
    "format_table": Other(training.format_table, lambda _: (["a"], [[1.0]])),
    "join_processes": Other(training.join_processes, lambda _: ("cpu",), free=(0,)),
    "keep_freed_memory": Other(training.keep_freed_memory),
    "load_checkpoint": Other(training.load_checkpoint, lambda folder: (_checkpoint(folder),)),
    "rank": Other(training.rank),
    "save_checkpoint": Other(
        training.save_checkpoint, lambda folder: (folder / "state.pt", {"a": torch.ones(2)})
    ),
    "versions": Other(training.versions),
    "write_csv": Other(training.write_csv, lambda folder: (folder / "a.csv", [{"a": 1}])),
    "write_json": Other(
        training.write_json, lambda folder: (folder / "a.json", {"a": 1}), free=(1,)
    ),
    "save_report": Other(audit.save_report, lambda folder: (_report(folder), folder)),
    "matrices": Other(testing.matrices, lambda _: (2, 3)),
    "isotropic_frame": Other(testing.isotropic_frame, lambda _: (equiform.MinkowskiForm(), 4)),
    "group_elements": Other(
        lambda group: testing.group_elements(group).example(),
        lambda _: (equiform.SpecialOrthogonal(3),),
    ),
    "point_sets": Other(
        lambda form, d: testing.point_sets(form, d).example(),
        lambda _: (equiform.EuclideanForm(), 3),
    ),
    "assert_equivariant": Other(
        testing.assert_equivariant,
        lambda _: (lambda x: x, NUMBERS, lambda x: -x, -torch.eye(4, dtype=torch.float64)),
    ),
}


#: Made by other callables, or read from files of their own formats, which have suites of their own.
ELSEWHERE = {
    "download_file": "tests/data, from a server of their own",
    "load_flowers102": "tests/data",
    "load_stl10": "tests/data",
    "TensorBoardLog": "tests/training; tensorboard is an extra",
    "Report": "what report returns",
    "Row": "a part of it",
    "Verdict": "an enumeration",
    "LinearProbe": "what fit_ridge returns",
}
