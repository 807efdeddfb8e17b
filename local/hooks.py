"""Resource hooks: functions of the program that it wants called when a resource is about to change.

The program registers each with the address of a server of its own and a token; whoever makes resources calls it there.
"""

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed
from pulumi.runtime.proto.callback_pb2 import Callback, CallbackInvokeRequest
from pulumi.runtime.proto.callback_pb2_grpc import CallbacksStub
from pulumi.runtime.proto.resource_pb2 import RegisterResourceRequest, ResourceHookRequest, ResourceHookResponse

from local.errors import LocalError


def call(hook: Callback, resource: RegisterResourceRequest) -> None:
    """Call the program before a resource gets new inputs. Raises LocalError with what the program objects to."""
    arguments = ResourceHookRequest(name=resource.name, type=resource.type, new_inputs=resource.object)
    with grpc.insecure_channel(hook.target) as channel:
        request = CallbackInvokeRequest(token=hook.token, request=arguments.SerializeToString())
        answer = ResourceHookResponse.FromString(CallbacksStub(channel).Invoke(request).response)
    if answer.error:
        raise LocalError(f"{resource.name}: {answer.error}")
