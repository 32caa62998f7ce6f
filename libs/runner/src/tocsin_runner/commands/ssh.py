"""CACAO's ssh: a script at another machine, which is known by its key. A marker there keeps it from running twice."""

from tocsin_runner.assignment import Assignment, Outcome, Refused, Task, Unknown, Verb
from tocsin_runner.commands.address import host_of, information, port_of
from tocsin_runner.commands.results_of_scripts import judged
from tocsin_runner.commands.scripts import environment, for_bash, text_of
from tocsin_runner.secrets import Secrets
from tocsin_runner.shell import LineCut, Machine, Shell, once


class Ssh:
    """Runs scripts at other machines."""

    def __init__(self, secrets: Secrets, private_hosts: frozenset[str]) -> None:
        self._secrets = secrets
        self._shell = Shell(private_hosts)

    async def carry_out(self, task: Task) -> Outcome:
        """Raises Ended, LeaseLost."""
        assignment = task.assignment
        if assignment.verb is not Verb.EXECUTE:
            raise Refused("a script can neither be undone nor verified by itself")
        if assignment.simulated:
            raise Refused("scripts do not run at other machines in an exercise")
        script = wrapped(assignment)
        host = host_of(assignment)
        async with self._shell.at(self._machine(assignment, host)) as line:
            task.about_to_change()
            try:
                ran = await line.run(script)
            except LineCut as error:
                raise Unknown(str(error)) from error
        task.answered()
        return judged(task, ran.status, ran.out.encode(), ran.err.encode(), host)

    def _machine(self, assignment: Assignment, host: str) -> Machine:
        info, read = information(assignment), self._secrets.for_host
        if info.get("type") not in ("user-auth", "private-key", None) or not info:
            raise Refused("ssh needs authentication information of type user-auth: username, and private_key or password by secret:NAME")
        by_key = bool(info.get("private_key"))
        return Machine(
            host=host,
            port=port_of(assignment, 22),
            user=str(info.get("username") or ""),
            host_keys=read(str(info.get("host_key")), host),
            private_key=read(str(info["private_key"]), host) if by_key else "",
            password="" if by_key else read(str(info.get("password")), host),
        )


def wrapped(assignment: Assignment) -> str:
    """What is sent. Raises Refused."""
    return once(for_bash(text_of(assignment), assignment.variables), environment(assignment.variables), assignment.key)
