"""How long trackers' result files take to score, files included, and how long other toolkits take for the same.

The other toolkits have requirements of their own: TOOLKITS_PYTHON names the Python of an environment that has them,
by `pip install vot-toolkit==0.9.0 attributee==0.1.8 got10k==0.1.3`. All runs in processes of its own, in one thread;
CPU seconds count.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

HEADER = "what | seconds | allowed | met"
OTHERS = "toolkit | on | its seconds | ours | ratio | wanted | met"
ROUNDS = 7
SINGLE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}

OTB = ("otb_pysot/DaSiamRPN", "gt/OTB100.json", "pysot")
VOT = ("vot2018/DaSiamRPN", "gt/VOT2018.json", "pysot")

OURS = """
import json, sys, time
from pathlib import Path
from tasks.tracking.evaluation import evaluate
seconds = []
for _ in range(int(sys.argv[4])):
    started = time.process_time()
    found = evaluate([Path(sys.argv[1])], Path(sys.argv[2]), sys.argv[3])
    seconds.append(time.process_time() - started)
print(json.dumps({"seconds": seconds, "values": dict(found.scores[0].values)}))
"""

VOT_TOOLKIT = """
import json, sys, time
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from vot.analysis.supervised import AccuracyRobustness, EAOCurve
from vot.region import Polygon, Rectangle
from vot.region.io import read_trajectory

def region(values):
    return Rectangle(*values) if len(values) == 4 else Polygon(list(zip(values[::2], values[1::2])))

class Sequence:
    def __init__(self, name, item):
        self.name, self.size = name, (item["width"], item["height"])
        self.regions = [region(values) for values in item["gt_rect"]]
    def groundtruth(self):
        return self.regions
    def __len__(self):
        return len(self.regions)

def score(folder, annotations):
    content = json.loads(annotations.read_text())
    sequences = [Sequence(name, item) for name, item in content.items()]
    read = {s.name: read_trajectory(str(folder / "baseline" / s.name / f"{s.name}_001.txt")) for s in sequences}
    gather = lambda tracker, sequence: [SimpleNamespace(regions=lambda: read[sequence.name])]
    experiment = SimpleNamespace(gather=gather)
    rows = [AccuracyRobustness().subcompute(experiment, None, s, []) for s in sequences]
    weights = np.array([row[3] for row in rows])
    accuracy, robustness = (np.average([row[i] for row in rows], weights=weights) for i in (0, 1))
    curve = np.array(EAOCurve().subcompute(experiment, None, sequences, [])[0])
    return {"accuracy": accuracy, "robustness": robustness, "eao": float(curve[100:357].mean())}

seconds = []
for _ in range(int(sys.argv[3]) + 1):  # the first one compiles
    started = time.process_time()
    values = score(Path(sys.argv[1]), Path(sys.argv[2]))
    seconds.append(time.process_time() - started)
print(json.dumps({"seconds": seconds[1:], "values": values}))
"""

GOT10K = """
import json, sys
from pathlib import Path
import numpy as np
from got10k.experiments.otb import ExperimentOTB
experiment = ExperimentOTB.__new__(ExperimentOTB)
experiment.nbins_iou, experiment.nbins_ce = 21, 51
content = json.loads(Path(sys.argv[2]).read_text())
files = {path.stem.lower().replace("_", "-"): path for path in Path(sys.argv[1]).glob("*.txt")}
curves = []
for name, item in content.items():
    truth = np.array(item["gt_rect"], float)
    boxes = np.loadtxt(files[name.lower()], delimiter=",")[: len(truth)]
    boxes[0] = truth[0]
    curves.append(experiment._calc_curves(*experiment._calc_metrics(boxes, truth[: len(boxes)])))
print(json.dumps({"auc": float(np.mean([success for success, _ in curves]))}))
"""


@pytest.fixture(scope="session")
def stored() -> Path:
    folder = Path(os.environ.get("LWDNA_DATA", "")) / "tracking-results"
    if not (folder / "EXPECTED.json").is_file():
        pytest.skip("needs tracking-results in LWDNA_DATA")
    return folder


@pytest.fixture(scope="session")
def toolkits() -> str:
    python = os.environ.get("TOOLKITS_PYTHON")
    if not python:
        pytest.skip("TOOLKITS_PYTHON names no Python with vot-toolkit and got10k")
    return python


def run(python: str, code: str, *arguments: object) -> str:
    command = [python, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | SINGLE, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def whole(command: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of a process, the least of several."""
    seconds = []
    for _ in range(ROUNDS):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            command, env=os.environ | SINGLE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
        )
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall))
    return min(cpu for cpu, _ in seconds), min(wall for _, wall in seconds)


def yes(met: bool) -> str:
    return "yes" if met else "no"


@pytest.mark.parametrize(("files", "allowed"), [(OTB, 0.15), (VOT, 0.2)], ids=["OTB100", "VOT2018"])
def test_one_tracker(stored: Path, report: Callable[..., None], files: tuple[str, str, str], allowed: float) -> None:
    results, annotations, convention = files
    name = Path(annotations).stem
    first = [
        json.loads(run(sys.executable, OURS, stored / results, stored / annotations, convention, 1))["seconds"][0]
        for _ in range(ROUNDS)
    ]
    again = json.loads(run(sys.executable, OURS, stored / results, stored / annotations, convention, ROUNDS))["seconds"]
    for what, seconds in ((f"{name}, first in a process", first), (f"{name}, again", again[1:])):
        middle = statistics.median(seconds)
        report(
            HEADER, what, f"{middle:.3f} ({min(seconds):.3f} to {max(seconds):.3f})", allowed, yes(middle <= allowed)
        )
    command = [sys.executable, "-m", "lwdna_core.cli", "eval", "tracking", str(stored / results)]
    cpu, wall = whole([*command, "--annotations", str(stored / annotations), "--convention", convention])
    report(HEADER, f"{name}, the whole command", f"{cpu:.3f} ({wall:.3f} wall)", 0.5, yes(cpu <= 0.5))


def test_against_vot_toolkit(stored: Path, toolkits: str, report: Callable[..., None]) -> None:
    results, annotations, _ = VOT
    paths = stored / results, stored / annotations
    theirs = json.loads(run(toolkits, VOT_TOOLKIT, *paths, ROUNDS))
    ours = json.loads(run(sys.executable, OURS, *paths, "vot-toolkit", ROUNDS))
    assert {name: ours["values"][name] for name in theirs["values"]} == pytest.approx(theirs["values"], abs=2e-6)
    one, other = statistics.median(theirs["seconds"]), statistics.median(ours["seconds"])
    cells = ("vot-toolkit 0.9.0", "VOT2018, one tracker", f"{one:.3f}", f"{other:.3f}", f"{one / other:.1f}")
    report(OTHERS, *cells, 4, yes(one / other >= 4))


def test_against_got10k(stored: Path, toolkits: str, report: Callable[..., None]) -> None:
    results, annotations = "otb_pysot/DaSiamRPN", "gt/OTB100.json"
    paths = [str(stored / results), str(stored / annotations)]
    theirs, _ = whole([toolkits, "-c", GOT10K, *paths])
    ours, _ = whole([sys.executable, "-m", "lwdna_core.cli", "eval", "tracking", paths[0], "--annotations", paths[1],
                     "--convention", "got10k"])  # fmt: skip
    cells = ("got10k 0.1.3", "OTB100, the whole process", f"{theirs:.3f}", f"{ours:.3f}", f"{theirs / ours:.1f}")
    report(OTHERS, *cells, 1, yes(theirs / ours > 1))
