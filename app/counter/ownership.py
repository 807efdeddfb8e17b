"""A replica owns its shard by a lease: a key that is there as long as the replica is heard of."""

from counter import transactions
from counter.counting import OWNER_LEASE, Life
from counter.store import Store


def keep(store: Store, life: Life, address: str) -> None:
    """Say that the owner is there, at this address. After a lease that has ended, own the shard again if nobody has
    folded it.

    Raises EtcdUnavailableError and EtcdRefusedError.
    """
    if store.keep_alive(life.lease):
        return
    lease = store.grant_lease(OWNER_LEASE)
    if store.transact(transactions.own_again(life.shard.id, lease, address)).succeeded:
        life.lease = lease
    else:
        life.is_over = True
        store.revoke_lease(lease)
