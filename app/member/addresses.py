"""Where members are reached: by names that follow from their numbers, on etcd's ports."""

CLIENT_PORT = 2379
PEER_PORT = 2380
METRICS_PORT = 2381

# Members are numbered from 0, and there are never more: infra/ha_counter/members.py says why.
MOST_MEMBERS = 7


def member_name(number: int) -> str:
    """Return the name that pod etcd-N has in the cluster."""
    return f"etcd{number}"


def peer_url(name: str) -> str:
    """Return the URL by which the others reach member `name`."""
    return f"http://{name}:{PEER_PORT}"
