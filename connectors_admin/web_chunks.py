"""Reading a body whose length nobody knows, in pieces as they come in (RFC 9112, 7.1).

gunicorn reads such a body by waiting for it, which is what ``web_connections`` must not do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import IO

from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize, InvalidHeader

CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,12})[ \t]*(;[^\r\n]*)?\r\n")


class Chunks:
    """One body. What its trailers say is not used."""

    def __init__(self, into: IO[bytes], longest_line: int):
        self.into = into
        self.longest_line = longest_line
        self.left = 0  # of the chunk
        self.line = bytearray()
        self.end_line: Callable[[bytes], bool] = self._end_size

    def take(self, data: bytearray) -> int | None:
        """How many of these bytes are the body's when it ends in them; None when it goes on."""
        at = 0
        while at < len(data):
            if self.left:
                piece = data[at : at + self.left]
                self.into.write(piece)
                self.left -= len(piece)
                at += len(piece)
                continue
            stop = data.find(b"\n", at) + 1 or len(data)
            self.line += data[at:stop]
            at = stop
            if len(self.line) > self.longest_line:
                raise InvalidChunkSize(b"The line is too long.")
            if self.line.endswith(b"\n"):
                line, self.line = bytes(self.line), bytearray()
                if self.end_line(line):
                    return at
        return None

    def _end_size(self, line: bytes) -> bool:
        found = CHUNK_SIZE.fullmatch(line)
        if not found:
            raise InvalidChunkSize(line)
        self.left = int(found[1], 16)
        self.end_line = self._end_chunk if self.left else self._end_trailer
        return False

    def _end_chunk(self, line: bytes) -> bool:
        if line != b"\r\n":
            raise ChunkMissingTerminator(line)
        self.end_line = self._end_size
        return False

    def _end_trailer(self, line: bytes) -> bool:
        if not line.endswith(b"\r\n"):
            raise InvalidHeader("bare LF as line terminator")
        return line == b"\r\n"
