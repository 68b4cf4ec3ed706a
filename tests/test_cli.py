"""The command line itself: what it imports, what it prints, and its exit statuses, in processes of its own."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import lwdna_core


def lwdna(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lwdna_core.cli", *words], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "words",
    [["--help"], *([command, "--help"] for command in ("compare", "data", "shrink", "report", "test", "predict",
                                                       "export", "eval"))],
)  # fmt: skip
def test_help_imports_no_heavy_package(words: list[str]) -> None:
    script = (
        "import sys; from lwdna_core.cli import main\n"
        f"try: main({words})\n"
        "except SystemExit as end: print('status', end.code)\n"
        "print('imported', *sorted({'torch', 'numpy', 'mmengine', 'matplotlib', 'kornia', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["status 0", "imported"]
    assert "examples:" in done.stdout


def test_only_the_chosen_command_is_imported() -> None:
    script = (
        "import sys; from lwdna_core.cli import main\n"
        "try: main(['compare', '--help'])\n"
        "except SystemExit: print({name for name in sys.modules if name.startswith('lwdna_core.commands.')})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported = ast.literal_eval(done.stdout.splitlines()[-1])
    assert imported == {"lwdna_core.commands.compare", "lwdna_core.commands.options"}


def test_version(tmp_path: Path) -> None:
    assert lwdna("--version", folder=tmp_path).stdout == f"lwdna {lwdna_core.__version__}\n"


@pytest.mark.parametrize("words", [[], ["schrink"], ["shrink"], ["shrink", "x", "--input", "3,a,3"]])
def test_a_wrong_command_line_exits_with_2(words: list[str], tmp_path: Path) -> None:
    done = lwdna(*words, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: lwdna")


def test_a_mistake_is_one_line_and_debug_adds_the_traceback(tmp_path: Path) -> None:
    words = ["shrink", "torch.nn:Conv2", "--input", "3,8,8"]
    done = lwdna(*words, folder=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("lwdna: error: ") and "Conv2d" in line

    done = lwdna("--debug", *words, folder=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr and done.stderr.splitlines()[-1] == line


def test_a_module_in_the_current_folder_is_found_and_an_interrupt_exits_with_130(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def build():\n    raise KeyboardInterrupt\n")
    done = lwdna("shrink", "mine:build", "--input", "3,8,8", folder=tmp_path)
    assert (done.returncode, done.stderr) == (130, "lwdna: interrupted\n")


def test_a_failure_that_is_not_the_users_keeps_its_traceback_and_exits_with_1(tmp_path: Path) -> None:
    source = """
        import torch


        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.second = torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(4, 2, 1)

            def init_weights(self):
                1 / 0

            def forward(self, x):
                return self.second(self.first(x))


        build = Net
        """
    (tmp_path / "mine.py").write_text(textwrap.dedent(source))
    done = lwdna("shrink", "mine:build", "--input", "3,8,8", folder=tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_a_file_that_cannot_be_written_is_named_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "taken.json").mkdir()
    done = lwdna("shrink", "cifar_resnet20", "--input", "3,16,16", "--out", "taken.json", folder=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1] == "lwdna: error: taken.json: Is a directory"
