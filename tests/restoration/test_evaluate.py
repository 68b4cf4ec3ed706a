"""`lwdna eval restoration`: what it scores, what it writes, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lwdna_core.cli import main
from tasks.restoration.images import cropped, image_files, read_tensor, write_image
from tasks.restoration.imresize import bicubic
from tasks.restoration.quality import psnr, quantized, ssim


def image(seed: int, channels: int = 3, height: int = 41, width: int = 50) -> Tensor:
    return torch.randint(0, 256, (channels, height, width), generator=torch.Generator().manual_seed(seed)).byte()


def close_to(target: Tensor) -> Tensor:
    return quantized(target.float() * 0.95)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three originals, one of them gray, and outputs for x4."""
    for name in ("hr", "sr"):
        (tmp_path / name).mkdir()
    for seed, (name, channels) in enumerate((("a", 3), ("b.c", 3), ("d", 1))):
        original = image(seed, channels)
        write_image(tmp_path / "hr" / f"{name}.png", original)
        write_image(tmp_path / "sr" / f"{name}.png", close_to(cropped(original, 4)))
    return tmp_path / "hr", tmp_path / "sr"


def scores(reference: Path, output: object, *options: str) -> dict[str, Any]:
    out = reference.parent / "scores.json"
    words = ["eval", "restoration", "--reference", str(reference), "--output", str(output), "--json", str(out)]
    assert main([*words, *options]) == 0
    content: dict[str, Any] = json.loads(out.read_text())
    return content


def refusal(capsys: pytest.CaptureFixture[str], reference: Path, output: object, *options: str) -> str:
    words = [
        "eval",
        "restoration",
        "--reference",
        str(reference),
        "--output",
        str(output),
        *(options or ("--scale", "4")),
    ]
    assert main(words) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("convention", ["y", "y-rounded", "rgb"])
@pytest.mark.parametrize("border", [None, 0, 7])
def test_scores_of_files(folders: tuple[Path, Path], convention: Any, border: int | None) -> None:
    reference, output = folders
    options = ["--convention", convention] + (["--border", str(border)] if border is not None else [])
    content = scores(reference, output, "--scale", "4", *options)
    cut = 4 if border is None else border
    assert (content["convention"], content["border"]) == (convention, cut)
    assert list(content["images"]) == ["a.png", "b.c.png", "d.png"]
    for path in image_files(reference):
        pair = read_tensor(output / path.name), cropped(read_tensor(path), 4)
        assert content["images"][path.name] == {
            "psnr": psnr(*pair, convention, cut).item(),
            "ssim": ssim(*pair, convention, cut).item(),
        }
    for key in ("psnr", "ssim"):
        values = [entry[key] for entry in content["images"].values()]
        assert content[key] == pytest.approx(sum(values) / 3)


@pytest.mark.parametrize(
    ("name", "scale", "convention"),
    [("Set5", 2, "y"), ("Set5", 3, "y-rounded"), ("Set14", 4, "rgb"), ("Set14", 3, "y"), ("Set5", 4, "y-nocrop")],
)
def test_bicubic_gives_the_published_figures(
    data_folder: Path, tmp_path: Path, name: str, scale: int, convention: str
) -> None:
    folder = data_folder / "restoration"
    figures = json.loads((folder / "restoration-expected.json").read_text())["bicubic"][f"{name} x{scale}"][convention]
    (tmp_path / "hr").symlink_to(folder / name / "HR")
    options = ["--border", "0"] if convention == "y-nocrop" else ["--convention", convention]
    content = scores(tmp_path / "hr", "bicubic", "--scale", str(scale), *options)
    assert content["psnr"] == pytest.approx(figures[0], abs=1e-3)
    assert content["ssim"] == pytest.approx(figures[1], abs=1e-4)


def test_outputs_of_the_same_stem_with_or_without_the_scale(folders: tuple[Path, Path]) -> None:
    reference, output = folders
    before = scores(reference, output, "--scale", "4")
    (output / "a.png").rename(output / "ax4.png")
    (output / "b.c.png").rename(output / "b.c_x4.png")
    write_image(output / "d.bmp", read_tensor(output / "d.png"))
    (output / "d.png").unlink()
    assert scores(reference, output, "--scale", "4") == before


def test_a_name_that_ends_like_the_scale_is_its_own(folders: tuple[Path, Path]) -> None:
    reference, output = folders
    write_image(reference / "ax4.png", image(9))
    write_image(output / "ax4.png", close_to(cropped(image(9), 4)))
    content = scores(reference, output, "--scale", "4")
    pair = close_to(cropped(image(9), 4)), cropped(image(9), 4)
    assert content["images"]["ax4.png"]["psnr"] == psnr(*pair, "y", 4).item()


