"""Steps of connectors that are scripts: where they run, what they are handed, and how their words are read."""

import hashlib
from collections.abc import Mapping
from fnmatch import fnmatchcase

from tocsin_runner.assignment import Document, Failed, Json, Refused
from tocsin_runner.connectors.connections import Connection
from tocsin_runner.connectors.expressions import as_text
from tocsin_runner.connectors.recipe import Recipe, Step
from tocsin_runner.http import Answer, Http, NoAnswer, NotSent, Request
from tocsin_runner.shell import LineCut, Machine, Ran, Shell, looking, once

WELL = 200
SHOWN = 8_192


class Scripts:
    """Runs the scripts of one connection."""

    def __init__(self, recipe: Recipe, connection: Connection, http: Http) -> None:
        self._recipe = recipe
        self._connection = connection
        self._http = http
        self._shell = Shell(http.private_hosts)

    async def run(self, step: Step, given: Document, key: str) -> tuple[Answer, Json]:
        """What it wrote, with 200 for exit status 0, and the record of it; a key makes it run once. Raises Refused, NotSent, NoAnswer."""
        machine = await self._machine(given)
        values = {"TOCSIN_MACHINE": machine.host}
        values |= {
            f"TOCSIN_{name.upper()}": as_text(value) for name, value in (step.environment(given) if step.environment else {}).items()
        }
        if odd := [name for name, value in values.items() if "\x00" in value]:
            raise Refused(f"the value of {odd[0]} has a zero byte")
        text = once(step.script, values, _once(key, step)) if key else looking(step.script, values)
        try:
            async with self._shell.at(machine) as line:
                ran = await line.run(text)
        except Failed as error:
            raise NotSent(str(error)) from error
        except LineCut as error:
            raise NoAnswer(str(error)) from error
        answer = Answer(ran.status or WELL, {"stderr": ran.err.strip()[-1000:]}, ran.out.encode())
        return answer, _record(machine, step, values, ran)

    async def _machine(self, given: Document) -> Machine:
        assert self._recipe.shell is not None
        told = self._recipe.shell({**given, "secrets": self._connection.secrets()})
        host, allowed = as_text(told["host"]).lower(), as_text(told["hosts"]).lower().replace(",", " ").split()
        if not any(fnmatchcase(host, pattern) for pattern in allowed):
            raise Refused(f"the connection {self._connection.name} does not reach {host}: list it under hosts")
        if self._connection.twin:
            return await self._simulated(host, as_text(told["user"]), as_text(told["private_key"]))
        return Machine(
            host=host,
            port=int(as_text(told["port"])),
            user=as_text(told["user"]),
            host_keys=as_text(told["host_keys"]),
            private_key=as_text(told["private_key"]),
        )

    async def _simulated(self, host: str, user: str, password: str) -> Machine:
        """In an exercise every machine is the twin, which says where it listens and which key it has."""
        said = (await self._http.send(Request("GET", f"{self._connection.twin}/address"))).json
        return Machine(host, user, said["host_key"], int(said["port"]), password=password, address=said["host"])


def words(answer: Answer) -> Json:
    """What a script wrote: JSON, or lines like `name=value`."""
    found = answer.json
    if found is not None:
        return found
    lines = [line.partition("=") for line in answer.text.splitlines() if "=" in line]
    return {name.strip(): value for name, _, value in lines}


def _once(key: str, step: Step) -> str:
    return f"{key}/{hashlib.sha256(step.script.encode()).hexdigest()}"


def _record(machine: Machine, step: Step, values: Mapping[str, str], ran: Ran) -> Json:
    return {
        "machine": machine.host,
        "script": step.script[:SHOWN],
        "environment": dict(values),
        "exit_status": ran.status,
        "stdout": ran.out[:SHOWN],
        "stderr": ran.err[:SHOWN],
    }
