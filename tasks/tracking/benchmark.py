"""Tracks all sequences of a data set with a run's network, and leaves what `lwdna eval tracking` reads.

DIR/TRACKER/SEQUENCE.txt                        one pass
DIR/TRACKER/baseline/SEQUENCE/SEQUENCE_001.txt  with VOT's resets
DIR/TRACKER/SRE/SEQUENCE.json                   from twelve boxes beside the true one; TRE/: from twenty frames
DIR/TRACKER/times/SEQUENCE_time.txt             seconds a frame
"""

from __future__ import annotations

import hashlib
import multiprocessing
import signal
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lwdna_core.compare.results import FORMAT, read_json, write_json
from lwdna_core.compare.run_folder import read_run
from lwdna_core.compare.workers import cores
from lwdna_core.errors import LwdnaError
from lwdna_core.export import WEIGHTS
from tasks.tracking.data import check_protocol, own_split, tested, usual_protocol
from tasks.tracking.evaluation.annotations import read_annotations
from tasks.tracking.experiments import PROTOCOLS, Tracker
from tasks.tracking.result_files import result_file, write_text, write_times, write_tracks
from tasks.tracking.run_tracker import make_tracker
from tasks.tracking.sequences import Filmed


def track_dataset(run_folder: Path, dataset: Path, out: Path, protocol: str | None, parallel: int, device: str) -> int:
    """Track the sequences that have no results yet; one that fails is reported, and the others go on.

    Of LaSOT, where its `testing_set.txt` is there, the sequences that are in it.

    Args:
        run_folder: of a finished run.
        dataset: a folder in one of the layouts of `evaluation.folders`.
        out: receives the tracker's folder, called after the run.
        protocol: "OPE", "SRE", "TRE" or "VOT"; None: what is usual for the set.
        parallel: how many sequences at once, in processes of their own.
        device: torch's name of it.

    Returns: the exit status, 1 where a sequence failed.

    Raises LwdnaError, before any work, for a folder that is no data set or no run, and where `out` holds results of
    another network under the same name.
    """
    result, whole = read_run(run_folder), read_annotations(dataset)
    annotations = own_split(whole, dataset, tested=True)
    protocol = protocol or usual_protocol(annotations)
    check_protocol(protocol, annotations)
    home = out / f"{result['experiment']}-{result['arm']}-seed{result['seed']}"
    _claim(home, run_folder, annotations.name)
    missing = {n: s for n, s in annotations.sequences.items() if not result_file(home, protocol, n).exists()}
    console, failed = Console(), 0
    columns = (TextColumn("tracking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        _executor(parallel) as workers,
    ):
        bar = progress.add_task("tracking", total=len(missing))
        futures: dict[Future[float], str] = {}
        for name, annotated in missing.items():
            try:
                sequence = tested(annotated)
            except LwdnaError as error:
                failed += 1
                console.print(f"{name} failed: {error}", highlight=False, markup=False, soft_wrap=True)
            else:
                futures[workers.submit(_track, run_folder, home, protocol, sequence, device)] = name
        for future in as_completed(futures):
            try:
                outcome = f"{future.result():.1f} frames a second in the tracker"
            except BrokenProcessPool as error:
                raise LwdnaError("a process was killed (out of memory?); the same command goes on from here") from error
            except Exception as error:  # whatever the frames or the machine may do
                failed += 1
                outcome = f"failed: {type(error).__name__}: {error}"
            console.print(f"{futures[future]}: {outcome}", highlight=False, markup=False, soft_wrap=True)
            progress.advance(bar)
    there = len(annotations.sequences) - len(missing)
    print(f"{len(missing) - failed} sequences tracked, {there} were there, {failed} failed: {home}")
    if not failed:
        part = ""
        if len(annotations.sequences) < len(whole.sequences):
            listed = home / "times" / "tested.txt"
            write_text(listed, "".join(f"{name}\n" for name in annotations.sequences))
            part = f" --sequences {listed}"
        print(f"lwdna eval tracking {home} --annotations {dataset}{part} --protocol {protocol} gives the scores")
    return 1 if failed else 0


def _claim(home: Path, run_folder: Path, dataset: str) -> None:
    """Remember whose results these are. Raises LwdnaError where they are another's."""
    weights = hashlib.sha256((run_folder / WEIGHTS).read_bytes()).hexdigest()
    mine = {"format": FORMAT, "weights": weights, "dataset": dataset}
    path = home / "times" / "run.json"
    if path.exists():
        if read_json(path) != mine:
            raise LwdnaError(f"{home}: holds results of another network or data set; choose another --out")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, mine)


def _track(run_folder: Path, home: Path, protocol: str, sequence: Filmed, device: str) -> float:
    """Frames a second."""
    tracks = PROTOCOLS[protocol](_tracker(run_folder, device), sequence)
    write_times(home / "times" / f"{'' if protocol == 'OPE' else protocol + '_'}{sequence.name}_time.txt", tracks)
    write_tracks(result_file(home, protocol, sequence.name), protocol, tracks)
    seconds = np.concatenate([track.seconds for track in tracks])
    return float(len(seconds) / seconds.sum())


@cache
def _tracker(run_folder: Path, device: str) -> Tracker:
    return make_tracker(run_folder, device)


def _executor(parallel: int) -> Executor:
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    threads = max(1, cores() // parallel)
    return ProcessPoolExecutor(parallel, context, initializer=_start, initargs=(threads,))


def _start(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    torch.set_num_threads(threads)
