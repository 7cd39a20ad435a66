"""Requests of studies: the same for the blocking client and the asynchronous one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from . import wire
from .checks import message, number, shown
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
        return message(
            wire.AskRequest,
            study=study,
            client_id=self.client_id,
            request_id=new_id(),
            count=self.count,
            lease_ms=_milliseconds("lease", self.lease),
            wait_ms=_milliseconds("wait", self.wait),
            revision=revision,
        )


def _milliseconds(field: str, seconds: float) -> int:
    if not np.isfinite(number(field, seconds)):
        raise ValueError(f"{field}: expected seconds, got {seconds}")
    return round(1000 * seconds)


def to_told(trial: int, value: float | Infeasible) -> wire.ToldValue:
    """What is not a finite number is infeasible. Raises TypeError where it is no number at all."""
    if isinstance(value, Infeasible):
        return message(wire.ToldValue, trial=trial, infeasible=str(value))
    told = number(f"value of trial {shown(trial)}", value)
    if not np.isfinite(told):
        return message(wire.ToldValue, trial=trial, infeasible=f"not a finite number: {told}")
    return message(wire.ToldValue, trial=trial, value=told)


def tell_request(study: str, values: Sequence[wire.ToldValue], ask: wire.AskRequest | None = None) -> wire.TellRequest:
    return wire.TellRequest(study=study, values=values, ask=ask, request_id=new_id())


def told_of(values: Mapping[int, float | Infeasible]) -> list[wire.ToldValue]:
    if not isinstance(values, Mapping):
        raise TypeError(f"values: expected values by the numbers of trials, got {shown(values)}")
    return [to_told(trial, value) for trial, value in values.items()]
