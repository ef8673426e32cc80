"""ProteinDataset: normalised clouds, bad files reported, clusters whole, one parse for many."""

import logging
import multiprocessing
import tarfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from equiform.data import ProteinDataset, StructureFormatError, protein_item, proteins
from tests.data.conftest import helix, pdb_text


def names(dataset):
    return [item.name for item in dataset]


def dataset_of_clusters(clusters):
    points = torch.from_numpy(helix(5))
    return ProteinDataset(protein_item(str(i), points, c) for i, c in enumerate(clusters))


def test_items(folder_of_helices):
    dataset = ProteinDataset.from_path(folder_of_helices(3))
    assert names(dataset) == ["h0", "h1", "h2"]
    for i, item in enumerate(dataset):
        points = torch.from_numpy(helix(20 + i))
        centred = points - points.mean(dim=0)
        assert item.pos.dtype == torch.float32
        torch.testing.assert_close(item.pos.double() * item.scale, centred, atol=1e-5, rtol=0)
        torch.testing.assert_close(item.pos.square().sum(dim=1).mean(), torch.tensor(1.0))
        torch.testing.assert_close(item.pos.mean(dim=0), torch.zeros(3), atol=1e-6, rtol=0)
        assert item.cluster.tolist() == [-1]
    batch = next(iter(DataLoader(dataset, batch_size=3)))
    assert batch.ptr.tolist() == [0, 20, 41, 63]
    assert batch.scale.shape == (3,)


def test_bad_files_are_skipped_with_reasons(folder_of_helices, caplog):
    folder = folder_of_helices(4)
    (folder / "bad.pdb").write_bytes(b"")
    with caplog.at_level(logging.INFO, logger="equiform"):
        dataset = ProteinDataset.from_path(folder, min_residues=21, max_residues=22)
    assert names(dataset) == ["h1", "h2"]
    assert dataset.skipped == {
        "bad.pdb": "bad.pdb: the file is empty",
        "h0.pdb": "h0.pdb: 20 residues, min_residues=21",
        "h3.pdb": "h3.pdb: 23 residues, max_residues=22",
    }
    assert "2 structures read, 3 skipped" in caplog.text
    assert all(reason in caplog.text for reason in dataset.skipped.values())
    for cache in (None, folder / "cache", folder / "cache"):
        with pytest.raises(StructureFormatError, match="the file is empty"):
            ProteinDataset.from_path(folder, cache=cache, on_error="raise")


@pytest.mark.parametrize("coordinates", [torch.ones(3, 3), torch.full((3, 3), torch.nan)])
def test_clouds_without_a_scale(coordinates):
    with pytest.raises(ValueError, match="'x' has RMS radius"):
        protein_item("x", coordinates)


def test_items_are_made_by_protein_item():
    cloud = torch.from_numpy(helix(5))
    for item in (cloud, Data(pos=cloud, name="x")):
        with pytest.raises(TypeError, match="must be made by protein_item, got"):
            ProteinDataset([item])
    # Those of a dataset make another one, unchanged.
    (item,) = ProteinDataset(ProteinDataset([protein_item("x", cloud, 3)]))
    points = (item.pos * item.scale).double()
    torch.testing.assert_close(points, cloud - cloud.mean(0), atol=1e-5, rtol=0)
    assert (item.name, item.cluster.tolist()) == ("x", [3])


def test_arguments(folder_of_helices, tmp_path):
    folder = folder_of_helices(1)
    with pytest.raises(ValueError, match='"skip" or "raise", got \'ignore\''):
        ProteinDataset.from_path(folder, on_error="ignore")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="min_residues must be at least 2, got 1"):
        ProteinDataset.from_path(folder, min_residues=1)
    with pytest.raises(ValueError, match="at least one structure; 1 were skipped"):
        ProteinDataset.from_path(folder, min_residues=100)
    with pytest.raises(FileNotFoundError):
        ProteinDataset.from_path(tmp_path / "none")
    (folder / "h0.pdb").write_bytes(b"")
    with pytest.raises(ValueError, match="the file is empty"):
        ProteinDataset.from_path(folder)


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "tar.xz"])
def test_index_beside_the_path(folder_of_helices, packed):
    path = folder_of_helices(3)
    path.with_name("helices_index.csv").write_text("id,length,cluster\nh0,20,7\nh2,22,7\n")
    if packed:
        with tarfile.open(path.with_suffix(".tar.xz"), "w:xz") as tar:
            tar.add(path, arcname=path.name)
        path = path.with_suffix(".tar.xz")
    assert ProteinDataset.from_path(path).clusters.tolist() == [7, -1, 7]


def test_index_errors(folder_of_helices, tmp_path):
    folder = folder_of_helices(1)
    beside = tmp_path / "helices_index.csv"
    beside.write_text("file,other\nh0,1\n")
    assert ProteinDataset.from_path(folder).clusters.tolist() == [-1]
    with pytest.raises(ValueError, match="needs columns id and cluster"):
        ProteinDataset.from_path(folder, index=beside)
    beside.write_text("id,cluster\nh0,seven\n")
    with pytest.raises(ValueError, match="line 2: cluster must be an integer"):
        ProteinDataset.from_path(folder)
    with pytest.raises(FileNotFoundError):
        ProteinDataset.from_path(folder, index=tmp_path / "none.csv")


