"""All that a GPU has to do, rehearsed on the CPU: every stage, and what is made of its file."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu.apply import BEGIN, END, PAGES, ROOT, apply, replaced
from benchmarks.gpu.ceilings import floor_ms
from benchmarks.gpu.results import Results, read
from benchmarks.gpu.stages import STAGES
from benchmarks.gpu.table import CASES, figures, verdicts
from benchmarks.gpu.workers import Limits, share
from equiform.ops.gram_difference.routes import CROSSOVERS
from equiform.ops.gram_difference.triton.config import LAUNCH

COMMAND = [sys.executable, "-W", "ignore", "-m", "benchmarks.gpu"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def rehearse(out, *arguments):
    return subprocess.run(
        [*COMMAND, "--rehearse", "--out", str(out), *arguments],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def copied_tree(folder):
    """What --apply writes to, elsewhere."""
    for file in (LAUNCH.file, CROSSOVERS.file, *(ROOT / page for page in PAGES)):
        target = folder / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    info_nce = "equiform/ops/info_nce/triton/launch.json"
    (folder / info_nce).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / info_nce, folder / info_nce)
    return folder


def test_the_rehearsal_runs_every_stage_and_its_results_can_be_applied(tmp_path):
    """One test, so that it is rehearsed once however the tests are shared out."""
    out = tmp_path / "out"
    run = rehearse(out, "--minutes", "60")  # however slow the machine
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    files = {path.name for path in out.iterdir()}
    assert files == {f"{name}.json" for name in STAGES} | {"summary.md"}
    records = read(out)
    for name, record in records.items():
        assert record["complete"], name
        assert record["rehearsal"]
        assert record["machine"]["device"] == "cpu"
        assert STAGES[name].page(record).startswith("### ")
    assert len(records["correct"]["rows"]) == records["correct"]["planned"]
    assert all(row["ok"] for row in records["correct"]["rows"])
    assert all(row["right"] for row in records["tune"]["rows"])
    assert set(records["step"]["compiled"]) == {"SimCLR", "CARE, equiform"}
    assert set(records["train"]["runs"]) == {"pace", "equal epochs", "equal time"}
    summary = (out / "summary.md").read_text()
    assert summary.count("### ") == len(STAGES)
    assert "not come to its end" not in summary

    with pytest.raises(ValueError, match="holds a rehearsal on the CPU"):
        apply(out)
    # As if a GPU had done it.
    for name, record in records.items():
        record |= {"rehearsal": False, "machine": record["machine"] | {"device": "Some card"}}
        (out / f"{name}.json").write_text(json.dumps(record))
    (out / "foreign.json").write_text("{}")
    tree = copied_tree(tmp_path / "tree")
    written = apply(out, tree)
    assert set(PAGES) < set(written)
    assert len(written) == len(PAGES) + 3
    for file in written:
        assert "Some card" in (tree / file).read_text()
    table = json.loads((tree / LAUNCH.file.relative_to(ROOT)).read_text())
    assert LAUNCH.parse(table["Some card"])["float32"]
    assert table["cuda"] == json.loads(LAUNCH.file.read_text())["cuda"]
    once = {file: (tree / file).read_text() for file in written}
    apply(out, tree)
    assert once == {file: (tree / file).read_text() for file in written}


def test_what_was_finished_outlives_a_kill(tmp_path):
    """In the middle of the first stage, with all its processes."""
    process = subprocess.Popen(
        [*COMMAND, "--rehearse", "--out", str(tmp_path), "--only", "correct", "tune"],
        cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    path = tmp_path / "correct.json"
    try:
        deadline = time.monotonic() + 100
        while not (path.exists() and len(json.loads(path.read_text())["rows"]) > 3):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGTERM)  # as a time limit does
        process.wait()
    record = read(tmp_path)["correct"]
    assert not record["complete"]
    assert 3 < len(record["rows"]) < record["planned"]
    rows = len(record["rows"])
    time.sleep(2)
    assert len(read(tmp_path)["correct"]["rows"]) == rows, "a process of the stage still runs"


def test_a_time_box_ends_a_stage(tmp_path):
    run = rehearse(tmp_path, "--only", "crossovers", "correct", "--minutes", "0.05")
    assert run.returncode == 1
    assert read(tmp_path)["correct"]["complete"] is False
    assert "did not come to its end" in (tmp_path / "summary.md").read_text()


def job(how):
    """For the workers: ends as it is told."""
    if how == "crash":
        os._exit(3)
    if how == "hang":
        time.sleep(1000)
    if how == "raise":
        raise ValueError("as told")
    return how


def test_a_job_that_crashes_hangs_or_raises_costs_itself_alone():
    hows = ["fine", "crash", "raise", "hang", "well", "good"]
    jobs = [{"how": how} for how in hows]
    outcomes = {
        done["how"]: (result, error)
        for done, result, error in share(job, jobs, Limits(2, 4.0, lambda: 1.0))
    }
    assert set(outcomes) == set(hows)
    for how in ("fine", "well", "good"):
        assert outcomes[how] == (how, None)
    assert outcomes["crash"][1] == "its process ended with status 3"
    assert outcomes["raise"][1] == "ValueError: as told"
    assert outcomes["hang"][1] == "no result after 4 s"


def test_jobs_that_time_does_not_reach_are_left_out():
    assert not list(share(job, [{"how": "fine"}], Limits(1, 5.0, lambda: 0.0)))


def test_a_record_is_whole_whatever_it_holds(tmp_path):
    results = Results(tmp_path, "table", seconds=5.0, rehearsal=True)
    results.add(figure=float("nan"), inner=[{"x": float("inf")}], shape=(1, 2))
    (row,) = read(tmp_path)["table"]["rows"]
    assert row == {"figure": "nan", "inner": [{"x": "inf"}], "shape": [1, 2]}
    assert 0 < results.left() <= 5


def test_targets_are_met_or_missed_by_their_figures():
    ceilings = {
        "bytes_per_s": 4e12,
        "launch_s": 2e-6,
        "float32_flop_per_s": 60e12,
        "float64_flop_per_s": 60e12,
        "bfloat16_flop_per_s": 780e12,
    }
    case = CASES[2]
    floor = floor_ms(*case[:4], "triton", ceilings)
    # 8 n² d at 780 / 6 TFLOP/s.
    assert floor == pytest.approx(1e3 * 8 * 4096**2 * 128 / 130e12)
    ms = {"ours": 1.5 * floor, "graph": floor, "eager": 9 * floor, "released": 30 * floor}
    ratios = {"graph": 2 / 3, "eager": 6.0, "released": 20.0}
    row = {"ms": ms, "ratios": ratios, "not_run": {"compile": "no compiler"}, "memory": 3.0}
    row |= {"floor_ms": floor, "accurate": True}
    row["figures"] = figures(row)
    said = verdicts(case, row)
    assert said["eager"] == "met (6, asked 4)"
    assert said["released"] == "**missed** (20, asked 300)"
    assert said["compile"] == "not measured: no compiler"
    assert said["at most floor"] == "met (1.5, asked 2)"
    assert row["figures"]["graph: eager"] == pytest.approx(9)
    assert verdicts(case, row | {"accurate": False})["eager"] == "missed: not accurate"
    launch_bound = floor_ms(*CASES[0][:4], "triton", ceilings)
    assert launch_bound == pytest.approx(2e-3)


def test_pages_need_their_marks():
    assert replaced(f"a\n{BEGIN}\nold\n{END}\nb", "new", "page") == (
        f"a\n{BEGIN}\n\nnew\n\n{END}\nb"
    )
    with pytest.raises(ValueError, match="page must hold"):
        replaced("a", "new", "page")
    for page in PAGES:
        replaced((ROOT / page).read_text(), "new", page)


def test_without_a_gpu_it_says_so(tmp_path):
    environment = ENVIRONMENT | {"CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(
        [*COMMAND, "--out", str(tmp_path)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "no CUDA GPU; --rehearse runs all of it on the CPU" in run.stderr
    assert not list(Path(tmp_path).iterdir())
