"""A Ray cluster for as long as some work needs it: joined, or started here and ended again.

Ray is an optional extra; nothing of it is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.installation import pip_install


@contextmanager
def ray_cluster(address: str, work: str) -> Iterator[Any]:
    """Yield Ray, connected to the cluster at `address` (`local`: one started here; `auto`: a running one).

    One that the caller is connected to already is used as it is, and stays. `ToolboxError` where Ray is missing, cannot
    be reached, or a worker fails; `work` names what failed then: "the scan".
    """
    ray = imported_ray()
    began_here = not ray.is_initialized()
    try:
        if began_here:
            ray.init(address=None if address == "local" else address, include_dashboard=False, log_to_driver=False)
        yield ray
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise ToolboxError(f"{work} on Ray failed: {_root_cause(error)}; run it again to go on") from error
    finally:
        if began_here:
            ray.shutdown()


def gpus_of(ray: Any) -> int:
    """Return how many GPUs the cluster has."""
    return int(ray.cluster_resources().get("GPU", 0))


def networks_of(ray: Any) -> int:
    """Return how many networks the cluster works with at once: one a GPU; without GPUs one for two CPUs."""
    return max(1, gpus_of(ray) or int(ray.cluster_resources().get("CPU", 2)) // 2)


def imported_ray() -> Any:
    """Return the library; `ToolboxError` where it is missing. To be called before work that would be lost."""
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as error:
        raise ToolboxError(f"Ray is not installed; it is an optional extra: {pip_install('ray[data]')}") from error
    return ray


def _root_cause(error: BaseException) -> str:
    cause = getattr(error, "cause", None) or error.__cause__
    return _root_cause(cause) if cause else reason_of(error, last=True)
