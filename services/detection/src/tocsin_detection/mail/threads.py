"""Threads of mail: a message that answers another one is about the same thing, whatever its subject says."""

from dataclasses import replace
from datetime import timedelta

from tocsin_chassis.postgres.database import Database
from tocsin_detection.intake import email
from tocsin_detection.intake.email_message import KEY, answered_ids, headers_of
from tocsin_detection.intake.intake import Request
from tocsin_detection.mail import store
from tocsin_kernel.clock import Clock

KEPT = timedelta(days=30)


class MailThreads:
    """Remembers by their ids what messages were about."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def serve(self, request: Request) -> Request | None:
        """The report with the thing that its thread is about; None if it begins a thread or says by itself what it is about."""
        report = email.read(request)
        if not report.signals:
            return None
        signal, headers = report.signals[0], headers_of(request.body)
        async with self._database.transaction() as tx:
            answered = [] if headers.get(KEY, "").strip() else answered_ids(headers)
            thread = await store.fingerprint_of_thread(tx, signal.integration, answered) if answered else None
            if signal.delivery:
                await store.remember_message(tx, signal.integration, signal.delivery, thread or signal.fingerprint, request.received_at)
        return replace(request, headers={**request.headers, email.THREAD: thread}) if thread else None

    async def forget_old(self) -> None:
        """Forget messages that nobody answers any more."""
        async with self._database.transaction() as tx:
            await store.forget_messages(tx, self._clock.now() - KEPT)
