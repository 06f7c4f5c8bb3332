"""A training that is watched: the window follows the weights as they are written, and keeps what it showed before."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import training_view
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live import actions, actions_backward
from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.toolbox_command import main
from deepvis_toolbox.live.work.checkpoints import Checkpoint, FileWatch, newest_checkpoint
from deepvis_toolbox.live.work.inbox import Inbox
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.live.work.request import Request, TrainingOf
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.training import Training
from deepvis_toolbox.live.work.training_progress import TrainingProgress
from deepvis_toolbox.live.work.worker import Worker
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.measure import LayerMaps
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.opening.weights_file import fill, read_state_dict, time_in_training
from deepvis_toolbox.optimize import preferred_images
from deepvis_toolbox.optimize.files.presets import default_settings
from deepvis_toolbox.optimize.files.shown_image import shown
from deepvis_toolbox.pipeline.sketches import SEED, STEPS, Sketches
from deepvis_toolbox.words.unit import Unit
from tests.live.test_worker import frame
from tests.nets import opened


class Learner(nn.Module):
    """A convolution and classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))


def written(path: Path, seed: int) -> Learner:
    """A module, whose weights are in the file, as training scripts write them."""
    torch.manual_seed(seed)
    module = Learner()
    torch.save({"epoch": seed, "model": module.state_dict()}, path)
    return module


def load(checkpoint: Checkpoint) -> TorchNetwork:
    module = Learner()
    fill(module, read_state_dict(checkpoint.path), str(checkpoint.path))
    return opened(module)


