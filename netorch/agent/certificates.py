"""The device's certificate: its key is made here and stays here; what the authority sends is installed whole or not at all.

``pki/current`` leads to the set of files in use, and each file in ``pki`` leads into it: one rename changes them all, and a
reader of ``pki/key.pem`` finds either the old set or the new one. Certificates are no part of a generation: a rollback must
bring back neither an old key nor a certificate that was revoked.
"""

from __future__ import annotations

import base64
import fcntl
import os
import time

from netorch.agent.clock import now, uptime, wait
from netorch.agent.files import read_json, read_text, sha256_of, sync_folder, write_file, write_json
from netorch.agent.journal import make_folders, remove_folder
from netorch.agent.outcome import Busy, Refused, answer
from netorch.agent.paths import PROGRAMS, STATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any, Dict, List, Optional

PKI = f"{STATE}/pki"
KEY, CERTIFICATE, AUTHORITY, REVOKED, FACTS = (
    "key.pem",
    "certificate.pem",
    "authority.pem",
    "revoked.pem",
    "certificate.json",
)
_CURRENT = f"{PKI}/current"
_SETS = f"{PKI}/sets"
_NEXT = f"{PKI}/next"
"""A key that waits for its certificate, and its signing request."""

_LOCK_WAIT_S = 10.0
_OPENSSL_TIMEOUT_S = 10.0
_NEXT_KEY_S = 86400.0
"""A key that has waited longer is not used any more."""

_FACTS = (
    "serial fingerprint issuer issued not_after key_origin authorities crl_number revoked".split()  # noqa: SIM905 - one line
)

# Source: OpenSSL, include/openssl/x509_vfy.h.in: X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED, _CRL_NOT_YET_VALID,
# _CRL_HAS_EXPIRED, and _CERT_REVOKED.
_UNTIMELY = (9, 10, 11, 12)
_CERT_REVOKED = 23


def read_certificate() -> Optional[Dict[str, Any]]:
    """CertificateFacts as JSON; None where there is no certificate."""
    document = read_json(f"{PKI}/{FACTS}")
    if document is None:
        return None
    return {**{name: document[name] for name in _FACTS}, "problem": _problem(document), "clock": now()}


def _problem(document: Dict[str, Any]) -> str:
    """What is wrong with the files, compared with what was installed."""
    for name, digest in sorted(document["files"].items()):
        text = read_text(f"{PKI}/{name}")
        if text is None:
            return f"{name} is missing"
        if sha256_of(text.encode()) != digest:
            return f"{name} is not what was installed"
    try:
        mode = os.stat(f"{PKI}/{KEY}").st_mode
    except OSError as exc:
        return f"{KEY} cannot be read: {exc.strerror}"
    return f"others may read {KEY}" if mode & 0o077 else ""


