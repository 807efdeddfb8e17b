from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from local.differences import content, differences


def variables(**values: str) -> dict[str, Any]:
    return {"env": [{"name": name, "value": value} for name, value in values.items()]}


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({"spec": {"replicas": 3}}, {"spec": {"replicas": 3}}, []),
        ({"spec": {"replicas": 2}}, {"spec": {"replicas": 3}}, ["spec.replicas: 2 -> 3"]),
        ({"data": {}}, {"data": {"key": "value"}}, ["data.key: (none) -> value"]),
        ({"data": {"key": "value"}}, {"data": {}}, ["data.key: value -> (none)"]),
        ({"spec": {"paused": True}}, {"spec": {"paused": None}}, ["spec.paused: true -> null"]),
        ({"args": ["a", "b"]}, {"args": ["a", "c", "d"]}, ["args[1]: b -> c", "args[2]: (none) -> d"]),
        (variables(A="1", B="2"), variables(B="3", A="1"), ["env[B].value: 2 -> 3"]),
        (
            variables(A="1"),
            variables(A="1", B="2"),
            ['env[B]: (none) -> {"name": "B", "value": "2"}'],
        ),
        ({"ports": [{"port": 1}]}, {"ports": [{"port": 2}]}, ["ports[0].port: 1 -> 2"]),
        ({"image": "web:1"}, {"image": UNKNOWN}, ["image: web:1 -> (known after `up`)"]),
        ({"spec": {"a": 1}}, {"spec": "text"}, ['spec: {"a": 1} -> text']),
    ],
)
def test_each_field_that_differs_is_named(before: object, after: object, lines: list[str]) -> None:
    assert differences(before, after) == lines


def test_another_order_is_a_difference() -> None:
    assert len(differences(variables(A="1", B="2"), variables(B="2", A="1"))) == 1


def test_long_values_are_cut_short() -> None:
    [line] = differences({"key": "short"}, {"key": "x" * 1000})

    assert line == f"key: short -> {'x' * 59}…"


def test_secret_values_are_not_shown() -> None:
    lines = differences({"data": {"old": "hidden", "both": "hidden"}}, {"data": {"both": "hid"}}, secret=True)

    assert lines == ["data.old: [secret] -> (none)", "data.both: [secret] -> [secret]"]


def test_what_the_cluster_notes_for_itself_is_no_content() -> None:
    metadata = {"name": "web", "managedFields": [], "resourceVersion": "1", "generation": 2}

    assert content({"kind": "Deployment", "metadata": metadata, "status": {"replicas": 1}}) == {
        "kind": "Deployment",
        "metadata": {"name": "web"},
    }
