"""What the live benchmark sends arrives, all of it and as it was."""

import os
import subprocess
import sys

import pytest

from tests.tools import require

# Loading BPF asks for root of the machine, not only of a namespace of one's own.
_SENT = """
import sys
import numpy as np
from agent.capture.ring import RingSource
from benchmarks.xdp import FRAME_BYTES, Injector, KernelError
from tests.agent.capture.wires import Wire, frame, seen

lengths = np.array([60, 61, 199, FRAME_BYTES, 77])
given = [frame(number, int(length)) for number, length in enumerate(lengths)]
frames = np.array([np.frombuffer(f.ljust(FRAME_BYTES, b"\\xee"), np.uint8) for f in given])
with Wire(0) as wire, RingSource([wire.port], 4096) as source:
    try:
        injector = Injector(wire.device, wire.port, frames, lengths)
        told = injector.send(2_000, 0.4)
    except KernelError as error:
        print(error)
        sys.exit(3)
    injector.close()
    found = seen(source.read())
    assert len(found) == told["sent"] > 10, (len(found), told)
    # The ring keeps a few bytes less than the longest frame has.
    assert all(each.frame == given[at % 5][: len(each.frame)] for at, each in enumerate(found))
    assert all(each.wire_bytes == lengths[at % 5] for at, each in enumerate(found))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="kernel: not root, so no BPF")
def test_every_frame_arrives_as_it_was() -> None:
    inside = [str(require("unshare", package="util-linux")), "--net", sys.executable, "-c", _SENT]
    done = subprocess.run(inside, capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip(f"kernel: {done.stdout.strip()}")
    assert done.returncode == 0, done.stderr
