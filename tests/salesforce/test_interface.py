"""The committed Pub/Sub modules are what their interface generates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import adapters

ROOT = Path(adapters.__file__).parent.parent
FOLDER = Path("adapters/salesforce")
GENERATED = ("pubsub_api_pb2.py", "pubsub_api_pb2.pyi", "pubsub_api_pb2_grpc.py")


def test_generating_again_gives_the_committed_modules(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", "."]
    command += [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run([*command, str(FOLDER / "pubsub_api.proto")], cwd=ROOT, check=True)
    for name in GENERATED:
        assert (tmp_path / FOLDER / name).read_bytes() == (ROOT / FOLDER / name).read_bytes(), name