def test_denoising_cuts_no_border_and_no_pixel(folders: tuple[Path, Path]) -> None:
    reference, output = folders
    for path in image_files(reference):
        write_image(output / path.name, close_to(read_tensor(path)))
    content = scores(reference, output, "--scale", "1")
    assert content["border"] == 0
    whole = read_tensor(reference / "a.png")
    assert content["images"]["a.png"]["psnr"] == psnr(close_to(whole), whole).item()


def test_identical_images_are_named_and_not_in_the_mean(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    reference, output = folders
    before = scores(reference, output, "--scale", "4")
    write_image(output / "a.png", cropped(read_tensor(reference / "a.png"), 4))
    content = scores(reference, output, "--scale", "4")
    assert content["identical"] == ["a.png"] and content["images"]["a.png"] == {"psnr": None, "ssim": 1}
    rest = [before["images"][name]["psnr"] for name in ("b.c.png", "d.png")]
    assert content["psnr"] == pytest.approx(sum(rest) / 2)
    assert "identical, infinite PSNR, left out of its mean: a.png" in capsys.readouterr().out
    assert scores(reference, reference, "--scale", "1")["psnr"] is None


def test_a_gray_original_takes_an_output_with_three_equal_channels(folders: tuple[Path, Path]) -> None:
    reference, output = folders
    before = scores(reference, output, "--scale", "4")
    write_image(output / "d.png", read_tensor(output / "d.png").expand(3, -1, -1))
    assert scores(reference, output, "--scale", "4") == before


def test_outputs_that_do_not_fit_are_named(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    reference, output = folders
    write_image(output / "a.png", image(0)[:, :40, :44])
    assert "a.png: 44x40 pixels, expected 48x40" in refusal(capsys, reference, output)
    write_image(output / "a.png", image(0, 1)[:, :40, :48])
    assert "a.png: a gray image, but" in refusal(capsys, reference, output)
    (output / "a.png").unlink()
    assert f"{output}: no output for a.png" in refusal(capsys, reference, output)
    write_image(output / "other.png", image(0))
    assert "other.png: no image of" in refusal(capsys, reference, output)
    (output / "other.png").rename(output / "ax4.png")
    write_image(output / "a_x4.png", image(0))
    assert "a.png has an output already" in refusal(capsys, reference, output)
    (output / "ax4.png").unlink()
    (output / "a_x4.png").rename(output / "ax2.png")  # of another scale
    assert "ax2.png: no image of" in refusal(capsys, reference, output)
    (output / "ax2.png").write_bytes(b"\x89PNG")
    (output / "ax2.png").rename(output / "a.png")
    assert "a.png: cannot be read as an image" in refusal(capsys, reference, output)


def test_other_mistakes(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    reference, output = folders
    assert "there is no such folder" in refusal(capsys, reference / "absent", output)
    assert "expected --scale of 2" in refusal(capsys, reference, "bicubic", "--scale", "1")
    assert "--border -1" in refusal(capsys, reference, output, "--scale", "4", "--border", "-1")
    assert "a.png: 48x40 pixels are too few" in refusal(capsys, reference, output, "--scale", "4", "--border", "15")
    absent = str(reference / "absent" / "scores.json")
    (reference.parent / "odd").mkdir()
    write_image(reference.parent / "odd" / "ax4.png", image(0))
    for place in (absent, str(reference)):
        assert f"--json {place}: expected" in refusal(capsys, reference, output, "--scale", "4", "--json", place)
    assert "ax4.png: no image of" in refusal(capsys, reference, reference.parent / "odd", "--scale", "1")
    for words in (["--scale", "0"], ["--scale", "4", "--convention", "hsv"]):
        with pytest.raises(SystemExit) as stopped:
            refusal(capsys, reference, output, *words)
        assert stopped.value.code == 2


def test_bicubic_is_made_of_the_cut_original(folders: tuple[Path, Path]) -> None:
    reference, _ = folders
    from tasks.restoration.imresize import imresize

    target = cropped(read_tensor(reference / "a.png"), 3)
    expected = psnr(bicubic(imresize(target, 1 / 3), 3), target, "y", 3).item()
    assert scores(reference, "bicubic", "--scale", "3")["images"]["a.png"]["psnr"] == expected


def test_it_takes_no_more_than_it_needs() -> None:
    """Scoring starts without mmengine, kornia or matplotlib; its help without torch."""
    code = (
        "import sys, tasks.restoration.evaluate as e, argparse; e.add_arguments(argparse.ArgumentParser());"
        "assert 'torch' not in sys.modules; import tasks.restoration.quality, tasks.restoration.imresize;"
        "import tasks.restoration.images; print(*({'mmengine', 'kornia', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
