"""The answer for senders whose own format asks for none in particular: JSON that says what was kept, and what was not and why."""

from tocsin_detection.intake.intake import HttpAnswer, Outcome, Report, json_answer


def answer(report: Report, outcome: Outcome) -> HttpAnswer:
    """202 with the alerts' ids, or 400 with the same and what was refused."""
    stored: dict[str, object] = {
        "accepted": len(report.signals),
        "alerts": list(dict.fromkeys(alert_id for alert_id in outcome.alert_ids if alert_id is not None)),
    }
    if not report.rejections:
        return json_answer(202, stored)
    refused = [{"index": rejection.index, "error": rejection.reason} for rejection in report.rejections]
    return json_answer(400, {"error": report.rejections[0].reason, **stored, "rejections": refused})


def refused(status: int, error: str) -> HttpAnswer:
    """The answer to a request in which nothing can be used; `error` names the field and how to mend it."""
    return json_answer(status, {"error": error, "accepted": 0, "alerts": []})


def refusal(status: int, error: str) -> Report:
    """A report that is refused as a whole."""
    return Report(refusal=refused(status, error))
