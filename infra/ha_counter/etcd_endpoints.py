"""Where the members of etcd are: known before there are any, so that what they need at their start can know it, too."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from ha_counter.labels import labels
from ha_counter.members import member_names
from ha_counter.pods import variable_from_config_map

CLIENT_PORT = 2379

_KEY = "endpoints"
_MEMBERS_KEY = "members"


@dataclass(frozen=True)
class EtcdEndpointsArgs:
    """What `EtcdEndpoints` needs.

    Attributes:
        namespace: Where everything is made.
        members: How many members etcd has.
    """

    namespace: pulumi.Input[str]
    members: int


class EtcdEndpoints(pulumi.ComponentResource):
    """The members' addresses, in a ConfigMap for pods to read.

    Attributes:
        urls: The members' client URLs, with commas between them.
        config_map: The name of the ConfigMap, which also says how many members there are to be.
    """

    urls: str
    config_map: pulumi.Output[str]

    def __init__(self, name: str, args: EtcdEndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ha-counter:index:EtcdEndpoints", name, None, opts)
        self.urls = ",".join(f"http://{member}:{CLIENT_PORT}" for member in member_names(args.members))
        self._config_map = k8s.core.v1.ConfigMap(
            "etcd-config",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                namespace=args.namespace, name="etcd-config", labels=labels("etcd", "database")
            ),
            data={_KEY: self.urls, _MEMBERS_KEY: str(args.members)},
            # Live stacks know it as a part of the cluster itself, and would make it anew where it is already.
            opts=pulumi.ResourceOptions(
                parent=self,
                aliases=[pulumi.Alias(parent=pulumi.create_urn("etcd", "ha-counter:index:EtcdCluster"))],
            ),
        )
        self.config_map = self._config_map.metadata.name
        self.register_outputs({"urls": self.urls})

    def variable(self) -> k8s.core.v1.EnvVarArgs:
        """The environment variable that tells them to a container."""
        return variable_from_config_map("ETCD_ENDPOINTS", self.config_map, _KEY)
