import pytest

from counter.counting import COUNT_KEY, Counter, OutcomeUnknownError
from counter.etcd import EtcdUnavailableError
from tests.app.counter.in_memory_etcd import InMemoryEtcd


def test_replicas_count_together(store: InMemoryEtcd) -> None:
    one, other = Counter(store, "pod-1"), Counter(store, "pod-2")
    assert [one.increment(), other.increment(), other.increment(), one.increment()] == [1, 2, 3, 4]
    assert one.fetch() == other.fetch() == 4


def test_the_count_is_zero_before_the_first_increment(store: InMemoryEtcd) -> None:
    assert Counter(store, "pod-1").fetch() == 0


def test_an_increment_is_one_transaction(store: InMemoryEtcd) -> None:
    Counter(store, "pod-1").increment()
    assert store.transactions == 1


def test_the_key_tells_who_counted_last(store: InMemoryEtcd) -> None:
    Counter(store, "pod-1").increment()
    Counter(store, "pod-2").increment()
    assert store.values == {COUNT_KEY: b"pod-2"}


def test_an_increment_without_a_reply_is_not_sent_again(store: InMemoryEtcd) -> None:
    counter = Counter(store, "pod-1")
    store.loses_replies = True
    with pytest.raises(OutcomeUnknownError, match="the reply was lost"):
        counter.increment()
    assert store.transactions == 1
    assert counter.fetch() == 1, "this one was counted, which the caller could not know"


def test_a_fetch_without_etcd_is_no_unknown_outcome(store: InMemoryEtcd) -> None:
    store.away = True
    with pytest.raises(EtcdUnavailableError) as caught:
        Counter(store, "pod-1").fetch()
    assert not isinstance(caught.value, OutcomeUnknownError)
