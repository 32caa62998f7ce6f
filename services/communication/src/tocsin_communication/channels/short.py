"""What an SMS says, whoever carries it, and which numbers there are."""

import re

from tocsin_communication.channels.channel import Outgoing
from tocsin_communication.pages.message import one_line
from tocsin_communication.pages.page import Kind

LONGEST_SAID = 300
RESENT = "(You may have had this before.)"
STOP = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT")
START = ("START", "UNSTOP")
HELP = ("HELP", "INFO")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_SENDER = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")


def text(outgoing: Outgoing, resent: bool, hears: bool) -> str:
    """The text; with `hears` the sender can be answered, otherwise it has a link."""
    page = outgoing.page
    parts = [one_line(page.body if page.kind is Kind.DIRECT else page.subject, LONGEST_SAID)]
    if outgoing.reply_code and hears:
        yes, no = ("YES", "NO") if outgoing.is_approval else ("ACK", "ESC")
        ends = ("to approve", "to deny") if outgoing.is_approval else ("to take it", "to pass it on")
        parts.append(f"Reply {yes} {outgoing.reply_code} {ends[0]}, {no} {outgoing.reply_code} {ends[1]}.")
    elif outgoing.acknowledge_url:
        parts.append(f"{outgoing.yes}: {outgoing.acknowledge_url}")
    return " ".join([*parts, RESENT] if resent else parts)


def phone_flaw(address: str) -> str:
    """What is wrong with a phone number; empty if nothing is."""
    return "" if _PHONE.fullmatch(address) else "must be a phone number with its country, such as +15551234567, without spaces"


def sender_flaw(sender: str) -> str:
    """What is wrong with who sends an SMS; empty if nothing is."""
    good = _SENDER.fullmatch(sender) is not None
    return "" if good else "must be a phone number such as +15551234567, a short code, or a word of at most 11 letters and digits"


def is_word(sender: str) -> bool:
    """Nobody can answer a word."""
    return any(letter.isalpha() for letter in sender)
