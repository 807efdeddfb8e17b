from argparse import ArgumentParser, Namespace

import pytest

from local.errors import LocalError
from local.layout import Layout
from local.target import Target, add_arguments, target_of


def arguments(*words: str) -> Namespace:
    parser = ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_a_local_cluster_brings_its_kubeconfig_engine_and_registry() -> None:
    layout = Layout("e2e", 2)

    assert target_of(arguments("--cluster=e2e"), layout) == Target(
        "e2e",
        layout.kubeconfig,
        {"context": "e2e", "registry": "localhost:5003"},
        {"KUBECONFIG": str(layout.kubeconfig), "DOCKER_HOST": f"unix://{layout.docker_socket}"},
        layout,
    )


def test_a_cluster_of_the_user_s_is_reached_as_kubectl_reaches_it() -> None:
    assert target_of(arguments("--context=kind"), None) == Target("kind", None, {"context": "kind"}, {}, None)


def test_a_local_cluster_that_there_is_not_is_told() -> None:
    with pytest.raises(LocalError, match="there is no local cluster 'e2e'; `make up`"):
        target_of(arguments("--cluster=e2e"), None)


def test_a_cluster_and_a_context_are_not_both_taken() -> None:
    with pytest.raises(SystemExit):
        arguments("--cluster=e2e", "--context=kind")
