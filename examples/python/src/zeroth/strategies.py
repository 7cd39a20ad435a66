"""Strategies and plans of trainings that the server runs, as messages."""

from __future__ import annotations

from typing import Any

from google.protobuf.message_factory import GetMessageClass

from . import wire
from .checks import message, shown
from .datasets import Dataset
from .points import ObjectiveLike, to_objective


def strategy(name: str, **options: Any) -> wire.Strategy:
    """A strategy by its name and its options, as `client.info().strategy_infos` and docs/strategies.md list them.

    Groups of options are dicts, choices are the enum's names. What is left out has its default.

    Raises:
        ValueError, TypeError: naming the strategy or the option, what was expected and what came.

    >>> strategy("mezo-svrg", q=5, eta1=0.1, eta2=0.05, anchor_directions=4, seed=1).WhichOneof("kind")
    'mezo_svrg'
    """
    fields = wire.Strategy.DESCRIPTOR.fields_by_name
    field = name.replace("-", "_") if isinstance(name, str) else ""
    if field not in fields:
        raise ValueError(f"strategy: expected one of {', '.join(each.replace('_', '-') for each in fields)}, got {shown(name)}")
    kind = fields[field].message_type
    assert kind is not None
    for option in options:
        if option not in kind.fields_by_name:
            raise ValueError(f"{name}: expected options of {', '.join(kind.fields_by_name)}, got {option!r}")
    try:
        arguments: dict[str, Any] = {field: message(GetMessageClass(kind), **options)}
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None
    return wire.Strategy(**arguments)


def training_plan(
    strategy: wire.Strategy,
    dataset: str | Dataset,
    batch_size: int,
    batch_seed: int,
    steps: int | None,
    examples: int | None,
    objective: ObjectiveLike | None,
    evaluation: wire.EvaluationPlan | None,
) -> wire.TrainingPlan:
    """Raises ValueError where not one of steps and examples is there."""
    if (steps is None) == (examples is None):
        raise ValueError(f"budget: expected either steps or examples, got steps={steps}, examples={examples}")
    if not isinstance(dataset, (Dataset, str)):
        raise TypeError(f"dataset: expected a dataset or its name, got {shown(dataset)}")
    return message(
        wire.TrainingPlan,
        dataset=dataset if isinstance(dataset, str) else dataset.name,
        batch_size=batch_size,
        batch_seed=batch_seed,
        strategy=strategy,
        objective=to_objective(objective),
        evaluation=evaluation,
        **({"examples": examples} if steps is None else {"steps": steps}),
    )
