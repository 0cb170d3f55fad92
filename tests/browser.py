"""A headless Chromium for tests of pages, driven over its DevTools protocol."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_browser = pytest.mark.skipif(
    CHROMIUM is None or find_spec("websockets") is None,
    reason="no Chromium on the path (Debian: apt install chromium), or no package websockets",
)

_KEYS = {"Delete": 46, "Escape": 27, "Enter": 13, "Tab": 9, "ArrowLeft": 37, "ArrowRight": 39, " ": 32}


class Page:
    """A tab of the browser."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._number = 0
        self.errors: list[str] = []
        """Exceptions of the page's scripts."""
        self.call("Page.enable")
        self.call("Runtime.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("method") == "Runtime.exceptionThrown":
                details = message["params"]["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description", details["text"]))
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return dict(message["result"])

    def open(self, address: str) -> None:
        """Open an address, and wait until the page is loaded."""
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """Evaluate JavaScript, and return its value."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str, timeout_s: float = 60.0) -> None:
        """Wait until a JavaScript condition holds."""
        deadline = time.monotonic() + timeout_s
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"{condition} does not hold after {timeout_s} s; {self.errors}"
            time.sleep(0.05)

    def press(self, key: str, *, ctrl: bool = False) -> None:
        """Press a key."""
        code = _KEYS.get(key, ord(key[0].upper()))
        values = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 2 if ctrl else 0}
        text = {} if ctrl or len(key) > 1 else {"text": key}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **values, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **values)

    def drag(self, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """Drag with the mouse."""
        middle = ((start[0] + stop[0]) / 2, (start[1] + stop[1]) / 2)
        self._mouse("mousePressed", start)
        self._mouse("mouseMoved", middle)
        self._mouse("mouseMoved", stop)
        self._mouse("mouseReleased", stop)

    def _mouse(self, kind: str, place: tuple[float, float]) -> None:
        x, y = place
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Set the size of the window, and whether the reader prefers dark pages."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def save_screenshot(self, path: Path) -> None:
        """Save what the page shows as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextmanager
def open_browser(profile: Path) -> Iterator[Page]:
    """Start a browser with an empty profile in a folder, and stop it afterwards."""
    from websockets.sync.client import connect

    assert CHROMIUM is not None
    words = (
        "--headless=new",
        "--no-sandbox",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--use-gl=angle",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
    )
    start = [CHROMIUM, *words, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port_file = profile / "DevToolsActivePort"
        deadline = time.monotonic() + 60
        while not (port_file.is_file() and port_file.read_text().count("\n")):
            assert process.poll() is None, "the browser ended"
            assert time.monotonic() < deadline, "the browser did not start within 60 s"
            time.sleep(0.05)
        port = port_file.read_text().split("\n")[0]
        with urlopen(f"http://127.0.0.1:{port}/json") as answer:
            (tab,) = (tab for tab in json.load(answer) if tab["type"] == "page")
        with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(timeout=30)
