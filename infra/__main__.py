"""The Pulumi program: what `pulumi up` runs."""

import pulumi

from ha_counter.program import build
from ha_counter.settings import load_settings

outputs = build(load_settings(pulumi.Config()), stack=pulumi.get_stack())

pulumi.export("nodeport", outputs.nodeport)
pulumi.export("namespace", outputs.namespace)
pulumi.export("images", outputs.images)
pulumi.export("etcdEndpoints", outputs.etcd_endpoints)
pulumi.export("backupUrl", outputs.backup_url)
