"""Who may speak to whom in the cluster: one certificate authority, a certificate and kubeconfig for each party.

Names and groups are those that Kubernetes' built-in roles are bound to
(https://kubernetes.io/docs/setup/best-practices/certificates/).
"""

import base64
import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local import files
from local.layout import Layout

VALIDITY = datetime.timedelta(days=3650)  # nobody renews them: a cluster for trying does not grow that old

PRIVATE = 0o600

# User name -> group, for all that reach the API server with a kubeconfig.
CLIENTS = {
    "admin": ("ha-counter-admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", None),
    "kube-scheduler": ("system:kube-scheduler", None),
    "kube-proxy": ("system:kube-proxy", None),
    "provisioner": ("ha-counter:provisioner", None),
}


def create(layout: Layout) -> None:
    """Make the authority, all keys, certificates and kubeconfigs, unless they were made before."""
    done = layout.pki / "complete"
    if done.exists():
        return
    layout.pki.mkdir(parents=True, exist_ok=True)
    layout.pki.chmod(0o700)
    authority = _Authority(layout.pki)
    control_plane = layout.control_plane.address
    authority.issue(
        "kube-apiserver",
        "kube-apiserver",
        hosts=["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"],
        addresses=[control_plane, layout.service_network[1], ipaddress.IPv4Address("127.0.0.1")],
    )
    authority.issue("kube-apiserver-kubelet-client", "kube-apiserver-kubelet-client", group="system:masters")
    for file, (user, group) in CLIENTS.items():
        authority.issue(file, user, group=group)
        _kubeconfig(layout, file)
    for node in layout.nodes:
        user = f"system:node:{node.name}"
        authority.issue(node.name, user, group="system:nodes", hosts=[node.name], addresses=[node.address])
        _kubeconfig(layout, node.name)
    _service_account_key(layout.pki / "service-account")
    files.write(done, "")


class _Authority:
    """The cluster's certificate authority: its key lives in `folder`, as all that it issues does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ha-counter local authority")])
        builder = _builder(self._name, self._name, self._key.public_key())
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        _write(folder / "ca", self._key, certificate)

    def issue(
        self,
        file: str,
        user: str,
        *,
        group: str | None = None,
        hosts: Sequence[str] = (),
        addresses: Sequence[ipaddress.IPv4Address] = (),
    ) -> None:
        """Write FILE.key and FILE.crt for a user; with hosts or addresses it can serve there, too."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
        if group:
            names.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        builder = _builder(x509.Name(names), self._name, key.public_key())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if hosts or addresses:
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
            reachable = [*map(x509.DNSName, hosts), *map(x509.IPAddress, addresses)]
            builder = builder.add_extension(x509.SubjectAlternativeName(reachable), critical=False)
        certificate = (
            builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(issuer, critical=False)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        _write(self._folder / file, key, certificate)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # clocks differ
        .not_valid_after(now + VALIDITY)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _service_account_key(stem: Path) -> None:
    """The key pair that signs service accounts' tokens: RSA, as every client library can verify it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    files.write(stem.with_suffix(".key"), _pem(key), mode=PRIVATE)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    files.write(stem.with_suffix(".pub"), public)


def _kubeconfig(layout: Layout, user: str) -> None:
    def inline(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    pki = layout.pki
    cluster = {"server": layout.api_server, "certificate-authority-data": inline(pki / "ca.crt")}
    credentials = {
        "client-certificate-data": inline(pki / f"{user}.crt"),
        "client-key-data": inline(pki / f"{user}.key"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": layout.name, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": layout.name, "context": {"cluster": layout.name, "user": user}}],
        "current-context": layout.name,
    }
    files.write(pki / f"{user}.kubeconfig", yaml.safe_dump(config), mode=PRIVATE)


def _write(stem: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    files.write(stem.parent / f"{stem.name}.key", _pem(key), mode=PRIVATE)
    files.write(stem.parent / f"{stem.name}.crt", certificate.public_bytes(serialization.Encoding.PEM))


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
