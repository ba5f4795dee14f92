"""Protects the pictures of a run: names are text whatever is in them, colours say how much is wrong, and a picture that
cannot be drawn takes nothing else along.
"""

import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cli import main
from zoo.runs.figures.run_figures import (
    LONGEST,
    draw_confusion,
    draw_curves,
    draw_mistakes,
    draw_run,
    label_of,
    save_figure,
)
from zoo.runs.folder import RunFolder
from zoo.training.callbacks.collect_answers import Answers

NAMES = ["$\\foo$", "$x$ and $y", "a\nb\x1b[31m", "very " * 20 + "long", "שלום", "🦒", "a_b^c {%}", ""]


def reds(confusion: list[list[int]]) -> np.ndarray:
    """How far from white each cell of a drawn matrix is, from 0 to 1."""
    figure = draw_confusion(torch.tensor(confusion), [str(i) for i in range(len(confusion))], "t")
    image: Any = figure.axes[0].images[0]
    return 1 - image.to_rgba(image.get_array())[..., :3].mean(axis=2)


def test_names_are_text(tmp_path: Path) -> None:
    count = len(NAMES)
    index = torch.arange(count)
    mistakes = Answers(index, index, index.flip(0), torch.full((count,), 0.5))
    images = torch.zeros(count, 1, 8, 8, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # as a user may have set it for papers of his own; there need not be a TeX here
        with matplotlib.rc_context({"text.usetex": True}):
            save_figure(
                draw_confusion(torch.eye(count, dtype=torch.int64), NAMES, NAMES[0]), tmp_path / "confusion.png"
            )
            save_figure(draw_mistakes(mistakes, images, NAMES, NAMES[0]), tmp_path / "mistakes.png")
            save_figure(draw_curves([], NAMES[1], 1), tmp_path / "curves.png")
    assert {path.stat().st_size > 1000 for path in tmp_path.iterdir()} == {True}
    assert all(len(label_of(name)) <= LONGEST and label_of(name).isprintable() for name in NAMES)


@pytest.mark.parametrize("count", [0, 1, 2, 11])
def test_any_number_of_mistakes_can_be_looked_at(count: int, tmp_path: Path) -> None:
    """None is no picture, and of one or two the title is as wide as it needs."""
    index = torch.arange(count)
    mistakes = Answers(index, index, index, torch.full((count,), 0.5))
    title = "SoftmaxRegression on FashionMNIST, seed 0: most confident mistakes"
    if count:
        figure = draw_mistakes(mistakes, torch.zeros(count, 1, 8, 8, dtype=torch.uint8), ["x"] * 11, title)
        FigureCanvasAgg(figure).draw()
        box = figure._suptitle.get_window_extent()  # type: ignore[attr-defined]
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width
        (axes,) = figure.axes
        middle = np.mean([text.get_position()[0] for text in axes.texts[:9]])
        assert middle == pytest.approx(np.mean(axes.get_xlim()))
        return
    folder = RunFolder(tmp_path)
    folder.figures.mkdir()
    (folder.figures / "mistakes.png").touch()  # of a start before
    draw_run(folder, title, 1, {}, mistakes, Namespace(part=lambda split: Namespace(images=torch.zeros(0, 1, 8, 8))))
    assert [path.name for path in folder.figures.iterdir()] == ["curves.png"]


def test_colours_of_the_confusion_matrix_say_how_much_of_a_class_is_wrong() -> None:
    one_error = reds([[35, 1], [0, 36]])
    assert 0.02 < one_error[0, 1] < 0.25  # to be seen, and pale
    assert max(one_error[0, 0], *one_error[1]) < 0.05  # what is right has no colour of what is wrong
    lost = reds([[1, 15], [0, 16]])
    assert lost[0, 1] > 0.5 and lost[0, 0] < 0.05  # 1 of 16 right
    assert (reds([[0, 0], [0, 3]])[0] < 0.05).all()  # no image of the class: nothing is wrong
    figure = draw_confusion(torch.tensor([[18, 2], [0, 20]]), ["a", "b"], "t")
    assert {text.get_text(): text.get_color() for text in figure.axes[0].texts}["18"] == "black"
    assert {patch.get_facecolor()[:3] for patch in figure.axes[0].patches} == {(0.92, 0.92, 0.92)}


def test_a_figure_that_fails_takes_nothing_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*args: Any) -> None:
        raise RuntimeError("no font\n  at all")

    monkeypatch.setattr("zoo.commands.cli.fitting.draw_run", fails)
    argv = ["fit", "--data", "Digits", "--data.train_size", "300", "--model", "MLP", "--model.hidden", "[16]"]
    main([*argv, "--model.optimizer", "torch.optim.SGD", "--trainer.max_epochs", "2", "--run_dir", str(tmp_path / "r")])
    out, err = capsys.readouterr()
    assert [line for line in err.splitlines() if line.startswith("warning")] == [
        f"warning: figures in {tmp_path / 'r/figures'}: expected all that there are, found an error (no font at all)"
    ]
    assert (tmp_path / "r/result.json").exists()
    assert "256 of 300 images train in an epoch (in batches of 128; 44 are left out, others each time)" in out
    assert "torch.optim.SGD gets Adam's learning rate, 0.001; --model.optimizer.lr sets another" in out
    lines = [line for line in out.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 2
    for line in lines:
        assert line.endswith(" s)") and " s (total " in line
