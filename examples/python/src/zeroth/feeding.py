"""What a stream of requests is made of, which gRPC takes in a thread or task of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic

from .method import Request


class Feeding(Generic[Request]):
    """An error of whoever makes the requests would be "Exception iterating requests!", or a cancelled task: it is kept, to be raised behind the call."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = requests
        self._failure: Exception | None = None

    def __iter__(self) -> Iterator[Request]:
        try:
            yield from self._requests
        except Exception as error:
            self._failure = error
            raise

    def check(self) -> None:
        """Raises what went wrong, if anything did."""
        if self._failure is not None:
            raise self._failure
