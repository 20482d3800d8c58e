"""Customers of a web server, in a process of their own: `python traffic.py SOCKET FILE RATE`.

Clients that keep their connection and clients that open one per request, with GET, POST, a request of three
seconds, and the style sheet of the page that was answered just before. Each request is a line of the file:
when it began and ended, in seconds since the epoch, its kind, and what came of it. Ends with its input.
"""

from __future__ import annotations

import asyncio
import sys
import time

SLOW = 3.0
"""Seconds that the slowest request takes."""

LATER = 0.3
"""Seconds between a page and its style sheet."""

PATIENCE = 60.0
"""Seconds after which a customer gives up."""

KEPT, FRESH, POSTING, READING, WAITING = 4, 2, 2, 1, 2
"""How many clients there are of each kind."""


class Client:
    """One customer, who asks one request after the other."""

    def __init__(self, path: str, out: list[str], *, keeps: bool) -> None:
        self._path = path
        self._out = out
        self._keeps = keeps
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, kind: str, target: str, body: bytes = b"") -> str:
        """Send a request, note what came of it, and return the answer's body; `""` for a failure."""
        began = time.time()
        try:
            status, answer = await asyncio.wait_for(self._ask(target, body), PATIENCE)
            said = f"{status} {answer}" if status == 200 else str(status)
        except (TimeoutError, OSError, ValueError, EOFError) as error:
            answer, said = "", f"0 {type(error).__name__}"
            self._close()
        self._out.append(f"{began:.6f} {time.time():.6f} {kind} {said}\n")
        return answer if said.startswith("200 ") else ""

    async def _ask(self, target: str, body: bytes) -> tuple[int, str]:
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(self._path)
        reader, writer = self._streams
        method = "POST" if body else "GET"
        connection = "keep-alive" if self._keeps else "close"
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(text.partition("content-length:")[2].partition("\r")[0])
        answer = (await reader.readexactly(length)).decode()
        if not self._keeps or "connection: close" in text:
            self._close()
        return int(text.split()[1]), answer

    def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def page(client: Client, kind: str, body: bytes, pause: float) -> None:
    """Ask for pages, at a steady rate as far as the answers come."""
    while True:
        began = time.monotonic()
        await client.ask(kind, "/", body)
        await asyncio.sleep(max(pause - (time.monotonic() - began), 0.001))


async def read(client: Client) -> None:
    """Ask for a page, and a little later for its style sheet."""
    while True:
        answer = await client.ask("page", "/")
        if answer:
            await asyncio.sleep(LATER)
            await client.ask("asset", f"/static/{answer.split()[1]}.css")
        else:
            await asyncio.sleep(0.1)


async def wait(client: Client) -> None:
    """Ask for what takes long."""
    while True:
        await client.ask("slow", f"/slow={SLOW:g}")
        await asyncio.sleep(0.05)


async def main() -> None:
    """Ask until the input ends."""
    path, file, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
    out: list[str] = []
    pause = (KEPT + FRESH + POSTING) / rate
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), over.set)  # nothing is ever written to it
    tasks = [
        asyncio.create_task(page(Client(path, out, keeps=True), "kept", b"", pause)) for _ in range(KEPT)
    ]
    tasks += [
        asyncio.create_task(page(Client(path, out, keeps=False), "fresh", b"", pause)) for _ in range(FRESH)
    ]
    tasks += [
        asyncio.create_task(page(Client(path, out, keeps=number == 0), "post", b"x" * 2000, pause))
        for number in range(POSTING)
    ]
    tasks += [asyncio.create_task(read(Client(path, out, keeps=True))) for _ in range(READING)]
    tasks += [asyncio.create_task(wait(Client(path, out, keeps=True))) for _ in range(WAITING)]
    with open(file, "a") as notes:
        while not over.is_set() and not any(task.done() for task in tasks):
            await asyncio.sleep(0.1)
            notes.writelines(out)
            out.clear()
            notes.flush()
    for task in tasks:
        if task.done():
            task.result()  # a customer never ends
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
