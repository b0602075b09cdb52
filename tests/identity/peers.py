"""Real identity providers on this machine, each for the length of a block, where they are there.

Debian: ``apt install slapd simplesamlphp php-cli php-xml``; npm's ``oidc-provider`` below the
folder that ``FAHRWERK_TEST_NODE_MODULES`` names (.ci/run does both). Where one is missing, its
tests are skipped and say so; our own fakes in ``idp.py`` are always there.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

SIMPLESAML = Path("/usr/share/simplesamlphp")
SCHEMAS = Path("/etc/ldap/schema")


def program(name: str) -> str | None:
    """Where a program is; Debian keeps servers where ordinary users do not look."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def node_modules() -> Path | None:
    """Where npm's oidc-provider is."""
    given = os.environ.get("FAHRWERK_TEST_NODE_MODULES", "")
    place = Path(given) if given else Path.home() / ".cache/fahrwerk-tests/node_modules"
    return place if (place / "oidc-provider/package.json").exists() else None


NO_SLAPD = "" if program("slapd") and SCHEMAS.is_dir() else "slapd is not installed (apt)"
NO_PHP = "" if program("php") and SIMPLESAML.is_dir() else "simplesamlphp is not installed (apt)"
NO_NODE = "" if program("node") and node_modules() else "oidc-provider is not installed (npm)"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextlib.contextmanager
def running(
    command: list[str], port: int, log: Path, **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A server for the block; it has answered on ``port``, and is stopped by its id."""
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, **more)
        try:
            give_up = time.monotonic() + 20
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                if process.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"{command[0]} did not start: {log.read_text()[-2000:]}")
                time.sleep(0.05)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def tls(folder: Path, name: str = "localhost") -> str:
    """``key.pem`` and ``cert.pem`` for a server of this name; the authority that signed it, PEM."""
    key = rsa.generate_private_key(65537, 2048)
    authority = rsa.generate_private_key(65537, 2048)
    now = datetime.datetime.now(datetime.UTC)
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])

    def made(public: Any, subject: x509.Name, extension: Any) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
        builder = builder.public_key(public).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        return builder.add_extension(extension, critical=True).sign(authority, hashes.SHA256())

    ca = made(authority.public_key(), issuer, x509.BasicConstraints(ca=True, path_length=None))
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    own = made(key.public_key(), subject, x509.SubjectAlternativeName([x509.DNSName(name)]))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    (folder / "cert.pem").write_bytes(own.public_bytes(Encoding.PEM))
    (folder / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    return ca.public_bytes(Encoding.PEM).decode()


_SLAPD = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
TLSCACertificateFile {folder}/ca.pem
database mdb
maxsize 10485760
suffix "dc=corp,dc=example"
rootdn "cn=reader,dc=corp,dc=example"
rootpw r3ader
directory {folder}/db
"""
_PEOPLE = """dn: dc=corp,dc=example
objectClass: dcObject
objectClass: organization
dc: corp
o: Corp

dn: uid=ada,dc=corp,dc=example
objectClass: inetOrgPerson
uid: ada
cn: Ada Lovelace
givenName: Ada
sn: Lovelace
mail: ada@corp.example
departmentNumber: Sales
userPassword: analytical engine

dn: uid=bob\\, jr (x)*,dc=corp,dc=example
objectClass: inetOrgPerson
uid: bob, jr (x)*
cn: Bob
sn: Jr
mail: bob@corp.example
userPassword: bobs password

dn: cn=Fleet,dc=corp,dc=example
objectClass: groupOfNames
cn: Fleet
member: uid=ada,dc=corp,dc=example
"""


@contextlib.contextmanager
def slapd(folder: Path) -> Iterator[dict[str, str]]:
    """OpenLDAP with two people and a group: ``ldap`` and ``ldaps`` addresses, and ``ca`` as PEM."""
    ca = tls(folder)
    (folder / "db").mkdir()
    config = folder / "slapd.conf"
    config.write_text(_SLAPD.format(schemas=SCHEMAS, folder=folder))
    (folder / "people.ldif").write_text(_PEOPLE)
    add = [str(program("slapadd")), "-f", str(config), "-l", str(folder / "people.ldif")]
    subprocess.run(add, check=True, capture_output=True)
    plain, secure = free_port(), free_port()
    places = f"ldap://127.0.0.1:{plain}/ ldaps://127.0.0.1:{secure}/"
    command = [str(program("slapd")), "-f", str(config), "-h", places, "-d", "0"]
    with running(command, secure, folder / "slapd.log"):
        yield {
            "ldap": f"ldap://localhost:{plain}", "ldaps": f"ldaps://localhost:{secure}", "ca": ca,
        }  # fmt: skip


_NODE = """
const { default: Provider } = require('oidc-provider');
const c = JSON.parse(process.argv[2]);
const person = { sub: 'ada', email: 'ada@corp.example', email_verified: true, given_name: 'Ada',
  family_name: 'Lovelace', groups: ['Fleet'] };
const provider = new Provider(c.issuer, {
  clients: [{ client_id: 'fahrwerk', client_secret: 's3cret/+', redirect_uris: c.redirects,
    response_types: ['code'], grant_types: ['authorization_code'] }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'],
    profile: ['given_name', 'family_name', 'groups'] },
  pkce: { required: () => true },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ ...person, sub: id }) }),
});
provider.listen(c.port, '127.0.0.1');
"""


@contextlib.contextmanager
def node_oidc(folder: Path, redirects: list[str]) -> Iterator[str]:
    """npm's certified oidc-provider with its development log-in page: its issuer."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    script = folder / "oidc.cjs"
    script.write_text(_NODE)
    given = json.dumps({"issuer": issuer, "port": port, "redirects": redirects})
    env = os.environ | {"NODE_PATH": str(node_modules()), "NODE_NO_WARNINGS": "1"}
    command = [str(program("node")), str(script), given]
    with running(command, port, folder / "node.log", env=env):
        yield issuer


_CONFIG = """<?php
$config = ['baseurlpath' => 'http://127.0.0.1:{port}/', 'secretsalt' => 'tests',
  'timezone' => 'UTC',
  'auth.adminpassword' => 'admin', 'technicalcontact_email' => 'na@example.org',
  'tempdir' => '{folder}/tmp', 'loggingdir' => '{folder}/', 'datadir' => '{folder}/',
  'certdir' => '{folder}/', 'metadatadir' => '{folder}/metadata', 'logging.handler' => 'errorlog',
  'enable.saml20-idp' => true, 'session.cookie.secure' => false, 'store.type' => 'phpsession',
  'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
  'metadata.sources' => [['type' => 'flatfile']], 'language.default' => 'en',
];
"""
_SOURCES = """<?php
$config = ['people' => ['exampleauth:UserPass', 'ada:engine' => ['uid' => ['ada'],
  'Email' => ['ada@corp.example'], 'Department' => ['Sales'], 'Role' => ['Fleet']]]];
"""
_HOSTED = """<?php
$metadata['{entity}'] = ['host' => '__DEFAULT__', 'privatekey' => 'key.pem',
  'certificate' => 'cert.pem', 'auth' => 'people', 'SingleSignOnServiceBinding' =>
  ['urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect'],
  'NameIDFormat' => 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
  'simplesaml.nameidattribute' => 'Email',
  'authproc' => [3 => ['class' => 'saml:AttributeNameID', 'attribute' => 'Email',
    'Format' => 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress']]];
"""
_REMOTE = """<?php
$metadata['{entity}'] = ['AssertionConsumerService' => [['index' => 0,
  'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST', 'Location' => '{acs}']]];
"""


@contextlib.contextmanager
def simplesaml(folder: Path) -> Iterator[tuple[str, Any]]:
    """Debian's SimpleSAMLphp as an identity provider: its metadata address, and a function that
    makes us known there (entity id, ACS)."""
    port = free_port()
    tls(folder, "idp.corp.example")
    (folder / "metadata").mkdir()
    (folder / "tmp").mkdir()
    entity = f"http://127.0.0.1:{port}/idp"
    (folder / "config.php").write_text(
        _CONFIG.replace("{port}", str(port)).replace("{folder}", str(folder))
    )
    (folder / "authsources.php").write_text(_SOURCES)
    hosted = folder / "metadata/saml20-idp-hosted.php"
    hosted.write_text(_HOSTED.replace("{entity}", entity))

    def know(entity_id: str, acs: str) -> None:
        text = _REMOTE.replace("{entity}", entity_id).replace("{acs}", acs)
        (folder / "metadata/saml20-sp-remote.php").write_text(text)

    env = os.environ | {"SIMPLESAMLPHP_CONFIG_DIR": str(folder)}
    quiet = ["-d", "error_reporting=0", "-d", "display_errors=0", "-d", "opcache.enable=0"]
    php = [str(program("php")), *quiet, "-S", f"127.0.0.1:{port}", "-t", str(SIMPLESAML / "www")]
    with running(php, port, folder / "php.log", env=env):
        yield f"http://127.0.0.1:{port}/saml2/idp/metadata.php", know
