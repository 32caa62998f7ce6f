"""What was saved of another system: one JSON file with all resources, or a folder with a file for each."""

import json
from pathlib import Path
from typing import Any

from tocsin_client.importing.api import ImportFailed


def read(path: Path) -> dict[str, Any]:
    """The archive: by resource what the API gave. Raises ImportFailed naming the file."""
    if path.is_file():
        found = _json(path)
        if not isinstance(found, dict):
            raise ImportFailed(f"{path}: must be an object with a list for each resource")
        return {name: unwrapped(each, name) for name, each in found.items()}
    if not path.is_dir():
        raise ImportFailed(f"{path}: no such file or directory")
    files = {file.stem.replace("-", "_"): file for file in sorted(path.glob("*.json"))}
    if not files:
        raise ImportFailed(f"{path}: holds no .json file; save each resource as <resource>.json")
    return {name: unwrapped(_json(file), name) for name, file in files.items()}


def unwrapped(found: Any, name: str) -> Any:
    """The list within the envelope that an API puts around it."""
    if isinstance(found, dict):
        for envelope in ("data", "values", "results", name):
            if isinstance(found.get(envelope), list | dict):
                return unwrapped(found[envelope], name)
    return found


def save(archive: dict[str, Any], path: Path) -> None:
    """Keep what was read, for a second look without asking again."""
    path.write_text(json.dumps(archive, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ImportFailed(f"{path}: {error}") from error
