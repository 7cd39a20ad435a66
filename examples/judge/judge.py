"""A judge: serves the objective "remote/cost" to a Zeroth server, from outside, in Python.

It computes what no gradient can: the cost of the decision that each row's scores come to, where mistakes are not all alike. The messages are
read from proto/ when it starts, so there is no generated code; beside gRPC it needs nothing.
"""

import argparse
import array
import pathlib
import queue
import sys
import time

import grpc

# The contract, which grpcio-tools compiles at its import.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "proto"))
messages, services = grpc.protos_and_services("zeroth/v1/objective_service.proto")

OBJECTIVE = "remote/cost"

# What deciding for a column costs where the row is right: to miss the first class is the worst.
COSTS = (
    (0.0, 5.0, 5.0),
    (1.0, 0.0, 1.0),
    (1.0, 1.0, 0.0),
)


def values(tensor, code):
    """A tensor's elements: "f" for float32, "q" for int64; little-endian on the wire."""
    elements = array.array(code)
    elements.frombytes(tensor.data)
    if sys.byteorder == "big":
        elements.byteswap()
    return elements


def score(request):
    """One loss for each row."""
    logits = request.outputs["logits"]
    scores, labels = values(logits, "f"), values(request.tensors["labels"], "q")
    classes = logits.shape[1]
    losses = []
    for row, label in enumerate(labels):
        ours = scores[row * classes : (row + 1) * classes]
        losses.append(COSTS[label][max(range(classes), key=ours.__getitem__)])
    return losses


def answer(request):
    result = messages.Score(id=request.id)
    try:
        result.losses.values.extend(score(request))
    except Exception as error:  # Whatever it is, it is the error of this evaluation and not the end of the judge.
        result.error.code = grpc.StatusCode.UNKNOWN.value[0]
        result.error.message = f"{type(error).__name__}: {error}"
    return messages.ServeObjectiveRequest(score=result)


def serve_once(channel):
    """One stream, until it breaks. Requests come one at a time, and each is answered before the next."""
    served = messages.ServedObjective(name=OBJECTIVE, tensors=["labels"], requests=1)
    served.outputs.add(name="logits")
    answers = queue.SimpleQueue()
    answers.put(messages.ServeObjectiveRequest(objective=served))
    # gRPC takes what goes out from this iterator, in a thread of its own.
    for response in services.ObjectiveServiceStub(channel).ServeObjective(iter(answers.get, None)):
        if response.WhichOneof("part") == "served":
            print(f"serving {OBJECTIVE}", flush=True)
        else:
            answers.put(answer(response.request))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", nargs="?", default="127.0.0.1:50051", help="host:port of the server")
    address = parser.parse_args().address
    while True:
        try:
            with grpc.insecure_channel(address) as channel:
                serve_once(channel)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
        time.sleep(0.5)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
