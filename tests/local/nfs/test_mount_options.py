import pytest

from local.nfs.mount_options import Mount, MountError, parse


def test_a_source_alone_is_a_hard_mount_as_nfs_has_it() -> None:
    assert parse("server:/snapshots", "/mnt", []) == Mount("server", "snapshots", "/mnt")
    assert parse("server:/snapshots", "/mnt", []).patience == float("inf")


def test_a_soft_mount_waits_for_its_tries() -> None:
    mount = parse("10.0.0.1:/a/b/", "/mnt", ["rw", "nfsvers=4.1", "soft", "timeo=25", "retrans=3"])

    assert (mount.host, mount.path, mount.timeout, mount.attempts) == ("10.0.0.1", "a/b", 2.5, 3)
    assert mount.patience == 7.5
    assert mount.source == "10.0.0.1:/a/b"


def test_an_ipv6_address_is_in_brackets() -> None:
    assert parse("[fd00::1]:/a", "/mnt", []).host == "[fd00::1]"


@pytest.mark.parametrize(("words", "soft"), [("soft,hard", False), ("hard,soft", True), ("hard", False)])
def test_of_soft_and_hard_the_last_counts(words: str, soft: bool) -> None:
    assert parse("server:/a", "/mnt", words.split(",")).soft is soft


def test_the_port_and_where_from() -> None:
    mount = parse("server:/a", "/mnt", ["port=20490", "noresvport"])

    assert (mount.port, mount.reserved_port) == (20490, False)


def test_options_of_the_kernel_are_handed_on_and_its_tuning_is_not() -> None:
    words = ["ro", "noatime", "nolock", "rsize=1048576", "relatime", "_netdev", ""]

    assert parse("server:/a", "/mnt", words).kernel_options == {"ro", "noatime"}


@pytest.mark.parametrize("source", ["server", "/a", "server:a", ":/a", "fd00::1:/a"])
def test_a_source_that_is_none_is_named(source: str) -> None:
    with pytest.raises(MountError, match=f"'{source}' must be HOST:/PATH"):
        parse(source, "/mnt", [])


def test_the_root_of_a_server_has_no_files() -> None:
    with pytest.raises(MountError, match="'server:/' is the server's root"):
        parse("server:/", "/mnt", [])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("nfsvers=3", "option nfsvers=3: only 4 or 4.1 is served here"),
        ("sec=krb5", "option sec=krb5: only sys is served here"),
        ("timeo=soon", "option timeo=soon: must be a whole number from 1 to 36000"),
        ("timeo=0", "option timeo=0: must be"),
        ("retrans=-1", "option retrans=-1: must be"),
        ("port=65536", "option port=65536: must be a whole number from 1 to 65535"),
        ("sotf", "option 'sotf' is not known"),
    ],
)
def test_an_option_that_can_not_be_had_is_named(word: str, message: str) -> None:
    with pytest.raises(MountError, match=message):
        parse("server:/a", "/mnt", [word])