class _Lock:
    """The right to change the certificate; apart from the device's own lock, so that a deploy is in nobody's way."""

    def __enter__(self) -> None:
        make_folders()
        try:
            os.makedirs(_SETS, mode=0o700, exist_ok=True)
            os.chmod(PKI, 0o700)
            self._descriptor = os.open(f"{PKI}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise Refused(f"cannot write to {PKI}: {exc.strerror}") from None
        deadline = uptime() + _LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if uptime() >= deadline:
                    os.close(self._descriptor)
                    raise Busy("someone else is changing the certificate", hint="try again") from None
                wait(0.05)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


# ---- the signing request --------------------------------------------------------------------------------------------


def make_csr(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to a CsrRequest.

    A key that was made before and got no certificate, since a controller died or another one asks at the same time, is used
    again: both then get a certificate that fits.
    """
    with _Lock():
        if not request.get("fresh") and _is_recent(_NEXT):
            return answer("csr", csr=_text(f"{_NEXT}/csr.pem"))
        program = _openssl()
        if program is None:
            return answer("csr", "there is no openssl on the device")
        try:
            return answer("csr", csr=_make_next(program, request["device"]))
        except OSError as exc:
            raise Refused(f"cannot write to {PKI}: {exc.strerror}") from None
        except _OpensslFailed as exc:
            return answer("csr", str(exc))


class _OpensslFailed(Exception):
    """The program cannot do it; the message is its own."""


def _is_recent(folder: str) -> bool:
    try:
        age_s = now() - os.stat(f"{folder}/csr.pem").st_mtime
    except OSError:
        return False
    return 0 <= age_s < _NEXT_KEY_S and os.path.exists(f"{folder}/{KEY}")


def _make_next(program: str, device: str) -> str:
    new = f"{_NEXT}.new"
    remove_folder(new)
    os.mkdir(new, 0o700)
    # Of the device's own openssl.cnf nothing is taken, and it may be missing.
    settings = f"[req]\nprompt = no\ndistinguished_name = name\n[name]\nCN = {device}\n"
    write_file(f"{new}/openssl.cnf", settings.encode())
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve"]
    _run([program, "genpkey", *curve, "-out", f"{new}/{KEY}"], new)
    os.chmod(f"{new}/{KEY}", 0o600)
    _run([program, "req", "-new", "-sha256", "-key", f"{new}/{KEY}", "-out", f"{new}/csr.pem"], new)
    csr = _text(f"{new}/csr.pem")
    _sync(new)
    remove_folder(_NEXT)
    os.rename(new, _NEXT)
    sync_folder(PKI)
    return csr


def _openssl() -> Optional[str]:
    names = (f"{folder}/openssl" for folder in PROGRAMS)
    return next((name for name in names if os.access(name, os.X_OK)), None)


def _run(command: List[str], folder: str) -> None:
    import subprocess

    environment = {"PATH": ":".join(PROGRAMS), "OPENSSL_CONF": f"{folder}/openssl.cnf", "RANDFILE": f"{folder}/random"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # nothing that it may say of a key is kept
            stderr=subprocess.PIPE,
            env=environment,
            umask=0o077,
            timeout=_OPENSSL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _OpensslFailed(f"openssl {command[1]} did not end within {_OPENSSL_TIMEOUT_S:g} s") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _OpensslFailed(f"openssl {command[1]} failed: {said[0] if said else 'it said nothing'}")


# ---- installing -----------------------------------------------------------------------------------------------------


def certify(request: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to a CertifyRequest: the set of files is complete, tried and on disk before it comes into use."""
    with _Lock():
        present = read_json(f"{PKI}/{FACTS}")
        if present is not None and present["crl_number"] > request["trust"]["crl_number"]:
            hint = "is the authority's folder an old copy? netorch pki show tells where it is"
            raise Refused("the device has a later list of revoked certificates than the one that was sent", hint=hint)
        name = f"{now():.6f}"
        folder = f"{_SETS}/{name}"
        try:
            os.mkdir(folder, 0o700)
            notes = _write_set(folder, request, present)
            _switch_to(name)
        except OSError as exc:
            remove_folder(folder)
            raise Refused(f"cannot write to {PKI}: {exc.strerror}") from None
        except Refused:
            remove_folder(folder)
            raise
        _clear(keep=name)
        return answer("certified", certificate=read_certificate(), notes=notes)


def _write_set(folder: str, request: Dict[str, Any], present: Optional[Dict[str, Any]]) -> List[str]:
    trust, certificate = request["trust"], request.get("certificate")
    if certificate is None and present is None:
        raise Refused("there is no certificate here yet, and none was sent")
    pem = _text(f"{PKI}/{CERTIFICATE}") if certificate is None else str(certificate["pem"])
    described = certificate if certificate is not None else present
    assert described is not None
    if _fingerprint(pem) != described["fingerprint"]:
        raise Refused("the certificate is damaged: its fingerprint is another")
    texts = {CERTIFICATE: pem, AUTHORITY: trust["authority_pem"], REVOKED: trust["revoked_pem"]}
    for name, text in texts.items():
        write_file(f"{folder}/{name}", text.encode())
    origin = _put_key(folder, request, present)
    texts[KEY] = _text(f"{folder}/{KEY}")
    document = {
        **{name: described[name] for name in ("serial", "fingerprint", "issuer", "issued", "not_after")},
        "key_origin": origin,
        "authorities": trust["authorities"],
        "crl_number": trust["crl_number"],
        "revoked": trust["revoked"],
        "files": {name: sha256_of(text.encode()) for name, text in texts.items()},
    }
    write_json(f"{folder}/{FACTS}", document)
    return _try(folder, request["device"])


def _put_key(folder: str, request: Dict[str, Any], present: Optional[Dict[str, Any]]) -> str:
    """The private key that belongs to the set's certificate; where it was made."""
    key = request.get("key")
    if key is not None:
        write_file(f"{folder}/{KEY}", key.encode())
        if not _fits(folder):
            raise Refused("the key that was sent is not that of the certificate")
        return "controller"
    origin = present["key_origin"] if present is not None else "device"
    for place, made in ((_NEXT, "device"), (PKI, origin)):
        if os.path.exists(f"{place}/{KEY}"):
            os.link(os.path.realpath(f"{place}/{KEY}"), f"{folder}/{KEY}")
            if _fits(folder):
                return str(made)
            os.unlink(f"{folder}/{KEY}")
    hint = "another controller asked for one at the same time, or the device was set up anew: try again"
    raise Refused("the device has no key that this certificate belongs to", hint=hint)


def _fits(folder: str) -> bool:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(f"{folder}/{CERTIFICATE}", f"{folder}/{KEY}")
    except ssl.SSLError:
        return False
    return True


def _try(folder: str, device: str) -> List[str]:
    """Have the set speak TLS with itself, in memory, in the way that the mirror's agents do. What only time makes wrong is a
    remark: the device's clock may be put right, and the certificate is then good.

    Raises Refused for everything else.
    """
    import ssl

    try:
        client, server = (_context(folder, kind) for kind in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER))
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        sides = [
            client.wrap_bio(back, there, server_hostname=device),
            server.wrap_bio(there, back, server_side=True),
        ]
        for _ in range(3):
            sides = [side for side in sides if not _shake(side)]
        if sides:
            raise Refused("the certificate does not work here: its handshake does not end")
    except ssl.SSLCertVerificationError as exc:
        if exc.verify_code == _CERT_REVOKED:
            return ["its own certificate is revoked"]  # what it is told of others counts all the same
        if exc.verify_code not in _UNTIMELY:
            raise Refused(f"the certificate does not work here: {exc.verify_message}") from None
        told = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now()))
        return [f"{exc.verify_message}: this device's clock says {told}"]
    except ssl.SSLError as exc:
        raise Refused(f"the certificate does not work here: {exc.reason or exc}") from None
    return []


