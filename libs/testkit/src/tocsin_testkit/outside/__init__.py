"""The outside world as small servers that speak the real protocols."""

from tocsin_testkit.outside.mail import Mailbox as Mailbox
from tocsin_testkit.outside.mail import mailbox as mailbox
