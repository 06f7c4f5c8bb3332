"""One process that decodes pictures beside the network; and whose fault it is when it dies, a picture's or not."""

from __future__ import annotations

from deepvis_toolbox.scan.pictures import decode_worker
from deepvis_toolbox.sources.isolated_process import (
    ENDED_IT,
    FROM_OUTSIDE,
    OUT_OF_TIME,
    IsolatedProcess,
    how_it_ended,
    killed_twice,
)


class DecodeProcess(IsolatedProcess):
    """Decodes into a shared memory. Started again when it dies; see `decode`."""

    answers = list

    def __init__(self, descriptor: int, size: int, picture_bytes: int, first_line: str) -> None:
        self._picture_bytes = picture_bytes
        arguments = [str(descriptor), str(size)]
        super().__init__(decode_worker.__name__, arguments, [descriptor], first_line, "; use fewer --workers")

    def decode(self, offset: int, paths: list[str]) -> list[str | None]:
        """Decode into the shared memory from `offset` on; a reason for each picture that cannot be read.

        Pictures whose process dies are tried again one by one. One that ends a process in which it is alone is to
        blame, and has a reason. `DecoderKilledError` where that process is killed from outside, which is no picture's
        fault; `ToolboxError` where no process can be started.
        """
        answer = self._ask(offset, paths)
        if not isinstance(answer, int):
            return answer
        return [self._alone(offset + index * self._picture_bytes, path) for index, path in enumerate(paths)]

    def _alone(self, offset: int, path: str) -> str | None:
        answer = self._ask(offset, [path])
        if isinstance(answer, int) and -answer not in OUT_OF_TIME:  # what came before may have spoilt the process
            answer = self._ask(offset, [path])
        if not isinstance(answer, int):
            return answer[0]
        if -answer in FROM_OUTSIDE:
            raise killed_twice(answer, f'while it had "{path}" alone')
        return f"{ENDED_IT} ({how_it_ended(answer)})"

    def _ask(self, offset: int, paths: list[str]) -> list[str | None] | int:
        """Return the worker's answer; or the exit status of one that died on the way."""
        answer: list[str | None] | int = self.ask({"offset": offset, "paths": paths})
        return answer