def _shake(side: ssl.SSLObject) -> bool:
    import ssl

    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _context(folder: str, kind: int) -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(kind)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(f"{folder}/{CERTIFICATE}", f"{folder}/{KEY}")
    context.load_verify_locations(f"{folder}/{AUTHORITY}")
    context.load_verify_locations(f"{folder}/{REVOKED}")
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def _switch_to(name: str) -> None:
    """Bring a set into use, by one rename."""
    _sync(f"{_SETS}/{name}")
    sync_folder(_SETS)
    _link(f"sets/{name}", _CURRENT)
    for file in (KEY, CERTIFICATE, AUTHORITY, REVOKED, FACTS):
        if not os.path.islink(f"{PKI}/{file}"):
            _link(f"current/{file}", f"{PKI}/{file}")
    sync_folder(PKI)


def _link(target: str, path: str) -> None:
    new = f"{path}.new"
    if os.path.lexists(new):
        os.unlink(new)
    os.symlink(target, new)
    os.rename(new, path)


def _clear(keep: str) -> None:
    """What is no longer used: former sets, with their keys, and the key that has its certificate now."""
    for name in os.listdir(_SETS):
        if name != keep:
            remove_folder(f"{_SETS}/{name}")
    used = os.stat(f"{PKI}/{KEY}")
    if os.path.exists(f"{_NEXT}/{KEY}") and os.path.samestat(os.stat(f"{_NEXT}/{KEY}"), used):
        remove_folder(_NEXT)


def _sync(folder: str) -> None:
    for name in os.listdir(folder):
        descriptor = os.open(f"{folder}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    sync_folder(folder)


def _text(path: str) -> str:
    text = read_text(path)
    if text is None:
        raise Refused(f"{path} is missing", hint="netorch pki renew makes a new certificate")
    return text


def _fingerprint(pem: str) -> str:
    """SHA-256 of the DER form of the first certificate."""
    body = pem.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END CERTIFICATE-----")[0]
    try:
        return sha256_of(base64.b64decode(body))
    except ValueError:
        raise Refused("the certificate is damaged: it is no PEM") from None
