"""Numbers of the step protocol that code without protobuf needs (engine.proto, OnFailure and others)."""

from __future__ import annotations

MAJOR, MINOR = 1, 1
METHOD = "/checkstream.v1.Engine/Attach"
CLOSED, OPEN, RESIDENT = 1, 2, 3
NO_TOKEN = 0xFFFFFFFF