@given(
    clusters=st.lists(st.integers(0, 12), min_size=30, max_size=60),
    seed=st.integers(0, 2**31),
)
def test_split_keeps_clusters_whole(clusters, seed):
    dataset = dataset_of_clusters(clusters)
    if len(set(clusters)) < 4:
        return
    sides = dataset.split_by_cluster([0.6, 0.4], seed=seed)
    found = [set(side.clusters.tolist()) for side in sides]
    assert not found[0] & found[1]
    assert sorted(name for side in sides for name in names(side)) == sorted(names(dataset))
    again = dataset.split_by_cluster([0.6, 0.4], seed=seed)
    assert [names(side) for side in sides] == [names(side) for side in again]


def test_split_sizes_and_seeds():
    dataset = dataset_of_clusters(range(100))
    sides = dataset.split_by_cluster([0.7, 0.2, 0.1])
    assert [len(side) for side in sides] == [70, 20, 10]
    assert names(dataset.split_by_cluster([0.5, 0.5], seed=1)[0]) != names(
        dataset.split_by_cluster([0.5, 0.5], seed=2)[0]
    )
    # A split of a split sees the clusters of its own items.
    train, validation = sides[0].split_by_cluster([0.5, 0.5])
    assert set(names(train)) | set(names(validation)) == set(names(sides[0]))


def test_split_without_clusters(caplog):
    sides = dataset_of_clusters([-1] * 10 + [3] * 5).split_by_cluster([0.6, 0.4])
    assert "10 of 15 chains have no cluster" in caplog.text
    assert [len(side) for side in sides] == [9, 6]


@pytest.mark.parametrize("fractions", [[], [1.2, -0.2], [0.5, 0.4], [0.0, 1.0]])
def test_split_fractions(fractions):
    with pytest.raises(ValueError, match="positive and add up to 1"):
        dataset_of_clusters(range(4)).split_by_cluster(fractions)


def test_split_with_an_empty_side():
    with pytest.raises(ValueError, match="1 clusters empty"):
        dataset_of_clusters([2, 2, 2]).split_by_cluster([0.5, 0.5])


def test_cache_follows_the_content(folder_of_helices, tmp_path, monkeypatch):
    folder, cache = folder_of_helices(2), tmp_path / "cache"
    parses = []
    parse = proteins._parse
    monkeypatch.setattr(proteins, "_parse", lambda *a: parses.append(a) or parse(*a))
    first = ProteinDataset.from_path(folder, cache=cache)
    second = ProteinDataset.from_path(folder, cache=cache, max_residues=20)
    assert (len(parses), names(first), names(second)) == (1, ["h0", "h1"], ["h0"])
    torch.testing.assert_close(first.get(0).pos, second.get(0).pos, atol=0, rtol=0)
    (folder / "h0.pdb").write_bytes(pdb_text(helix(40)))
    assert len(ProteinDataset.from_path(folder, cache=cache).get(0).pos) == 40
    monkeypatch.setattr(proteins, "READER_VERSION", -1)
    ProteinDataset.from_path(folder, cache=cache)
    assert len(parses) == 3


def load(path, cache, barrier, results):
    barrier.wait()
    dataset = ProteinDataset.from_path(path, cache=cache)
    results.put([(item.name, item.pos.numpy().tobytes()) for item in dataset])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_four_processes_parse_once(folder_of_helices, tmp_path, monkeypatch):
    parse = proteins._parse

    def counted(path, limits):
        (tmp_path / f"parse-{multiprocessing.current_process().pid}").touch()
        return parse(path, limits)

    monkeypatch.setattr(proteins, "_parse", counted)
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.Queue()
    arguments = (folder_of_helices(20), tmp_path / "cache", barrier, results)
    workers = [context.Process(target=load, args=arguments) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert len(found[0]) == 20
    assert all(other == found[0] for other in found)
    assert len(list(tmp_path.glob("parse-*"))) == 1


def test_synthetic():
    first, second = (ProteinDataset.synthetic(5, seed=3) for _ in range(2))
    assert names(first) == [f"synthetic-{i}" for i in range(5)]
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a.pos, b.pos, atol=0, rtol=0)
        assert 60 <= len(a.pos) <= 150
    assert len(set(first.clusters.tolist())) == 5
    assert not np.allclose(
        first.get(0).pos[:60], ProteinDataset.synthetic(1, seed=4).get(0).pos[:60]
    )


def test_real_chains(real_proteins, tmp_path):
    dataset = ProteinDataset.from_path(real_proteins / "pdb_calpha.tar.xz", cache=tmp_path)
    assert (len(dataset), dataset.skipped) == (2499, {})
    assert int(dataset.clusters.min()) > -1
    train, test = dataset.split_by_cluster([0.8, 0.2])
    assert (len(train), len(test)) == (1999, 500)
    assert not set(train.clusters.tolist()) & set(test.clusters.tolist())
    assert float(dataset.get(0).scale) == pytest.approx(13.5062, abs=1e-3)
