"""A method of a service, with the types of what it takes and gives."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class Method(Generic[Request, Response]):
    """`path` as it is on the wire: "/zeroth.v1.OracleService/Evaluate"."""

    path: str
    request: type[Request]
    response: type[Response]
