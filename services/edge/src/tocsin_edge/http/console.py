"""The console: the files that its build left, held in memory, and one page for every address inside of it."""

import gzip
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tocsin_edge.http import asgi
from tocsin_edge.http.asgi import Scope, Send

INDEX = "/index.html"
ASSETS = "/assets/"
FOR_EVER = b"public, max-age=31536000, immutable"
PACKED_FROM = 1024
PACKABLE = ("text/", "application/javascript", "application/json", "image/svg", "application/manifest")
POLICY = b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
NOT_BUILT = (
    b"<!doctype html><title>Tocsin</title><h1>The console is not built</h1>"
    b"<p>Run <code>make setup</code> (or <code>python services/edge/console/build_console.py</code>), then start the edge again.</p>"
)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    worth_packing: bool
    content_type: str
    cache: bytes


class Console:
    """Serves GET and HEAD. Assets carry a hash in their name and are kept for ever by browsers; the page never is."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            f"/{path.relative_to(folder).as_posix()}": _read(path, folder) for path in sorted(folder.rglob("*")) if path.is_file()
        }

    async def answer(self, scope: Scope, send: Send) -> None:
        path = scope["path"]
        file = self._files.get(path)
        if file is None and path.startswith(ASSETS):
            await asgi.answer(send, 404, "text/plain", b"there is no such file\n")
            return
        file = file or self._files.get(INDEX)
        headers: asgi.Headers = [(b"content-security-policy", POLICY), (b"x-frame-options", b"DENY")]
        if file is None:
            await asgi.answer(send, 503, "text/html; charset=utf-8", NOT_BUILT, headers)
            return
        headers += [(b"cache-control", file.cache), (b"vary", b"accept-encoding")]
        content = file.content
        if file.worth_packing and "gzip" in asgi.header(scope, b"accept-encoding"):
            content = _packed(content)
            headers.append((b"content-encoding", b"gzip"))
        await asgi.answer(send, 200, file.content_type, content, headers)


def built_console() -> Path:
    """Where the console is: in the package of a wheel, or where its build leaves it in a source tree."""
    package = Path(__file__).parents[1]
    inside = package / "console_dist"
    return inside if inside.is_dir() else package.parents[1] / "console" / "dist"


def _read(path: Path, folder: Path) -> _File:
    content = path.read_bytes()
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if content_type in ("text/javascript", "text/html", "text/css"):
        content_type += "; charset=utf-8"
    worth = len(content) >= PACKED_FROM and content_type.startswith(PACKABLE)
    hashed = path.relative_to(folder).parts[0] == ASSETS.strip("/")
    return _File(content, worth, content_type, FOR_EVER if hashed else b"no-cache")


@cache
def _packed(content: bytes) -> bytes:
    """Packed when it is first asked for: the edge does not wait for that when it starts."""
    return gzip.compress(content, 9)
