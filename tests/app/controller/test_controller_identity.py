"""Compared with what etcd 3.6.16 says when it starts with these members and this token."""

from unittest.mock import patch

from controller import identity


def test_the_ids_are_those_that_etcd_gives() -> None:
    urls = {f"etcd{number}": f"http://127.0.0.1:1238{number}" for number in range(3)}
    with patch.object(identity, "peer_url", urls.__getitem__):
        assert identity.member_id("tok", 0) == 0xD622127685879B3C
        assert identity.cluster_id("tok", range(3)) == 0xA176C1F62DFCA771


def test_they_follow_from_the_token() -> None:
    assert identity.member_id("a", 0) != identity.member_id("b", 0)
    assert identity.cluster_id("a", range(3)) != identity.cluster_id("b", range(3))
