"""What is generated of this package: `wire/` from proto/, and `sync/` from `aio/`.

    python3 -m venv /tmp/generate && /tmp/generate/bin/pip install -r examples/python/requirements-generate.txt
    /tmp/generate/bin/python examples/python/generate.py            # --check: fails where what is committed is stale

Versions are pinned there: messages compiled by this protoc are read by every protobuf from 6.31 on.
"""

import argparse
import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parents[1] / "proto"
PACKAGE = HERE / "src" / "zeroth"
SOURCES = "proto.sha256"

Files = dict[str, str]


def wire() -> Files:
    """The messages of zeroth.v1 and their types, imports made relative, and the services as a table of typed methods."""
    names = sorted(f"zeroth/v1/{path.name}" for path in (PROTO / "zeroth" / "v1").glob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        plugin = pathlib.Path(sys.executable).with_name("protoc-gen-mypy")
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"--plugin=protoc-gen-mypy={plugin}"]
        outputs = [f"--python_out={out}", f"--mypy_out=quiet:{out}", f"--descriptor_set_out={out / 'all'}"]
        subprocess.run([*command, *outputs, *names], check=True)
        described = FileDescriptorSet.FromString((out / "all").read_bytes()).file
        messages = {path.name: relative(path.read_text()) for path in (out / "zeroth" / "v1").iterdir()}
    return {**messages, "services.py": services(described), "__init__.py": names_of_wire(described), SOURCES: digests(names)}


def digests(names: list[str]) -> str:
    """What `npm run check`, which has no Python, compares with proto/ (scripts/python-stubs.ts); in the format of sha256sum."""
    texts = {name: (PROTO / name).read_text("utf-8") for name in names}
    return "".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in texts.items())


def relative(text: str) -> str:
    """zeroth/v1 becomes this package; google.rpc stays what googleapis-common-protos has."""
    text = re.sub(r"^from zeroth\.v1 import ", "from . import ", text, flags=re.M)
    text = re.sub(r"^import zeroth\.v1\.(\w+)$", r"from . import \1", text, flags=re.M)
    text = re.sub(r"'zeroth\.v1\.(\w+_pb2)'", r"'zeroth.wire.\1'", text)
    return re.sub(r"\bzeroth\.v1\.(\w+_pb2)\b", r"\1", text)


def services(described: list[FileDescriptorProto]) -> str:
    lines = ['"""Made by generate.py from proto/: the methods of each service, with the types of what they take and give."""', ""]
    lines += ["from ..method import Method", "from . import " + ", ".join(sorted(map(module, described)))]
    homes = {message.name: module(file) for file in described for message in file.message_type}

    def of(type_name: str) -> str:
        name = type_name.rsplit(".", 1)[1]
        return f"{homes[name]}.{name}"

    for file in described:
        for service in file.service:
            lines += ["", "", f"class {service.name}:"]
            for method in service.method:
                path = f"/{file.package}.{service.name}/{method.name}"
                lines += [f'    {method.name} = Method("{path}", {of(method.input_type)}, {of(method.output_type)})']
    return "\n".join(lines) + "\n"


def names_of_wire(described: list[FileDescriptorProto]) -> str:
    lines = ['"""Made by generate.py from proto/zeroth/v1: all messages, enums and services of the contract under one name."""', ""]
    for file in described:
        enums = [enum.name for enum in file.enum_type] + [value.name for enum in file.enum_type for value in enum.value]
        for name in sorted([message.name for message in file.message_type] + enums):
            lines.append(f"from .{module(file)} import {name} as {name}")
    for name in sorted(service.name for file in described for service in file.service):
        lines.append(f"from .services import {name} as {name}")
    return "\n".join(lines) + "\n"


def module(file: FileDescriptorProto) -> str:
    return pathlib.PurePath(file.name).stem + "_pb2"


# Streams differ by more than words, and there is no blocking Drive.
BY_HAND = frozenset({"streams.py", "drive.py"})

# What makes blocking code of the asynchronous, in this order.
BLOCKING = (
    (r"^.*# async only\n", ""),
    (r"^( *)from \.\.aio\b", r"\1from ..sync"),
    (r"\bgrpc\.aio\.", "grpc."),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"^import asyncio$", "import time"),
    (r" \| Awaitable\[float\]", ""),
    (r" \| Awaitable\[Losses\]", ""),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bAwaitable, ", ""),
    (r"\b(?:await|async) ", ""),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAsyncIterable\b", "Iterable"),
    (r"\b__a(enter|exit|iter)__\b", r"__\1__"),
    (r"\bzeroth\.aio\b", "zeroth"),
    (r"\basynchronous\b", "blocking"),
)


def sync() -> Files:
    """The asynchronous client is the source; what differs by more than words is written by hand."""
    return {path.name: blocking(path) for path in sorted((PACKAGE / "aio").glob("*.py")) if path.name not in BY_HAND}


def blocking(path: pathlib.Path) -> str:
    text = path.read_text()
    for pattern, instead in BLOCKING:
        text = re.sub(pattern, instead, text, flags=re.M)
    return f"# Made by generate.py from ../aio/{path.name}: change it there.\n{text}"


def stale(folder: pathlib.Path, files: Files, *, by_hand: frozenset[str]) -> list[str]:
    there = {path.name for path in folder.iterdir() if path.is_file()} - by_hand
    return [str(folder / name) for name in sorted(there ^ set(files))] + [
        str(folder / name) for name, text in files.items() if name in there and (folder / name).read_text() != text
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something is stale")
    parser.add_argument("--sync", action="store_true", help="only sync/, which needs no protoc")
    options = parser.parse_args()
    made = [(PACKAGE / "sync", sync(), BY_HAND)]
    if not options.sync:
        made.append((PACKAGE / "wire", wire(), frozenset()))
    if not options.check:
        for folder, files, by_hand in made:
            folder.mkdir(exist_ok=True)
            for path in folder.iterdir():
                if path.is_file() and path.name not in by_hand and path.name not in files:
                    path.unlink()
            for name, text in files.items():
                (folder / name).write_text(text)
        return 0
    wrong = [path for folder, files, by_hand in made for path in stale(folder, files, by_hand=by_hand)]
    for path in wrong:
        print(f"{path}: expected what generate.py makes, got something else", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
