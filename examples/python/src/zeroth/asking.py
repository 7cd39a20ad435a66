"""Requests of studies: the same for the blocking client and the asynchronous one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from . import wire
from .requests import new_id


class Infeasible(Exception):
    """Raised by what is optimized where a point has no value. Other errors end the loop."""


@dataclass(frozen=True)
class Asking:
    """Who asks for trials, and how.

    Attributes:
        client_id: who evaluates. Trials that it leaves behind are offered again when their leases end.
        count: trials at a time.
        lease: seconds that an evaluation may take before others are offered the trial; 0 means what the server is set to.
        wait: seconds to wait for a trial where there is none to be had now.
    """

    client_id: str
    count: int = 1
    lease: float = 0.0
    wait: float = 5.0

    def request(self, study: str, revision: int | None = None) -> wire.AskRequest:
        return wire.AskRequest(
            study=study,
            client_id=self.client_id,
            request_id=new_id(),
            count=self.count,
            lease_ms=round(1000 * self.lease),
            wait_ms=round(1000 * self.wait),
            revision=revision,
        )


def to_told(number: int, value: float | Infeasible) -> wire.ToldValue:
    """What is not a finite number is infeasible."""
    if isinstance(value, Infeasible):
        return wire.ToldValue(trial=number, infeasible=str(value))
    if not np.isfinite(value):
        return wire.ToldValue(trial=number, infeasible=f"not a finite number: {value}")
    return wire.ToldValue(trial=number, value=float(value))


def tell_request(study: str, values: Sequence[wire.ToldValue], ask: wire.AskRequest | None = None) -> wire.TellRequest:
    return wire.TellRequest(study=study, values=values, ask=ask, request_id=new_id())


def told_of(values: Mapping[int, float | Infeasible]) -> list[wire.ToldValue]:
    return [to_told(number, value) for number, value in values.items()]
