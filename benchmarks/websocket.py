"""As much of WebSocket (RFC 6455) as a light client writes: the handshake, and masked frames."""

from typing import Final

TEXT: Final = 1
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10


def handshake(host: str, origin: str, *more: str) -> bytes:
    """The request for a Socket.IO connection; `more` headers go with it."""
    lines = (
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
        f"Host: {host}",
        f"Origin: {origin}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *more,
    )
    return "\r\n".join((*lines, "", "")).encode()


def frame(payload: bytes, kind: int = TEXT) -> bytes:
    """A frame of less than 64 KiB. A client must mask; with zeros the payload stays as it is."""
    length = len(payload)
    size = bytes((128 | length,)) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes((128 | kind,)) + size + bytes(4) + payload
