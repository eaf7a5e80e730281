"""Texts of an inventory -> Inventory; reports everything that is wrong at once."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from netorch.errors import InternalError
from netorch.inventory.build import build_inventory
from netorch.inventory.check_addresses import check_addresses
from netorch.inventory.check_policy import check_policy
from netorch.inventory.check_references import check_references
from netorch.inventory.check_routers import check_routers
from netorch.inventory.check_sources import check_actions, check_sources
from netorch.inventory.check_versions import check_versions
from netorch.inventory.document import Document, SyntaxProblem, parse_document
from netorch.inventory.findings import Findings
from netorch.inventory.keys import Keys
from netorch.inventory.messages import validated
from netorch.inventory.schema import FILES
from netorch.inventory.schema_lab import LabFile
from netorch.inventory.schema_network import NetworkFile, ProvidersFile
from netorch.inventory.schema_pops import PopFile
from netorch.inventory.tree import LAB, NETWORK, POPS, PROVIDERS, Site, Tree, kind_of_file
from netorch.model.inventory import Inventory
from netorch.model.text import did_you_mean


def load_inventory(files: Mapping[str, str], *, folder: str, commit: str = "", shown: str | None = None) -> Inventory:
    """The Inventory that ``files`` (path relative to the inventory folder: text) describe.

    ``folder`` is the absolute path that relative paths start from, ``commit`` the git commit it stands at. Errors name
    files below ``shown``, the folder as the operator wrote it (by default its last part).

    Raises InventoryError with every finding, sorted by file and position.
    """
    tree = load_tree(files, folder, findings=Findings(shown_folder(folder, shown)))
    return build_inventory(tree, folder=folder, commit=commit)


def load_tree(files: Mapping[str, str], folder: str, *, findings: Findings) -> Tree:
    """The files with their places, which ``findings`` learns.

    Raises InventoryError with every finding. It comes in two stages: what the files say about each other is checked once
    each is right by itself, since half an inventory would accuse the wrong ones.
    """
    tree = _read_tree(files, folder=folder, findings=findings)
    findings.raise_any()
    if tree is None:
        raise InternalError("an inventory that is not whole, without a finding", where=folder)
    check_references(tree, findings)
    check_versions(tree, findings)
    check_addresses(tree, findings)
    check_routers(tree, findings)
    check_policy(tree, findings)
    check_sources(tree, findings)
    check_actions(tree, findings)
    findings.raise_any()
    return tree


def shown_folder(folder: str, shown: str | None) -> str:
    """How errors name the inventory's folder: as the operator did, else by its last part."""
    return posixpath.basename(folder.rstrip("/")) if shown is None else shown


def _read_tree(files: Mapping[str, str], *, folder: str, findings: Findings) -> Tree | None:
    kinds = {file: kind_of_file(file) for file in sorted(files)}
    read = {file: _read(file, files[file], kind, findings=findings) for file, kind in kinds.items() if kind is not None}
    network = read.get(NETWORK)
    outside = _outside(network, folder) if isinstance(network, NetworkFile) else ()
    for file, kind in kinds.items():
        if kind is None and not file.startswith(outside):
            _add_unknown_file(file, findings)
    sites = tuple(Site(file, keys) for file, keys in read.items() if isinstance(keys, PopFile))
    # A network of routers alone needs no providers.
    needs_providers = any(site.keys.circuits for site in sites)
    for needed in (NETWORK, PROVIDERS) if needs_providers else (NETWORK,):
        if needed not in files:
            findings.add_at(needed, 0, 0, message="required, but missing", hint="docs/inventory.md lists its keys")
    if "pop" not in kinds.values():
        findings.add_at(POPS, 0, 0, message="expected at least one POP, found none", hint=f"write {POPS}/NAME.yml")
    providers = read.get(PROVIDERS) if PROVIDERS in files else ProvidersFile()
    lab = read.get(LAB, LabFile()) if LAB in files else LabFile()
    if not isinstance(network, NetworkFile) or not isinstance(providers, ProvidersFile) or not isinstance(lab, LabFile):
        return None
    return Tree(network, providers, sites, lab)


def _read(file: str, text: str, kind: str, *, findings: Findings) -> Keys | None:
    try:
        document = parse_document(text)
    except SyntaxProblem as problem:
        findings.add_at(file, problem.line, problem.column, message=problem.message, hint=problem.hint)
        return None
    findings.read(file, document)
    # An empty lab.yml says nothing, which is what it may say.
    data = {} if kind == "lab" and document == Document(None, None) else document.data
    return validated(FILES[kind], data, file=file, findings=findings)


def _outside(network: NetworkFile, folder: str) -> tuple[str, ...]:
    """Folders below the inventory that belong to others, relative with a final slash: templates and plugins."""
    paths = [network.templates, *(plugin.path for plugin in network.plugins)]
    return tuple(posixpath.relpath(posixpath.join(folder, path), folder) + "/" for path in paths if path is not None)


def _add_unknown_file(file: str, findings: Findings) -> None:
    stem, extension = posixpath.splitext(file)
    known = [NETWORK, PROVIDERS, LAB]
    if extension == ".yaml" and kind_of_file(stem + ".yml"):
        hint = f"rename it to {stem}.yml"
    else:
        hint = did_you_mean(file, known) or f"POPs are {POPS}/NAME.yml; the other files are {', '.join(known)}"
    findings.add_at(file, 0, 0, message="a file that is no part of an inventory", hint=hint)
