"""Files to configuration. The text of a scalar is taken as it stands, so that 09:00 and 2026-11-23 need no quotes."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tocsin_client.configuration.kinds import (
    DURATION,
    NOT_IN_FILES,
    ONLY_ONE,
    TAKEN_FROM,
    Kind,
    is_map,
    is_message,
    kinds,
    short_names,
    writable,
)
from tocsin_client.configuration.resources import ConfigurationError, Configurations, Place, Resource, did_you_mean

API_VERSION = "tocsin/v1"
SUFFIXES = {".yaml", ".yml"}
NULL_TAG = "tag:yaml.org,2002:null"
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION_TEXT = re.compile(r"(\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
TRUTH = {"true": True, "false": False}
ROOT_FIELDS = ("apiVersion", "kind", "metadata", "spec")

Value = TypeVar("Value")


def load(path: Path) -> Configurations:
    """Read one file, or every .yaml and .yml file below a directory. ConfigurationError names every mistake in all of them."""
    reader = Reader()
    for file in files(path):
        reader.read(file)
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return Configurations(tuple(reader.resources))


def files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ConfigurationError([f"{path}: no such file or directory"])
    found = [file for file in sorted(path.rglob("*")) if file.suffix in SUFFIXES and file.is_file()]
    visible = [file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    if not visible:
        raise ConfigurationError([f"{path}: holds no .yaml file"])
    return visible


@dataclass(slots=True)
class Reader:
    """Collects the resources of several files, and everything that is wrong with them."""

    resources: list[Resource] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seen: dict[tuple[str, str], Place] = field(default_factory=dict)

    def read(self, file: Path) -> None:
        try:
            documents = list(yaml.compose_all(file.read_bytes(), Loader=yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            self.problems.append(f"{Place(file, line)}: not YAML: {error.problem or error.context}")
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            self.problems.append(f"{Place(file, 1)}: not YAML: {error}")
        except OSError as error:
            self.problems.append(f"{file}: cannot be read: {error.strerror}")
        else:
            for node in documents:
                if node is not None and not is_null(node):
                    self.keep(Document(file, self.problems).resource(node))

    def keep(self, resource: Resource | None) -> None:
        if resource is None:
            return
        key = (resource.kind.name, resource.name)
        if key in self.seen:
            self.problems.append(
                f"{resource.place}: metadata.name: {key[0]} {key[1]!r} stands already at {self.seen[key]}; rename or remove one of them"
            )
            return
        self.seen[key] = resource.place
        self.resources.append(resource)


@dataclass(slots=True)
class Document:
    """Reads one document of a file."""

    file: Path
    problems: list[str]
    label: str = ""
    places: dict[str, Place] = field(default_factory=dict)

    def resource(self, node: Node) -> Resource | None:
        before = len(self.problems)
        parts = self.entries(node, "")
        if not isinstance(node, MappingNode):
            return None
        self.only(parts, ROOT_FIELDS, "")
        kind = self.kind(node, parts)
        name = self.name(node, parts, kind)
        self.label = f"{kind.name} {name}: " if kind else ""
        message = self.spec(parts, kind, name) if kind else None
        if kind is None or len(self.problems) > before:
            return None
        return Resource(kind, name, message, self.place(node), self.places)

    def kind(self, node: Node, parts: dict[str, tuple[Node, Node]]) -> Kind | None:
        version = self.required_text(node, parts, "apiVersion", f"write apiVersion: {API_VERSION}")
        if version and version != API_VERSION:
            self.wrong(parts["apiVersion"][1], "apiVersion", f"is {version!r}; this program reads {API_VERSION!r}")
        word = self.required_text(node, parts, "kind", f"write one of {', '.join(kinds())}")
        if word and word not in kinds():
            self.wrong(parts["kind"][1], "kind", f"{word!r} is not a kind of resource; {did_you_mean(word, kinds())}")
        return kinds().get(word)

    def name(self, node: Node, parts: dict[str, tuple[Node, Node]], kind: Kind | None) -> str:
        if kind is not None and kind.singular and "metadata" not in parts:
            return ONLY_ONE
        metadata = self.entries(parts["metadata"][1], "metadata.") if "metadata" in parts else {}
        self.only(metadata, ("name",), "metadata.")
        name = self.required_text(node, metadata, "name", "write metadata: {name: …}", "metadata.")
        if kind is not None and kind.singular and name and name != ONLY_ONE:
            self.wrong(metadata["name"][1], "metadata.name", f"there is only one {kind.name}; name it {ONLY_ONE!r}")
        return name

    def spec(self, parts: dict[str, tuple[Node, Node]], kind: Kind, name: str) -> Any:
        message = kind.message()
        if not kind.singular:
            message.name = name
        if "spec" in parts and not is_null(parts["spec"][1]):
            self.fill(message, kind.descriptor, parts["spec"][1], "", kind.fields, TAKEN_FROM.get(kind.name, ("", "")))
        return message

    def fill(
        self, message: Any, descriptor: Descriptor, node: Node, path: str, fields: list[FieldDescriptor], taken: tuple[str, str] = ("", "")
    ) -> None:
        """`taken` is the field that says where a text is taken from, and the field of the message that gets it."""
        entries = self.entries(node, path)
        if taken[0] in entries:
            key, value = entries.pop(taken[0])
            self.places[path + taken[1]] = self.place(key)
            setattr(message, taken[1], self.taken_from(value, f"{path}{taken[0]}"))
        known = {each.name: each for each in fields}
        never = {name: said for name in entries if (said := NOT_IN_FILES.get(f"{descriptor.full_name}.{name}"))}
        for name, said in never.items():
            self.wrong(entries.pop(name)[0], path + name, said)
        self.only(entries, known, path)
        self.one_of_each(descriptor, entries, node, path)
        for name, (key, value) in entries.items():
            self.places[path + name] = self.place(key)
            if name in known and not is_null(value):
                self.assign(message, known[name], value, path + name)

    def taken_from(self, node: Node, path: str) -> str:
        """The text of an environment variable, or of a file beside this one, without its last line break. It is shown nowhere."""
        said = {name: self.text(value, f"{path}.{name}") for name, (_, value) in self.entries(node, path + ".").items()}
        if not isinstance(node, MappingNode):
            return ""
        if len(said) != 1 or not said.keys() <= {"env", "file"}:
            self.wrong(node, path, "give exactly one of env, file: {env: NAME} or {file: PATH}")
            return ""
        if "env" in said:
            text = os.environ.get(said["env"], "")
            problem = f"the environment variable {said['env']} is not set"
        else:
            text, problem = read_text(self.file.parent / said["file"])
        if not text:
            self.wrong(node, path, problem)
        return text

    def one_of_each(self, descriptor: Descriptor, entries: dict[str, tuple[Node, Node]], node: Node, path: str) -> None:
        """Of a choice between fields, exactly one is given."""
        for choice in descriptor.oneofs:
            names = [each.name for each in choice.fields]
            given = [name for name in names if name in entries]
            if len(given) != 1:
                self.wrong(node, path.rstrip("."), f"give exactly one of {', '.join(names)}, not {' and '.join(given) or 'none'}")

    def assign(self, message: Any, descriptor: FieldDescriptor, node: Node, path: str) -> None:
        if is_map(descriptor):
            texts = self.entries(node, path + ".")
            getattr(message, descriptor.name).update({key: self.text(value, f"{path}.{key}") for key, (_, value) in texts.items()})
        elif descriptor.is_repeated:
            for index, item in enumerate(self.items(node, path)):
                self.places[f"{path}[{index}]"] = self.place(item)
                self.add(getattr(message, descriptor.name), descriptor, item, f"{path}[{index}]")
        elif descriptor.message_type is None:
            setattr(message, descriptor.name, self.scalar(descriptor, node, path))
        else:
            self.compose(getattr(message, descriptor.name), descriptor, node, path)

    def add(self, container: Any, descriptor: FieldDescriptor, node: Node, path: str) -> None:
        if descriptor.message_type is None:
            container.append(self.scalar(descriptor, node, path))
        else:
            self.compose(container.add(), descriptor, node, path)

    def compose(self, message: Any, descriptor: Any, node: Node, path: str) -> None:
        message.SetInParent()
        if is_message(descriptor, DURATION):
            nanos = self.parsed(node, path, duration_nanos, 'must be a duration such as "300s", "5m" or "1h30m"', 0)
            message.seconds, message.nanos = divmod(nanos, 10**9)
        else:
            self.fill(message, descriptor.message_type, node, path + ".", writable(descriptor.message_type))

    def scalar(self, descriptor: FieldDescriptor, node: Node, path: str) -> Any:
        match descriptor.type:
            case FieldDescriptor.TYPE_STRING:
                return self.text(node, path)
            case FieldDescriptor.TYPE_BOOL:
                return self.parsed(node, path, TRUTH.__getitem__, "must be true or false", False)
            case FieldDescriptor.TYPE_ENUM:
                return self.enum_number(descriptor, node, path)
            case FieldDescriptor.TYPE_INT32 | FieldDescriptor.TYPE_INT64:
                bits = 32 if descriptor.type == FieldDescriptor.TYPE_INT32 else 64
                return self.parsed(node, path, lambda text: whole_number(text, bits), f"must be a whole number of at most {bits} bits", 0)
            case _:
                raise NotImplementedError(f"no configuration field had the type of {descriptor.full_name} when this was written")

    def enum_number(self, descriptor: Any, node: Node, path: str) -> int:
        known = short_names(descriptor.enum_type)
        word = self.text(node, path)
        if word not in known and isinstance(node, ScalarNode):
            self.wrong(node, path, f"{word!r} is not possible; {did_you_mean(word, known)}")
        return known.get(word, 0)

    def parsed(self, node: Node, path: str, parse: Callable[[str], Value], rule: str, otherwise: Value) -> Value:
        word = self.text(node, path)
        try:
            return parse(word)
        except (ValueError, KeyError):
            if isinstance(node, ScalarNode):
                self.wrong(node, path, f"{rule}, not {word!r}")
            return otherwise

    def text(self, node: Node, path: str) -> str:
        """The text of a scalar; a problem and the empty text if it is something else."""
        if isinstance(node, ScalarNode):
            if any("\ud800" <= letter <= "\udfff" for letter in node.value):
                self.wrong(node, path, "holds half a character (a lone surrogate)")
                return ""
            return str(node.value)
        self.wrong(node, path, "must be one value, not a list or a mapping")
        return ""

    def required_text(self, around: Node, parts: dict[str, tuple[Node, Node]], name: str, remedy: str, path: str = "") -> str:
        if name not in parts or is_null(parts[name][1]) or parts[name][1].value == "":
            self.wrong(around, path + name, f"is missing; {remedy}")
            return ""
        return self.text(parts[name][1], path + name)

    def items(self, node: Node, path: str) -> list[Node]:
        if isinstance(node, SequenceNode):
            return list(node.value)
        self.wrong(node, path, "must be a list: [a, b], or lines that begin with a dash")
        return []

    def entries(self, node: Node, path: str) -> dict[str, tuple[Node, Node]]:
        """The keys of a mapping with the nodes of key and value; problems if it is none, or a key comes twice."""
        found: dict[str, tuple[Node, Node]] = {}
        if not isinstance(node, MappingNode):
            self.wrong(node, path.rstrip("."), "must be a mapping of fields to values")
            return found
        for key, value in node.value:
            name = self.text(key, path + "key")
            if name in found:
                self.wrong(key, path + name, f"stands twice, first in line {found[name][0].start_mark.line + 1}; remove one")
            found.setdefault(name, (key, value))
        return found

    def only(self, entries: dict[str, tuple[Node, Node]], known: Any, path: str) -> None:
        for name in entries:
            if name not in known:
                self.wrong(entries[name][0], path + name, f"is not a field; {did_you_mean(name, known)}")

    def place(self, node: Node) -> Place:
        return Place(self.file, node.start_mark.line + 1)

    def wrong(self, node: Node, path: str, problem: str) -> None:
        words = f"{path}: {problem}" if path else f"the document {problem}" if problem.startswith("must") else problem
        self.problems.append(f"{self.place(node)}: {self.label}{words}")


def read_text(file: Path) -> tuple[str, str]:
    """The text of a file without its last line break, and what is wrong if there is none."""
    try:
        text = file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        return "", f"{file} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return "", f"{file} holds no text in UTF-8"
    return text, f"{file} is empty"


def is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == NULL_TAG


def whole_number(text: str, bits: int) -> int:
    """ValueError if it is none, or too large."""
    if not re.fullmatch(r"[-+]?[0-9]+", text) or not -(2 ** (bits - 1)) <= int(text) < 2 ** (bits - 1):
        raise ValueError(text)
    return int(text)


def duration_nanos(text: str) -> int:
    """Nanoseconds of a text such as "300s" or "1h30m". ValueError if it is none."""
    if not DURATION_TEXT.fullmatch(text):
        raise ValueError(text)
    return sum(decimal_nanos(number, UNITS[unit]) for number, unit in parts(text))


def parts(text: str) -> Iterator[tuple[str, str]]:
    return ((each[1], each[2]) for each in DURATION_PART.finditer(text))


def decimal_nanos(number: str, seconds: float) -> int:
    """Exact to the nanosecond, which a float is not."""
    whole, _, fraction = number.partition(".")
    return (int(whole) * 10**9 + int(f"{fraction:0<9.9}")) * round(seconds * 1000) // 1000
