"""Slack's methods, and what each answer means."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tocsin_communication.channels import slack_words as words
from tocsin_communication.channels.chat import Refused, text_at
from tocsin_communication.channels.http import Http, Lost

# These do not read JSON.
READING = frozenset({"conversations.history", "conversations.replies"})
ASIDE_SECONDS = 10.0


class SlackApi:
    """Slack's methods."""

    def __init__(self, http: Http, url: str, token: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._token = token

    async def call(self, method: str, arguments: Mapping[str, object], seconds: float) -> dict[str, Any]:
        """The answer of a method that succeeded. Raises Refused."""
        headers = {"authorization": f"Bearer {self._token}"}
        url = f"{self._url}/{method}"
        try:
            if method in READING:
                headers["content-type"] = "application/x-www-form-urlencoded"
                written = urlencode({name: str(value).lower() if value is True else value for name, value in arguments.items()})
                answer = await self._http.ask("POST", url, seconds=seconds, headers=headers, content=written.encode())
            else:
                answer = await self._http.ask_json("POST", url, arguments, seconds=seconds, headers=headers)
        except Lost as lost:
            raise Refused(lost.receipt) from lost
        refused = words.refusal(answer)
        if refused is not None:
            raise Refused(refused)
        return answer.json

    async def open_socket(self) -> str:
        """An address for Socket Mode, good once; for an app-level token. Raises Refused."""
        return text_at(await self.call("apps.connections.open", {}, ASIDE_SECONDS), "url")

    async def answer_press(self, response_url: str, text: str) -> None:
        """Tell only the one who pressed. Slack says where; the secret of the address is good for this alone."""
        content = {"response_type": "ephemeral", "replace_original": False, "text": words.escaped(text)}
        await self._http.ask_json("POST", response_url, content, seconds=ASIDE_SECONDS)
