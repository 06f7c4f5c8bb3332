"""Checks the scan on a local Ray cluster of two nodes, with a worker killed during the run."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deepvis_toolbox import load_network
from deepvis_toolbox.errors import ToolboxError
from find_maxes import list_pictures, scan

pytestmark = pytest.mark.slow
HERE = [str(Path(__file__).parent)]
"""Where the network's module lies."""


@pytest.fixture
def two_nodes():
    ray = pytest.importorskip("ray", reason="the optional extra ray is not installed")
    pytest.importorskip("ray.data", reason="the optional extra ray[data] is not installed")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    cluster.add_node(num_cpus=2)
    workers = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).resolve().parents[2])])}
    ray.init(address=cluster.address, log_to_driver=False, runtime_env={"env_vars": workers})
    yield ray
    ray.shutdown()
    cluster.shutdown()


def model_folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "model.yaml").write_text(
        "name: small\nframework: torch\nfactory: small_convnet:make\ninput: {size: 16, mean: 127, std: 64}\n"
    )
    return folder


def kill_one_scanner(killed: list[int], stop: threading.Event) -> None:
    """Kills the first scanning actor's process that shows up, once it has begun to work."""
    while not stop.is_set() and not killed:
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    title = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if title.startswith(b"ray::") and b"PartScanner" in title and b"__init__" not in title:
                    os.kill(int(entry.name), signal.SIGKILL)
                    killed.append(int(entry.name))
                    return
        time.sleep(0.01)


def test_a_scan_on_two_nodes_with_a_worker_killed_is_the_same_bytes(two_nodes, picture_folder, tmp_path):
    from deepvis_toolbox.scan.ray_scan import scan_on_ray

    assert len([node for node in two_nodes.nodes() if node["Alive"]]) == 2
    model = model_folder(tmp_path / "small")
    found = list_pictures(f"file://{picture_folder}")
    pictures = replace(found, labels=tuple(number % 3 for number in range(len(found))))
    assert len(pictures) == 43
    scan(
        load_network(model, device="cpu", trust=True, path=HERE),
        pictures,
        out=tmp_path / "plain",
        batch_size=2,
        bottom=True,
        workers=0,
    )
    killed: list[int] = []
    stop = threading.Event()
    killer = threading.Thread(target=kill_one_scanner, args=(killed, stop))
    killer.start()
    scan_on_ray(
        model,
        pictures,
        tmp_path / "ray",
        loading={"device": "cpu", "trust": True, "path": HERE},
        actors=2,
        batch_size=2,
        bottom=True,
    )
    stop.set()
    killer.join()
    assert killed
    for name in ("top_images.npz", "manifest.json", "pictures.jsonl"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "ray" / name).read_bytes(), name


def test_without_ray_the_command_says_how_to_get_it(monkeypatch, picture_folder, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    from deepvis_toolbox.scan.ray_scan import scan_on_ray

    with pytest.raises(ToolboxError, match="pip install"):
        scan_on_ray(
            model_folder(tmp_path / "small"), list_pictures(picture_folder), loading={"trust": True, "path": HERE}
        )


def test_preferred_images_come_back_from_two_nodes_as_they_are_made_here(two_nodes, tmp_path):
    from deepvis_toolbox.optimize.cli.optimize_command import main

    del two_nodes  # the cluster is used through Ray's own state
    model = model_folder(tmp_path / "small")
    flags = ["--model", str(model), "--device", "cpu", "--units", "fc:0-3", "--seeds", "0,1", "--max-iter", "3"]
    flags += ["--lr-params", "{'lr': 5.0}", "--batch-size", "2", "--quiet"]
    assert main([*flags, "--output", str(tmp_path / "here")]) == 0
    assert main([*flags, "--output", str(tmp_path / "ray"), "--ray"]) == 0
    pictures = sorted(path.relative_to(tmp_path / "here") for path in (tmp_path / "here").rglob("*Xpm.png"))
    assert len(pictures) == 8
    for path in pictures:
        assert (tmp_path / "ray" / path).read_bytes() == (tmp_path / "here" / path).read_bytes(), path