def test_the_newest_file_with_weights_counts(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "none.pt") is None
    for age, name in enumerate(["a.pt", "b.pth", ".hidden.pt", "log.txt", "empty.pt"]):
        (tmp_path / name).write_bytes(b"" if name == "empty.pt" else b"weights")
        stamp = time.time() - 100 + age
        os.utime(tmp_path / name, (stamp, stamp))
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.name == "b.pth"
    alone = newest_checkpoint(tmp_path / "a.pt")
    assert alone is not None
    assert alone.stamp < found.stamp


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"epoch": 3, "state_dict": {}}, "epoch 3"),
        ({"global_step": 400, "current_epoch": 0}, "epoch 0"),
        ({"step": 7}, "step 7"),
        ({"epoch": "three", "iteration": 12}, "step 12"),
        ({"epoch": True}, ""),
        ({"epoch": -1}, ""),
        ({"epoch": 10**30}, ""),
        ({"epoch": 2.5}, ""),
        ([1, 2], ""),
        (torch.zeros(2), ""),
    ],
)
def test_a_checkpoint_says_when_it_was_written(content: object, said: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    assert time_in_training(tmp_path / "a.pt") == said
    (tmp_path / "broken.pt").write_bytes(b"no weights")
    assert time_in_training(tmp_path / "broken.pt") == time_in_training(tmp_path / "gone.caffemodel") == ""


def test_a_file_is_told_of_once_it_is_written_whole(tmp_path: Path) -> None:
    told: list[Checkpoint] = []
    news = threading.Event()
    path = tmp_path / "growing.pt"
    watch = FileWatch(tmp_path, lambda found: (told.append(found), news.set()), seconds=0.3)  # type: ignore[func-returns-value]
    watch.start()
    with path.open("wb") as file:
        for _ in range(12):  # never still for as long as the watch looks apart
            file.write(b"piece")
            file.flush()
            time.sleep(0.1)
    assert news.wait(10)
    assert [found.stamp[1] for found in told] == [60]
    news.clear()
    path.write_bytes(b"other weights")
    assert news.wait(10)
    watch.close()
    assert [found.stamp[1] for found in told] == [60, 13]


@contextmanager
def trained() -> Iterator[int]:
    """The port of a training that goes on all the while."""
    over = threading.Event()

    def train() -> None:
        step = 0
        while not over.wait(0.01):
            step += 1
            view.update(step)

    with training_view.watch(Learner(), port=0, seconds=0) as view:
        training = threading.Thread(target=train)
        training.start()
        yield view.port
        over.set()
        training.join()


def test_weights_that_are_served_stay_until_they_are_opened_however_long_that_takes() -> None:
    def slowly(checkpoint: Checkpoint) -> TorchNetwork:
        time.sleep(1)
        return load(checkpoint)

    with trained() as port:
        training, told = Training(port, slowly), Mailbox[Checkpoint]()
        training.first()
        following = training.watch(told.put)
        following.start()
        for _ in range(2):
            checkpoint = told.get(20)
            assert checkpoint is not None
            assert training.open(checkpoint) is not None, training._note
        following.close()


def test_first_weights_that_are_gone_before_they_are_read_are_not_the_end(tmp_path: Path) -> None:
    written(tmp_path / "1.pt", 1)

    def load_later(checkpoint: Checkpoint) -> TorchNetwork:
        if checkpoint.name == "1.pt":
            checkpoint.path.unlink()
            written(tmp_path / "2.pt", 2)
        return load(checkpoint)

    training = Training(tmp_path, load_later)
    training.first()
    assert training._name == "2.pt · epoch 2"


class Following:
    """A worker that follows a folder."""

    def __init__(self, folder: Path) -> None:
        self.inbox, self.snapshots = Inbox(), Mailbox[Snapshot]()
        self.training = Training(folder, load)
        self.worker = Worker(self.training.first, self.inbox, self.snapshots, training=self.training)
        self.worker.start()
        self.question = TrainingOf(Unit("conv", 2))
        self.inbox.ask(Request(frozenset({LayerMaps("conv"), self.question})))

    def next(self, told: Callable[[TrainingProgress], object]) -> tuple[np.ndarray, TrainingProgress]:
        """The maps and the progress, once it says what is waited for; pictures grow meanwhile."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            snapshot = self.snapshots.get(timeout=20)
            assert snapshot is not None
            maps, progress = snapshot.answer(LayerMaps("conv")), snapshot.answer(self.question)
            if maps is not None and progress is not None and told(progress):
                return maps.maps, progress
        raise AssertionError("waited in vain")

    def close(self) -> None:
        self.inbox.close()
        self.worker.join(5)
        assert not self.worker.is_alive()


def test_answers_are_those_of_the_newest_weights_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    first = written(tmp_path / "one.pt", 1)
    following = Following(tmp_path)
    shot = frame(size=(32, 32))
    following.inbox.put(shot)
    x = torch.from_numpy(np.float32(shot.image.transpose(2, 0, 1).copy()))[None]
    maps, progress = following.next(lambda progress: progress.film)
    np.testing.assert_allclose(maps, first.conv(x)[0].detach(), rtol=1e-3, atol=1e-2)
    assert (progress.count, progress.checkpoint, len(progress.film)) == (1, "one.pt · epoch 1", 1)

    broken = tmp_path / "half.pt"
    broken.write_bytes((tmp_path / "one.pt").read_bytes()[:500])
    following.inbox.renew(newest_checkpoint(broken))  # type: ignore[arg-type]
    maps, progress = following.next(lambda progress: progress.note)
    np.testing.assert_allclose(maps, first.conv(x)[0].detach(), rtol=1e-3, atol=1e-2)
    assert "half.pt" in progress.note
    assert progress.count == 1

    second = written(tmp_path / "two.pt", 2)
    following.inbox.renew(newest_checkpoint(tmp_path / "two.pt"))  # type: ignore[arg-type]
    maps, progress = following.next(lambda progress: progress.count == 2)
    np.testing.assert_allclose(maps, second.conv(x)[0].detach(), rtol=1e-3, atol=1e-2)
    assert (progress.count, progress.checkpoint, progress.note) == (2, "two.pt · epoch 2", "")
    assert [former.checkpoint for former in progress.film] == ["1 · one.pt · epoch 1", "2 · two.pt · epoch 2"]
    np.testing.assert_allclose(progress.film[0].map, first.conv(x)[0, 2].detach(), rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(progress.film[1].map, second.conv(x)[0, 2].detach(), rtol=1e-3, atol=1e-2)

    following.question = TrainingOf(Unit("conv", 0))  # another unit's film begins anew
    following.inbox.ask(Request(frozenset({LayerMaps("conv"), following.question})))
    _, progress = following.next(lambda progress: progress.film)
    assert [former.checkpoint for former in progress.film] == ["2 · two.pt · epoch 2"]
    following.close()


def test_the_film_shows_the_units_preferred_image_by_each_checkpoint(tmp_path: Path) -> None:
    written(tmp_path / "one.pt", 1)
    following = Following(tmp_path)
    following.inbox.put(frame(size=(32, 32)))

    def is_drawn(progress: TrainingProgress, count: int) -> bool:
        return len(progress.film) == count and _is(progress.film[-1].preferred, wanted[count - 1])

    unit = Unit("conv", 2)
    wanted = [_sketch(load(Checkpoint(tmp_path / "one.pt", (0, 0))), unit)]
    following.next(lambda progress: is_drawn(progress, 1))
    written(tmp_path / "two.pt", 2)
    wanted.append(_sketch(load(Checkpoint(tmp_path / "two.pt", (0, 0))), unit))
    following.inbox.renew(newest_checkpoint(tmp_path / "two.pt"))  # type: ignore[arg-type]
    _, progress = following.next(lambda progress: is_drawn(progress, 2))
    assert _is(progress.film[0].preferred, wanted[0])
    assert not np.array_equal(wanted[0], wanted[1])
    following.close()


def _is(picture: np.ndarray | None, wanted: np.ndarray) -> bool:
    return picture is not None and np.array_equal(picture, wanted)


def _sketch(network: TorchNetwork, unit: Unit) -> np.ndarray:
    """What `optimize_image.py` makes of the unit in as many steps."""
    settings = replace(default_settings(network, unit), max_iter=STEPS)
    (made,) = preferred_images(network, [unit], [SEED], settings)
    return shown(network, made.unit, settings, made.last)


def test_sketches_say_why_there_is_none_and_begin_anew_with_another_unit() -> None:
    network = opened(Learner())
    sketches = Sketches(network, steps=3)
    assert sketches.growth(Unit("conv", 1)).montage is None
    for _ in range(4):  # after the last step there is one to end with
        assert not sketches.is_done(Unit("conv", 1))
        sketches.advance(Unit("conv", 1))
    assert sketches.is_done(Unit("conv", 1))
    assert sketches.growth(Unit("conv", 1)).note == "step 3 of 3"
    sketches.advance(Unit("fc", 0))
    assert sketches.growth(Unit("fc", 0)).note == "step 1 of 3"
    sketches.advance(Unit("conv", 99))
    told = sketches.growth(Unit("conv", 99))
    assert told.done
    assert "99" in told.note


def test_the_selection_stays_with_new_weights() -> None:
    state, painter = State(), Painter()
    network = opened(Learner())
    LoadedNetwork.of(network).introduce(state)
    actions.go_to(state, Unit("conv", 3))
    actions_backward.cycle_backward_mode(state)
    view = state.view
    LoadedNetwork.of(opened(Learner())).introduce_again(state)
    assert state.view is view
    assert state.address == "conv:3"
    state.facts.is_training = True
    assert painter.paint(state, None, (1280, 720)).shape == (720, 1280, 3)
    assert "training" in painter.layout.boxes  # type: ignore[union-attr]


def test_a_training_that_cannot_be_watched_is_told_in_a_sentence(tmp_path: Path) -> None:
    for arguments, told in (
        (["--watch", str(tmp_path / "none" / "such.pt")], "no such folder"),
        (["--watch", str(tmp_path), "--headless"], "--headless"),
        (["--watch", str(tmp_path), "--weights", "w.pt"], "--weights"),
    ):
        with pytest.raises(ToolboxError, match=told):
            main(arguments)
