from member.addresses import CLIENT_PORT, METRICS_PORT, PEER_PORT, member_name, peer_url


def test_a_members_name_and_url_follow_from_its_number() -> None:
    assert (member_name(0), member_name(12)) == ("etcd0", "etcd12")
    assert peer_url(member_name(2)) == "http://etcd2:2380"


def test_each_port_is_for_one_purpose() -> None:
    assert len({CLIENT_PORT, PEER_PORT, METRICS_PORT}) == 3
