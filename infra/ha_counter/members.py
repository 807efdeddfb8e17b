"""The members of etcd: how many there may be, and what they are called."""

# Each one more makes a commit slower, and nobody needs to survive the loss of four. Source:
# https://etcd.io/docs/v3.6/faq/#what-is-maximum-cluster-size
MOST_MEMBERS = 7


def member_names(members: int) -> list[str]:
    """The members' names, which are also their Services', in the order of their pods."""
    return [f"etcd{ordinal}" for ordinal in range(members)]
