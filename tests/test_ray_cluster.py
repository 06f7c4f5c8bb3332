"""Checks how a Ray cluster is joined and left: what is missing or fails is one sentence, and nothing stays behind."""

from __future__ import annotations

import sys

import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.ray_cluster import networks_of, ray_cluster


def test_a_missing_ray_is_said_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    with (
        pytest.raises(ToolboxError, match=r'pip install "deepvis-toolbox\[ray\]"'),
        ray_cluster("local", "the scan"),
    ):
        pass


@pytest.mark.slow
def test_a_cluster_started_here_ends_with_the_work_and_a_failed_worker_tells_why() -> None:
    ray = pytest.importorskip("ray", reason="the optional extra ray is not installed")

    def fail() -> None:
        raise ToolboxError("the files differ")

    def work_on_a_cluster() -> None:
        with ray_cluster("local", "the scan") as joined:
            assert networks_of(joined) >= 1
            joined.get(joined.remote(fail).remote())

    with pytest.raises(ToolboxError, match=r"^the scan on Ray failed: the files differ; run it again"):
        work_on_a_cluster()
    assert not ray.is_initialized()


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_told_in_one_sentence() -> None:
    pytest.importorskip("ray", reason="the optional extra ray is not installed")
    with pytest.raises(ToolboxError, match="the run on Ray failed"), ray_cluster("auto", "the run"):
        pass
