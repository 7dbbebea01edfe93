"""Turn segmentation, receive merging and checksum offload off, as `ethtool -K` would."""

import array
import fcntl
import socket
import struct
import sys

_SIOCETHTOOL = 0x8946
_TX_CHECKSUM, _SCATTER_GATHER, _TSO, _GSO, _GRO = 0x17, 0x19, 0x1F, 0x24, 0x2C


def switch_off(interface: str) -> None:
    """Make `interface` carry frames no larger than its MTU, with complete checksums.

    Raises:
        OSError: No such interface, or not allowed.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in (_TSO, _GSO, _GRO, _TX_CHECKSUM, _SCATTER_GATHER):
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            fcntl.ioctl(control, _SIOCETHTOOL, request)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        switch_off(name)
