"""A training script serves its weights, copied only for whoever asks; the example of the documentation does so."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import ToolboxError, watch
from deepvis_toolbox.live.work.checkpoints import Checkpoint
from deepvis_toolbox.live.work.served_checkpoints import ServedCheckpoints, fetch_served, served_port
from deepvis_toolbox.live.work.training import Training
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.opening.weights_file import fill, read_state_dict
from tests.nets import opened

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "docs" / "examples"


class Counted(nn.Module):
    """A linear layer that counts how often its weights are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 3)
        self.asked = 0

    def state_dict(self, *arguments: Any, **named: Any) -> Any:
        self.asked += 1
        return super().state_dict(*arguments, **named)


def test_weights_are_copied_only_for_whoever_asks(tmp_path: Path) -> None:
    module, found = Counted(), Mailbox[Checkpoint | None]()
    with watch(module, port=0, seconds=0) as view:
        for step in range(100):
            view.update(step)
        assert module.asked == 0
        asking = threading.Thread(target=lambda: found.put(fetch_served(view.port, tmp_path)))
        asking.start()
        while not view._wanted.wait(0.01):
            pass
        with torch.no_grad():
            module.fc.weight.fill_(7)
        view.update("epoch 3/9")
        module.fc.weight.data.fill_(8)  # the copy is of the moment of the update
        view.update(4)
        assert module.asked == 1
        checkpoint = found.get(10)
        asking.join()
    assert checkpoint is not None
    assert checkpoint.name == "step epoch_3_9.pt"
    state = read_state_dict(checkpoint.path)
    assert torch.equal(state["fc.weight"], torch.full((3, 2), 7.0))


def test_only_programs_on_this_machine_are_answered() -> None:
    with watch(nn.Linear(1, 1), port=0) as view:
        for path, host, status in (("/weights", "evil.example:80", 403), ("/", f"localhost:{view.port}", 404)):
            connection = HTTPConnection("127.0.0.1", view.port, timeout=10)
            connection.request("GET", path, headers={"Host": host})
            assert connection.getresponse().status == status
        assert view._server.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken_or_none_is_told_in_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for port in (taken.getsockname()[1], 70000, -1):
            with pytest.raises(ToolboxError, match=f"port {port}"):
                watch(nn.Linear(1, 1), port=port)
    assert served_port("localhost:8765") == served_port("127.0.0.1:8765") == 8765
    assert served_port("runs/last.pt") is None
    with pytest.raises(ToolboxError, match="65535"):
        served_port("localhost:0")


def test_nobody_serving_is_no_checkpoint(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        fetch_served(port, tmp_path)
    told: list[Checkpoint] = []
    asking = ServedCheckpoints(port, told.append)
    asking.start()
    asking.close()
    assert told == []


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("train_shapes", EXAMPLES / "train_shapes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "train_shapes", module)
    spec.loader.exec_module(module)
    return module


def test_the_example_runs_by_the_command_that_the_docs_give() -> None:
    (line,) = re.findall(
        r"^    (.*train_shapes\.py)$", (ROOT / "docs" / "training.md").read_text("utf-8"), re.MULTILINE
    )
    command = line.replace(" python ", f" {shlex.quote(sys.executable)} ") + " --steps 1 --port 0"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "% of new pictures are named rightly" in done.stdout


@pytest.mark.parametrize("file", ["training.md", "web.md"])
def test_the_network_of_the_example_opens_by_the_command_that_the_docs_give(file: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / file).read_text("utf-8")
    (line,) = re.findall(r"^    python (run_toolbox\.py --model train_shapes:make .*)$", text, re.MULTILINE)
    given = shlex.split(line.replace("--web 8000 --shared", "").replace("--watch localhost:8765", ""))
    call = [*given[1:-1], "demo", "--headless", "--snapshot", str(tmp_path / "window.png"), "--frames", "1"]
    assert given[-2:] == ["--input", "docs/examples/shapes"], "the pictures are there once the training has begun"
    done = subprocess.run([sys.executable, given[0], *call], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "window.png").exists()


def test_the_example_learns_and_can_be_watched(example: Any, tmp_path: Path) -> None:
    """A few of its steps; what is served is the network in training."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"import train_shapes; print('learnt', train_shapes.train(40, {port}, say=1))"
    places = os.pathsep.join([str(EXAMPLES), str(ROOT)])
    script = [sys.executable, "-c", code]
    training = subprocess.Popen(script, env={**os.environ, "PYTHONPATH": places}, stdout=subprocess.PIPE, text=True)

    def load(checkpoint: Checkpoint) -> Any:
        module = example.make()
        fill(module, read_state_dict(checkpoint.path), str(checkpoint.path))
        return opened(module, (64, 64))

    network = Training(port, load).first()
    assert "conv3" in network.layers
    said, _ = training.communicate(timeout=300)
    losses = [float(line.rpartition(" ")[2]) for line in said.splitlines() if line.startswith("step")]
    assert len(losses) == 40
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    example.save_pictures(tmp_path / "shapes", 4)
    assert len(list((tmp_path / "shapes").glob("*.png"))) == 4
