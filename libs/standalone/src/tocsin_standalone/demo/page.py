"""The mailbox as web pages: a list that renews itself, and one page for each mail."""

import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from tocsin_standalone.mailbox import LINK, Mailbox

FOLDER = Path(__file__).parent / "pages"
TRAILING = re.compile(r"[.,;:!?)]+$")
# Mail is written by strangers: nothing in it may run or load anything.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def mailbox_pages(mailbox: Mailbox, console: str) -> Starlette:
    """The web pages of `mailbox`; `console` is where the platform's own pages are."""
    pages = _Pages(mailbox, console)
    routes = [Route("/", pages.list), Route("/mails/{number:int}", pages.mail), Route("/mailbox.css", pages.style)]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])])


def linked(text: str) -> Markup:
    """The text for HTML, with its web addresses to click on. Everything else is shown as it is written."""
    parts: list[Markup] = []
    position = 0
    for found in LINK.finditer(text):
        address = TRAILING.sub("", found.group())
        parts.append(escape(text[position : found.start()]))
        parts.append(Markup('<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>').format(address))
        position = found.start() + len(address)
    parts.append(escape(text[position:]))
    return Markup("").join(parts)


@dataclass(frozen=True)
class _Pages:
    mailbox: Mailbox
    console: str

    async def list(self, request: Request) -> Response:
        return _page("list.html", mails=list(reversed(self.mailbox.messages)), console=self.console)

    async def mail(self, request: Request) -> Response:
        number = request.path_params["number"]
        mail = next((mail for mail in self.mailbox.messages if mail.number == number), None)
        if mail is None:
            return _page("missing.html", status=404)
        return _page("mail.html", mail=mail, body=linked(mail.text))

    async def style(self, request: Request) -> Response:
        return FileResponse(FOLDER / "mailbox.css", headers=HEADERS)


def _page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    return HTMLResponse(environment.get_template(template).render(values), status, HEADERS)
