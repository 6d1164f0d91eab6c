"""Work done on threads ahead of its consumer, in order and bounded."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


def default_threads() -> int:
    """How many pictures are decoded at the same time: one per core that we may use, 4 at most."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux can ask which cores it may use
        cores = os.cpu_count() or 1
    return min(cores, 4)


def read_ahead(
    jobs: Iterable[Callable[[], T]], threads: int | None = None
) -> Generator[T, None, None]:
    """The results of ``jobs`` in their order, worked out on ``threads`` ahead of the consumer.

    At most ``2 * threads`` results wait. An exception in a job, or in ``jobs`` itself, which is
    walked on the caller's thread, comes out in its place. Closing the generator, or Ctrl-C in
    it, drops the jobs not yet begun and ends the threads.
    """
    from concurrent.futures import ThreadPoolExecutor

    threads = max(1, threads or default_threads())
    walk = _with_error_last(jobs)
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="edgeq-source") as pool:
        try:
            waiting.extend(pool.submit(job) for job in islice(walk, 2 * threads))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(job) for job in islice(walk, 1))
                yield result
        finally:
            for each in waiting:
                each.cancel()


def _with_error_last(jobs: Iterable[Callable[[], T]]) -> Iterator[Callable[[], T]]:
    """The jobs; what walking them raises becomes the last job, behind the results before it."""
    try:
        yield from jobs
    except Exception as cause:
        yield partial(_fail, cause)


def _fail(cause: Exception) -> NoReturn:
    raise cause
