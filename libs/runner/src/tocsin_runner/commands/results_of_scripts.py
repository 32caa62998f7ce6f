"""What came of a script, wherever it ran."""

import json
from collections.abc import Mapping

from tocsin_runner.assignment import Failed, Finding, Json, Outcome, State, Task
from tocsin_runner.results import taken


def judged(task: Task, status: int, out: bytes, err: bytes, where: str) -> Outcome:
    """Exit status 0 is a success; anything else is told with what it wrote. Raises Failed."""
    stdout, stderr = out.decode(errors="replace"), err.decode(errors="replace")
    for name, content in (("stdout.txt", out), ("stderr.txt", err)):
        if content:
            task.findings.append(Finding(name, "text/plain", content, where, "tocsin-runner"))
    if status != 0:
        raise Failed(f"exit status {status}: {(stderr or stdout).strip()[-1000:]}")
    fixed: Mapping[str, Json] = {"stdout": stdout.rstrip("\n"), "stderr": stderr.rstrip("\n"), "exit_code": status}
    return Outcome(State.SUCCEEDED, f"exit status 0 at {where}", variables=taken(task.assignment.out_args, fixed, _document(stdout)))


def _document(text: str) -> Json:
    """A script that writes a JSON object sets variables by its names."""
    try:
        return json.loads(text)
    except ValueError:
        return None
