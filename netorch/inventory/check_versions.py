"""Whether netorch can write configurations for the daemons that the files name."""

from __future__ import annotations

from netorch.inventory.document import Path
from netorch.inventory.findings import Findings
from netorch.inventory.tree import NETWORK, Site, Tree
from netorch.model.capabilities import RELEASES, capabilities_of, supported_versions


def check_versions(tree: Tree, findings: Findings) -> None:
    """Add a finding for every daemon and version that there are no templates for, or none for such a device."""
    defaults = tree.network.defaults
    _check_version(findings, NETWORK, ("defaults",), daemon=defaults.daemon, version=defaults.version)
    for site in tree.sites:
        for path, device in site.devices():
            daemon, version = device.daemon or defaults.daemon, device.version or defaults.version
            if device.version:
                _check_version(findings, site.file, path, daemon=daemon, version=version)
            elif device.daemon:
                _check_default(findings, site.file, path, daemon=daemon, version=version)
            if path[0] == "switches":
                _check_circuits(findings, site, switch=device.name, daemon=daemon, version=version)
            if path[0] == "hosts":
                _check_host(findings, site.file, path, daemon=daemon, version=version)


def _check_default(findings: Findings, file: str, path: Path, *, daemon: str, version: str) -> None:
    """A device with a daemon of its own, and the version that ``defaults`` has for all."""
    can = capabilities_of(daemon, version)
    if can is None or not can.has_templates:
        message = f"expected a version of {daemon} beside it, found only that of defaults, {version!r}"
        findings.add(file, (*path, "daemon"), message=message, hint=f"write version: here; {_supported()}")


def _supported() -> str:
    return f"supported: {', '.join(supported_versions())}"


def _check_version(findings: Findings, file: str, path: Path, *, daemon: str, version: str) -> None:
    can = capabilities_of(daemon, version)
    if can is not None and can.has_templates:
        return
    message = f"expected a supported version of {daemon}, found {version!r}"
    findings.add(file, (*path, "version"), message=message, hint=_supported())


def _check_circuits(findings: Findings, site: Site, *, switch: str, daemon: str, version: str) -> None:
    """What the switch's daemon cannot do for its circuits."""
    can = capabilities_of(daemon, version)
    for at, circuit in enumerate(site.keys.circuits):
        if circuit.switch != switch or can is None:
            continue
        if circuit.keys and not can.authentication:
            fit = [f"{known.daemon} {known.release}" for known in RELEASES if known.authentication]
            message = f"{daemon} {version} has no TCP-AO"
            hint = f"password: instead; TCP-AO is in {', '.join(fit)}"
            findings.add(site.file, ("circuits", at, "keys"), message=message, hint=hint)
        if circuit.gtsm and circuit.bfd and not can.bfd_beside_gtsm:
            message = f"{daemon} {version} never brings BFD up beside GTSM"
            hint = "keep one of gtsm and bfd, or run BIRD on the switch (docs/sessions.md)"
            findings.add(site.file, ("circuits", at, "gtsm"), message=message, hint=hint)


def _check_host(findings: Findings, file: str, path: Path, *, daemon: str, version: str) -> None:
    can = capabilities_of(daemon, version)
    if can is None or not can.has_templates or can.has_templates_for("host"):
        return
    message = f"{daemon} {version} loses routes on their way to the kernel: expected a host to run another release"
    fit = [f"{known.daemon} {known.release}" for known in RELEASES if known.has_templates_for("host")]
    findings.add(file, (*path, "version"), message=message, hint=f"for hosts: {', '.join(fit)}")
