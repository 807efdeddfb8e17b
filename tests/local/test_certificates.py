import base64
import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local import certificates, layout
from local.layout import Layout

CLUSTER = Layout("test", 3)
KUBECONFIGS = ["admin", "kube-controller-manager", "kube-proxy", "kube-scheduler", "provisioner"]
NODES = ["node1", "node2", "node3"]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder with all keys and certificates, made once: the tests only look at it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "STATE_ROOT", tmp_path_factory.mktemp("state"))
        certificates.create(CLUSTER)
        yield CLUSTER.pki


def certificate(pki: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((pki / f"{name}.crt").read_bytes())


def subject(pki: Path, name: str) -> dict[str, str]:
    """The user and the group that the API server takes the holder for."""
    names = {NameOID.COMMON_NAME: "user", NameOID.ORGANIZATION_NAME: "group"}
    return {names[part.oid]: str(part.value) for part in certificate(pki, name).subject}


def kubeconfig(pki: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((pki / f"{name}.kubeconfig").read_text())
    return content


def shake_hands(pki: Path, server: str, client: str, host: str, flags: ssl.VerifyFlags) -> None:
    """A TLS handshake in which both sides verify one another. Raises SSLError if one refuses."""
    sides = []
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    for purpose, name in ((ssl.Purpose.SERVER_AUTH, client), (ssl.Purpose.CLIENT_AUTH, server)):
        context = ssl.create_default_context(purpose, cafile=pki / "ca.crt")
        context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= flags
        if name == client:
            sides.append(context.wrap_bio(to_client, to_server, server_hostname=host))
        else:
            sides.append(context.wrap_bio(to_server, to_client, server_side=True))
    for _ in range(3):  # hello, certificates, what the other made of them
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    sides[1].write(b"welcome")
    assert sides[0].read() == b"welcome"


# Who is who.


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("admin", {"user": "ha-counter-admin", "group": "system:masters"}),
        ("kube-apiserver", {"user": "kube-apiserver"}),
        ("kube-apiserver-kubelet-client", {"user": "kube-apiserver-kubelet-client", "group": "system:masters"}),
        ("kube-controller-manager", {"user": "system:kube-controller-manager"}),
        ("kube-scheduler", {"user": "system:kube-scheduler"}),
        ("kube-proxy", {"user": "system:kube-proxy"}),
        ("provisioner", {"user": "ha-counter:provisioner"}),
        ("node1", {"user": "system:node:node1", "group": "system:nodes"}),
        ("node3", {"user": "system:node:node3", "group": "system:nodes"}),
    ],
)
def test_users_and_groups_are_those_that_kubernetes_knows(pki: Path, name: str, expected: dict[str, str]) -> None:
    assert subject(pki, name) == expected


def names_in(pki: Path, name: str) -> set[str]:
    extension = certificate(pki, name).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(entry.value) for entry in extension.value}


def test_the_api_server_answers_to_every_name_that_it_is_reached_by(pki: Path) -> None:
    assert names_in(pki, "kube-apiserver") == {
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "10.204.0.2",
        "10.204.128.1",
        "127.0.0.1",
    }


@pytest.mark.parametrize("node", CLUSTER.nodes, ids=lambda node: str(node.name))
def test_a_kubelet_answers_to_its_name_and_address(pki: Path, node: layout.Node) -> None:
    assert names_in(pki, node.name) == {node.name, str(node.address)}


@pytest.mark.parametrize(("name", "serves"), [("kube-apiserver", True), ("node1", True), ("admin", False)])
def test_only_servers_can_serve(pki: Path, name: str, serves: bool) -> None:
    uses = certificate(pki, name).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value

    assert (ExtendedKeyUsageOID.SERVER_AUTH in uses) is serves
    assert ExtendedKeyUsageOID.CLIENT_AUTH in uses


# Who trusts whom.


@pytest.mark.parametrize(
    ("server", "client", "host"),
    [
        ("kube-apiserver", "admin", "10.204.0.2"),
        ("kube-apiserver", "node1", "kubernetes.default.svc"),
        ("node2", "kube-apiserver-kubelet-client", "10.204.0.12"),
    ],
)
@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(ssl.VerifyFlags.VERIFY_DEFAULT, id="default"),
        pytest.param(
            ssl.VerifyFlags.VERIFY_X509_STRICT,
            id="strict",
        ),
    ],
)
def test_servers_and_clients_trust_one_another(
    pki: Path, server: str, client: str, host: str, flags: ssl.VerifyFlags
) -> None:
    shake_hands(pki, server, client, host, flags)


