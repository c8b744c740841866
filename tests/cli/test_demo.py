"""The demo: all it needs is in the package."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from sltpack import load

WITHOUT_A_NETWORK = """
import socket

def refuse(*_, **__):
    raise AssertionError("the demo opened a connection")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from sltpack_cli.main import cli
cli()
"""


def test_it_runs_without_a_network_and_keeps_its_files(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    words = [sys.executable, "-c", WITHOUT_A_NETWORK, "demo", "--keep", str(kept)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    progress = ended.stderr.splitlines()  # plain lines, where there is no terminal
    assert [line.partition(": ")[0] for line in progress] == [f"epoch {epoch}/16" for epoch in range(1, 17)]
    lines = ended.stdout.splitlines()
    steps = [line for line in lines if line.startswith("$ ")]
    assert steps == [
        "$ sltpack search --model conv4 --width 0.5 --data digits --sparsity 0.5 --freeze 0.5 --epochs 16 --batch-size 32 "
        "--precision float32 "
        f"-o {kept}/run",
        f"$ sltpack pack {kept}/run/ckpt.pt -o {kept}/digits.slt",
        f"$ sltpack info {kept}/digits.slt",
        f"$ sltpack verify {kept}/digits.slt",
        f"$ sltpack infer {kept}/digits.slt --data digits",
    ]
    assert re.fullmatch(f"done in \\d+ s; the files are in {re.escape(str(kept))}", lines[-1])
    accuracy = re.search(r"digits.slt on digits \(test\): accuracy (0\.\d{4}),", ended.stdout)
    assert accuracy is not None and accuracy[1] == f"{load(kept / 'digits.slt').results[1].accuracy:.4f}"
    assert float(accuracy[1]) > 0.9

    again = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == (
        f"Error: {kept}: expected a name that is free, found a folder of that name; choose another name\n"
    )
