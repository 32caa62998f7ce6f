"""Verifies a bundle of evidence with nothing of Tocsin: python verify.py [PUBLIC KEY]. Needs the library cryptography."""

import hashlib, json, pathlib, sys  # noqa: E401, I001
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

here = pathlib.Path(__file__).parent
problems = []


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def root_of(found: bytes, number: int, last: int, proof: list[str]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2)."""
    for each in map(bytes.fromhex, proof):
        right = number & 1 or number == last
        found = sha256(b"\1" + each + found) if right else sha256(b"\1" + found + each)
        while right and number and not number & 1:
            number, last = number >> 1, last >> 1
        number, last = number >> 1, last >> 1
    return found if last == 0 else b""


head = json.loads((here / "head.json").read_text())
size, root = int(head["text"].split("\n")[1]), bytes.fromhex(head["text"].split("\n")[2])
if len(sys.argv) > 1 and sys.argv[1] != head["public_key"]:
    problems.append("the head was signed with another public key than the one given")
Ed25519PublicKey.from_public_bytes(bytes.fromhex(head["public_key"])).verify(bytes.fromhex(head["signature"]), head["text"].encode())
items = {}
for line in (here / "ledger.jsonl").read_text().splitlines():
    proven = json.loads(line)
    entry = json.loads(proven["entry"])
    if root_of(sha256(b"\0" + proven["entry"].encode()), entry["index"], size - 1, proven["proof"]) != root:
        problems.append(f"entry {entry['index']} is not covered by the signed head: it was changed")
    if entry["action"] in ("collect", "derive"):
        items[entry["item"]] = json.loads(entry["payload"])
for item, said in items.items():
    blob = here / "blobs" / said["sha256"]
    found = hashlib.file_digest(blob.open("rb"), "sha256").hexdigest() if blob.exists() else "none"
    if found != said["sha256"]:
        problems.append(f"item {item} ({said['name']}) has the hash {found}, and had {said['sha256']} when it was collected")
print("\n".join(problems) or f"all good: {len(items)} items, {size} entries up to {head['text'].split(chr(10))[3]}")
sys.exit(bool(problems))
