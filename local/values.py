"""Values of resources, on their way from Pulumi's runtime to Kubernetes."""

from typing import Any

from pulumi.output import Unknown
from pulumi.runtime.rpc import UNKNOWN, is_rpc_secret, unwrap_rpc_secret


def holds_secret(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether the program marked some of it as a secret."""
    if is_rpc_secret(value):
        return True
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(holds_secret(item) for item in items)


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A value as Kubernetes wants it: 3 where the runtime hands over 3.0, and secrets out of their wrapping.

    What is unknown is the text that the runtime takes for it, so that it is unknown again in outputs.
    """
    if is_rpc_secret(value):
        return plain(unwrap_rpc_secret(value))
    if isinstance(value, Unknown):
        return UNKNOWN
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
