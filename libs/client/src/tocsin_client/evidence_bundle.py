"""Evidence as one zip file that anybody can verify: the items, the ledger's entries with proofs, the signed head, and a script."""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

README = """\
Evidence of incident {incident}, exported {signed_at}

blobs/<SHA-256>   the items, each named by the hash of its bytes
items.json        what was said of each item when it was collected, and its custody
ledger.jsonl      every entry of the custody ledger about this incident: `entry` is the exact text that was hashed,
                  `proof` shows that the signed head covers it (RFC 9162, section 2.1.3)
head.json         the head of the whole ledger: how many entries, the root of the Merkle tree over them, and when; signed with Ed25519
public.key        the public key of the head, in hexadecimal
verify.py         verifies all of it; needs Python 3.11 and the library cryptography, and nothing of Tocsin:

    python verify.py PUBLIC_KEY

Compare the public key with one that you got another way: whoever could write this whole file could have written a key of their own.
Entries about other incidents are not in here; that they were there before and after, and are unchanged, the root says.
"""


def write(
    file: Path, incident: str, head: Any, entries: Iterable[Any], items: list[Any], contents: Iterable[tuple[str, Iterator[bytes]]]
) -> int:
    """Write a bundle; returns how many items. Content is copied in pieces. Raises FileExistsError."""
    with zipfile.ZipFile(file, "x", zipfile.ZIP_DEFLATED, allowZip64=True) as bundle:
        written: set[str] = set()
        for sha256, pieces in contents:
            if sha256 not in written:
                written.add(sha256)
                _copy(bundle, f"blobs/{sha256}", pieces)
        for name, text in {
            "README.txt": README.format(incident=incident, signed_at=head.text.split("\n")[3]),
            "items.json": json.dumps(items, indent=1, ensure_ascii=False),
            "ledger.jsonl": "".join(_line(each) for each in entries),
            "head.json": json.dumps({"text": head.text, "signature": head.signature, "public_key": head.public_key}, indent=1),
            "public.key": head.public_key + "\n",
            "verify.py": (files("tocsin_client") / "evidence_verify.py").read_text(),
        }.items():
            bundle.writestr(name, text)
    return len(items)


def hashed(pieces: Iterator[bytes], expected: str) -> Iterator[bytes]:
    """The same pieces; ValueError at the end if they are not what they should be."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
        yield piece
    if found.hexdigest() != expected:
        raise ValueError(f"what came has the hash {found.hexdigest()}, and should have {expected}")


def _line(proven: Any) -> str:
    return json.dumps({"entry": proven.entry.canonical, "proof": list(proven.proof)}, ensure_ascii=False) + "\n"


def _copy(bundle: zipfile.ZipFile, name: str, pieces: Iterator[bytes]) -> None:
    with bundle.open(name, "w", force_zip64=True) as to:
        for piece in pieces:
            to.write(piece)
