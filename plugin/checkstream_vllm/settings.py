"""What the plugin is told by its environment; everything else comes from the sidecar's Welcome.

VLLM_SIDECAR_SOCKET            path or unix:// URI, default /shared/checkstream.sock
CHECKSTREAM_ON_FAILURE         closed | open | resident: what holds until the sidecar has answered
                               once (default closed); afterwards the sidecar's own setting holds
CHECKSTREAM_START_TIMEOUT_S    closed only: how long the engine's start waits for the first program
                               (default 60, 0 = do not wait)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .wire import CLOSED, OPEN, RESIDENT

MODES = {"closed": CLOSED, "open": OPEN, "resident": RESIDENT}
DEFAULT_SOCKET = "/shared/checkstream.sock"
# sun_path holds 108 bytes with its terminating zero.
MAX_SOCKET_PATH = 107


@dataclass(frozen=True, slots=True)
class Settings:
    address: str
    on_failure: int
    start_timeout_s: float


def parse_settings(env: Mapping[str, str]) -> Settings:
    """Raises ValueError, which names the variable, the wanted and the got: at engine start only."""
    path = env.get("VLLM_SIDECAR_SOCKET") or DEFAULT_SOCKET
    for prefix in ("unix://", "unix:"):
        path = path.removeprefix(prefix)
    if len(path.encode()) > MAX_SOCKET_PATH:
        raise ValueError(
            f"VLLM_SIDECAR_SOCKET: wanted a path of at most {MAX_SOCKET_PATH} bytes, got {path!r}"
        )
    mode = env.get("CHECKSTREAM_ON_FAILURE", "closed").strip().lower()
    if mode not in MODES:
        raise ValueError(f"CHECKSTREAM_ON_FAILURE: wanted closed, open or resident, got {mode!r}")
    text = env.get("CHECKSTREAM_START_TIMEOUT_S", "60")
    try:
        timeout = float(text)
    except ValueError:
        timeout = -1.0
    if not 0 <= timeout <= 3_600:
        raise ValueError(f"CHECKSTREAM_START_TIMEOUT_S: wanted 0 to 3600 seconds, got {text!r}")
    return Settings(f"unix:{path}", MODES[mode], timeout)