def test_a_server_is_not_trusted_under_another_name(pki: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 'example\.com'"):
        shake_hands(pki, "kube-apiserver", "admin", "example.com", ssl.VerifyFlags.VERIFY_DEFAULT)


def test_a_client_is_not_trusted_as_a_server(pki: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(pki, "admin", "node1", "ha-counter-admin", ssl.VerifyFlags.VERIFY_DEFAULT)


def test_only_the_authority_can_sign(pki: Path) -> None:
    for file in pki.glob("*.crt"):
        usage = certificate(pki, file.stem).extensions.get_extension_for_class(x509.KeyUsage).value
        assert usage.key_cert_sign is (file.stem == "ca"), file


def test_nothing_expires_while_the_cluster_lives(pki: Path) -> None:
    """Nobody renews them."""
    nine_years_on = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=9 * 365)
    for file in pki.glob("*.crt"):
        assert certificate(pki, file.stem).not_valid_after_utc > nine_years_on, file


def test_another_cluster_s_certificates_are_not_trusted(pki: Path, cluster: Layout) -> None:
    certificates.create(cluster)

    with pytest.raises(InvalidSignature):
        certificate(cluster.pki, "admin").verify_directly_issued_by(certificate(pki, "ca"))


# What is written.


def test_private_files_are_the_owner_s_only(pki: Path) -> None:
    private = [file for file in pki.iterdir() if file.suffix in (".key", ".kubeconfig")]

    assert len(private) > 10
    assert {file.stat().st_mode & 0o777 for file in private} == {0o600}
    assert pki.stat().st_mode & 0o777 == 0o700


def test_every_key_is_another(pki: Path) -> None:
    keys = [file.read_bytes() for file in pki.glob("*.key")]

    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", [*KUBECONFIGS, *NODES])
def test_a_kubeconfig_leads_to_the_cluster_under_its_name(pki: Path, name: str) -> None:
    config = kubeconfig(pki, name)

    assert config["current-context"] == "test"
    [context] = config["contexts"]
    assert context == {"name": "test", "context": {"cluster": "test", "user": name}}
    assert [entry["name"] for entry in config["users"]] == [name]
    [cluster] = config["clusters"]
    assert (cluster["name"], cluster["cluster"]["server"]) == ("test", "https://10.204.0.2:6443")


@pytest.mark.parametrize("name", [*KUBECONFIGS, *NODES])
def test_a_kubeconfig_needs_no_other_file(pki: Path, name: str) -> None:
    config = kubeconfig(pki, name)
    authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
    user = config["users"][0]["user"]

    assert base64.b64decode(authority) == (pki / "ca.crt").read_bytes()
    assert base64.b64decode(user["client-certificate-data"]) == (pki / f"{name}.crt").read_bytes()
    assert base64.b64decode(user["client-key-data"]) == (pki / f"{name}.key").read_bytes()


def test_tokens_of_service_accounts_are_signed_with_an_rsa_key(pki: Path) -> None:
    private = serialization.load_pem_private_key((pki / "service-account.key").read_bytes(), password=None)
    public = serialization.load_pem_public_key((pki / "service-account.pub").read_bytes())

    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.public_key() == public


# Once and for all.


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_second_call_changes_nothing(cluster: Layout) -> None:
    certificates.create(cluster)
    before = content(cluster.pki)

    certificates.create(cluster)

    assert content(cluster.pki) == before


def test_a_call_that_was_cut_off_is_made_good(cluster: Layout) -> None:
    certificates.create(cluster)
    (cluster.pki / "complete").unlink()
    (cluster.pki / "node3.crt").unlink()

    certificates.create(cluster)

    certificate(cluster.pki, "node3").verify_directly_issued_by(certificate(cluster.pki, "ca"))
    certificate(cluster.pki, "admin").verify_directly_issued_by(certificate(cluster.pki, "ca"))
