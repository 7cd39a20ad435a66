# Made by generate.py from ../aio/named.py: change it there.
"""Calls that make or delete something by its name, blocking.

A second attempt does no harm, but it may meet what the first has done, whose answer was lost, or what somebody else did meanwhile: nobody can tell which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import ZerothError
from ..method import Method, Request, Response
from ..retry import Attempts
from .channel import Channel

Answer = TypeVar("Answer")

# What a second attempt is told where the first one, or somebody else, has made it.
_MADE = ("ALREADY_EXISTS", "RUN_IN_TRAINING", "REQUEST_ID_REUSED")


def creating(channel: Channel, method: Method[Request, Response], request: Request, *, is_named: bool) -> Response:
    """One request that makes something, as `making` has it."""
    return making(channel, lambda: channel.call(method, request, repeatable=False), is_named=is_named)


def making(channel: Channel, attempt: Callable[[], Answer], *, is_named: bool) -> Answer:
    """Tried again where the caller has chosen the name: without one a second attempt would make another.

    Where an attempt was lost and the next finds the name taken, the error is that of the lost one: whose it is the caller has to find out.
    """
    if not is_named:
        return attempt()
    attempts = Attempts(channel.connection.retry)
    try:
        return channel.repeat(attempt, attempts)
    except ZerothError as error:
        if attempts.lost is None or error.reason not in _MADE:
            raise
        lost = attempts.lost
        raise ZerothError(lost.code, f"{lost.message}; tried again: {error.message}") from error


def deleting(channel: Channel, method: Method[Request, Response], request: Request) -> None:
    """Until it is not there any more: that it never was is an error for the first attempt alone."""
    attempts = Attempts(channel.connection.retry)
    try:
        channel.repeat(lambda: channel.call(method, request, repeatable=False), attempts)
    except ZerothError as error:
        if attempts.lost is None or error.code != "NOT_FOUND":
            raise
