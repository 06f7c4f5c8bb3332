"""The one network that all viewers share: loaded once, computed in one thread, turn by turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.work.counterpart import Counterpart, OpenCounterpart
from deepvis_toolbox.live.work.inbox import Work
from deepvis_toolbox.live.work.network_threads import NetworkThreads
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.worker import Worker
from deepvis_toolbox.measure.measurement import Measurement, Question

if TYPE_CHECKING:
    from deepvis_toolbox.live.work.frame_processor import FrameProcessor
    from deepvis_toolbox.network.interface import Network

T = TypeVar("T")
ANSWERS_KEPT = 4
"""So many snapshots may serve other viewers that look at the same frame and ask the same."""


class OneNetwork:
    """Whoever waits longest is next, and nobody waits with two steps: so the turns are fair."""

    def __init__(
        self, load: Callable[[], Network], open_counterpart: OpenCounterpart | None = None, is_own: bool = True
    ) -> None:
        """`load` is called in the thread that computes; `open_counterpart` opens the network to compare with.
        `is_own`: `close` releases what was loaded."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._answers: deque[tuple[Work, Snapshot]] = deque(maxlen=ANSWERS_KEPT)
        self._is_own = is_own
        self._threads: NetworkThreads | None = None
        self.shared_answers = 0
        """How many snapshots have served one more viewer."""
        self.loading: Future[tuple[Network, Counterpart | None]] = self._thread.submit(_opened, load, open_counterpart)

    def network(self) -> Network:
        """Return the network, waiting until it is loaded; what went wrong is raised."""
        return self.loading.result()[0]

    @property
    def counterpart(self) -> Counterpart | None:
        """The network to compare with, once it is there."""
        return self.loading.result()[1]

    @property
    def threads(self) -> NetworkThreads:
        """What says how many threads compute; to be asked for inside `take`."""
        if self._threads is None:
            self._threads = NetworkThreads.of(self.network().device.type)
        return self._threads

    def take(self, step: Callable[[], T]) -> T:
        """Do a step when its turn has come, and return what it returns. `ToolboxError` where the server is ending."""
        try:
            return self._thread.submit(step).result()
        except RuntimeError as error:
            if "after shutdown" in str(error):
                raise ToolboxError("the server is ending") from None
            raise

    def process(self, work: Work, process: Callable[[], Snapshot]) -> Snapshot:
        """Return the answer to a frame and a request, which `process` computes; to be called inside `take`.

        One that another viewer has got for the same frame and the same questions serves again, where it depends on
        nothing else: not on former frames, not on what is left out of some frames, not on a second network.
        """
        for done, snapshot in self._answers:
            if done.frame is work.frame and done.request == work.request:
                self.shared_answers += 1
                return snapshot
        snapshot = process()
        is_whole = self.counterpart is None and not snapshot.pictures
        if is_whole and all(_is_of_the_frame(one) for one in work.request.questions):
            self._answers.append((work, snapshot))
        return snapshot

    def close(self) -> None:
        """Take no more steps, and release the networks once the last one is done, which is not waited for."""
        if self.loading.done() and not self.loading.cancelled() and self.loading.exception() is None and self._is_own:
            self._thread.submit(_close, [each for each in self.loading.result() if each is not None])
        self._thread.shutdown(wait=False, cancel_futures=not self.loading.done())


def _is_of_the_frame(question: Question[Any]) -> bool:
    return isinstance(question, Measurement) and not question.may_lag


def _opened(
    load: Callable[[], Network], open_counterpart: OpenCounterpart | None
) -> tuple[Network, Counterpart | None]:
    network = load()
    try:
        return network, open_counterpart(network) if open_counterpart else None
    except BaseException:
        network.close()
        raise


def _close(opened: Sequence[AbstractContextManager[Any]]) -> None:
    for each in opened:
        each.__exit__(None, None, None)


class ViewerWorker(Worker):
    """A worker of one viewer, which computes with the network of all when its turn has come."""

    def __init__(self, shared: OneNetwork, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._shared = shared

    def _opened_beside(self, network: Network) -> nullcontext[Counterpart | None]:  # type: ignore[override]  # noqa: ARG002
        return nullcontext(self._shared.counterpart)

    def _released_behind(self, network: Network) -> AbstractContextManager[object]:
        return nullcontext(network)

    def _compute(self, step: Callable[[], T]) -> T:
        return self._shared.take(step)

    def _threads_for(self, network: Network) -> NetworkThreads:  # noqa: ARG002 - it is the one of all
        return self._shared.threads

    def _process(self, processor: FrameProcessor, work: Work) -> Snapshot:
        return self._shared.process(work, partial(super()._process, processor, work))
