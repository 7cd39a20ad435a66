"""Strategies and plans of trainings that the server runs, as messages."""

from __future__ import annotations

from typing import Any

from . import wire
from .datasets import Dataset
from .points import ObjectiveLike, to_objective


def strategy(name: str, **options: Any) -> wire.Strategy:
    """A strategy by its name and its options, as `client.info().strategy_infos` and docs/strategies.md list them.

    Groups of options are dicts, choices are the enum's names. What is left out has its default.

    Raises:
        ValueError: naming the strategy or the option, and what there is instead.

    >>> strategy("mezo-svrg", q=5, eta1=0.1, eta2=0.05, anchor_directions=4, seed=1).WhichOneof("kind")
    'mezo_svrg'
    """
    field = name.replace("-", "_")
    fields = wire.Strategy.DESCRIPTOR.fields_by_name
    if field not in fields:
        raise ValueError(f"strategy: expected one of {', '.join(each.replace('_', '-') for each in fields)}, got {name!r}")
    message = fields[field].message_type
    known = () if message is None else tuple(message.fields_by_name)
    for option in options:
        if option not in known:
            raise ValueError(f"{name}: expected options of {', '.join(known)}, got {option!r}")
    arguments: dict[str, Any] = {field: options}
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
    plan = wire.TrainingPlan(
        dataset=dataset if isinstance(dataset, str) else dataset.name,
        batch_size=batch_size,
        batch_seed=batch_seed,
        strategy=strategy,
        objective=to_objective(objective),
        evaluation=evaluation,
    )
    if steps is not None:
        plan.steps = steps
    if examples is not None:
        plan.examples = examples
    return plan
