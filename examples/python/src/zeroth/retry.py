"""Trying again, where that can do no harm: which errors, how often, after how long. It waits for nothing itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .checks import number, whole
from .errors import TLS_FAILED, ZerothError


@dataclass(frozen=True)
class RetryPolicy:
    """Outlives a restart of the server.

    Attributes:
        attempts_max: the first one included; 1 never tries again.
        total_max: seconds; no wait begins that would end later than this after the first attempt.
        delay: seconds before the second attempt, doubled from one to the next. The server may ask for more.
        delay_max: seconds.

    Raises:
        ValueError, TypeError: naming the number.
    """

    attempts_max: int = 30
    total_max: float = 30.0
    delay: float = 0.05
    delay_max: float = 2.0

    def __post_init__(self) -> None:
        if whole("attempts_max", self.attempts_max) < 1:
            raise ValueError(f"attempts_max: expected at least 1, got {self.attempts_max}")
        for name, seconds in (("total_max", self.total_max), ("delay", self.delay), ("delay_max", self.delay_max)):
            if not number(name, seconds) >= 0:
                raise ValueError(f"{name}: expected 0 seconds or more, got {seconds}")


@dataclass
class Attempts:
    """The attempts of one call, which may be applied twice without harm.

    Attributes:
        failed: how many.
        lost: the first error after which nobody knows whether the call was applied. A reason is an answer: the server has refused it.
    """

    policy: RetryPolicy
    clock: Callable[[], float] = time.monotonic
    failed: int = 0
    lost: ZerothError | None = None
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def wait_after(self, error: ZerothError) -> float:
        """Seconds until the next attempt. Raises the error where there is none."""
        self.failed += 1
        if self.lost is None and error.code == "UNAVAILABLE" and error.reason == "":
            self.lost = error
        if not is_worth_retrying(error) or self.failed >= self.policy.attempts_max:
            raise error
        backoff = min(self.policy.delay * 2.0 ** (self.failed - 1), self.policy.delay_max)
        wait = max(backoff, error.retry_after or 0.0)
        if self.clock() - self.began + wait > self.policy.total_max:
            raise error
        return wait


def is_worth_retrying(error: ZerothError) -> bool:
    """RESOURCE_EXHAUSTED without a delay is a limit that waiting does not lift: a message too large. Certificates do not get better either."""
    if error.code == "RESOURCE_EXHAUSTED":
        return error.retry_after is not None
    return error.code == "UNAVAILABLE" and error.reason != TLS_FAILED
