"""Generates the Python code of the contracts into gen/: messages, service stubs and type stubs.

Run by the build of the distribution (a hatch hook), or by hand: `python build_protos.py`. With `--release` it also keeps the contracts as
released.binpb, against which `make check` looks for breaking changes.
"""

import shutil
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).parent
GENERATED = HERE / "gen"


class ProtoBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        generate(GENERATED)


def generate(target: Path) -> None:
    """Replace `target` by freshly generated code."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    validate = target / "validate.binpb"
    validate.write_bytes(validate_descriptors().SerializeToString())
    own = sorted(str(path.relative_to(HERE)) for path in (HERE / "tocsin").rglob("*.proto"))
    services = [name for name in own if name.endswith("_service.proto")]
    common = [f"-I{HERE}", f"--descriptor_set_in={validate}"]
    out = str(target)
    run_protoc([*common, f"--python_out={out}", f"--mypy_out={out}", *plugin("mypy"), "buf/validate/validate.proto", *own])
    run_protoc([*common, f"--grpc_python_out={out}", f"--mypy_grpc_out={out}", *plugin("mypy_grpc"), *services])
    image = target / "tocsin.binpb"
    run_protoc([*common, "--include_imports", "--include_source_info", f"--descriptor_set_out={image}", *own])
    for package in {path.parent for path in target.rglob("*.pyi")}:
        (package / "py.typed").touch()


def validate_descriptors() -> descriptor_pb2.FileDescriptorSet:
    """The descriptors of buf/validate/validate.proto and what it imports, taken from the protovalidate library.

    The library is published without the .proto source; its embedded descriptor says the same.
    """
    from protovalidate._gen.buf.validate import validate_pb

    descriptors = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(descriptors.file.add())
    descriptors.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    return descriptors


def plugin(name: str) -> list[str]:
    program = Path(sys.executable).with_name(f"protoc-gen-{name}")
    return [f"--plugin=protoc-gen-{name}={program}"]


def run_protoc(arguments: list[str]) -> None:
    from grpc_tools import protoc

    well_known = files("grpc_tools") / "_proto"
    status = protoc.main(["protoc", *arguments, f"-I{well_known}"])
    if status != 0:
        raise SystemExit(f"protoc failed with status {status}: see its messages above")


def release() -> None:
    """Keep the contracts as they are now, without comments, as what clients may rely on."""
    contracts = descriptor_pb2.FileDescriptorSet.FromString((GENERATED / "tocsin.binpb").read_bytes())
    for file in contracts.file:
        file.ClearField("source_code_info")
    (HERE / "released.binpb").write_bytes(contracts.SerializeToString(deterministic=True))


if __name__ == "__main__":
    generate(GENERATED)
    if "--release" in sys.argv:
        release()
