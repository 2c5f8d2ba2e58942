"""The shop's two programs, on the standard library alone: `shop.py front` and `shop.py stock`."""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

EVERY = 0.2  # seconds between two looks at the stock
PATIENCE = 0.5  # seconds a front waits for the stock
PAGE = 500  # orders in an answer


class Program(BaseHTTPRequestHandler):
    """Answers in JSON, and keeps connections."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, status: int, body: Any, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def log_message(self, *args: Any) -> None:
        """One line an answer is more than anybody reads."""


class Stock(Program):
    """Knows the articles and keeps the orders: one id a line, on the disk before it is acknowledged."""

    orders = os.environ.get("ORDERS", "orders")
    one_at_a_time = threading.Lock()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/articles":
            self.answer(200, {"articles": ["lamp", "chair", "table"]})
            return
        after = int(parse_qs(url.query).get("after", ["0"])[0])
        user = parse_qs(url.query).get("user", [""])[0]
        with self.one_at_a_time:
            try:
                with open(self.orders, encoding="utf-8") as lines:
                    known = [line.strip() for line in lines if line.startswith(f"{user}-")]
            except FileNotFoundError:
                known = []
        page = known[after : after + PAGE]
        self.answer(200, {"ids": page, "next": str(after + PAGE) if len(page) == PAGE else None})

    def do_POST(self) -> None:
        order = json.loads(self.body())
        with self.one_at_a_time, open(self.orders, "a", encoding="utf-8") as lines:
            lines.write(order["id"] + "\n")
            lines.flush()
            os.fsync(lines.fileno())
        self.answer(201, {"id": order["id"]})


class Front(Program):
    """Shows the last articles it saw, says how old they are, and passes orders on."""

    stock = os.environ.get("STOCK", "localhost:8000")
    articles: Any = None
    seen = 0.0

    def do_GET(self) -> None:
        if urlsplit(self.path).path != "/articles":
            self.pass_on("GET")
        elif self.articles is None:
            self.answer(503, {"error": "no articles yet"}, X_Executed="no")
        else:
            age = time.monotonic() - self.seen
            self.answer(200, {"articles": self.articles, "age": round(age, 3), "stale": age > 1.0})

    def do_POST(self) -> None:
        self.pass_on("POST")

    def pass_on(self, method: str) -> None:
        order = self.body() if method == "POST" else None  # read in any case: the next request comes after it
        sent = False
        try:
            connection = http.client.HTTPConnection(self.stock, timeout=PATIENCE)
            try:
                connection.connect()
                sent = True
                connection.request(method, self.path, order)
                answer = connection.getresponse()
                self.answer(answer.status, json.loads(answer.read()))
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as e:
            status, executed = (504, "unknown") if sent else (503, "no")
            self.answer(status, {"error": f"the stock does not answer: {e}"}, X_Executed=executed)

    @classmethod
    def look(cls) -> None:
        while True:
            try:
                connection = http.client.HTTPConnection(cls.stock, timeout=PATIENCE)
                try:
                    connection.request("GET", "/articles")
                    cls.articles = json.loads(connection.getresponse().read())["articles"]
                    cls.seen = time.monotonic()
                finally:
                    connection.close()
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(EVERY)


if __name__ == "__main__":
    program = {"front": Front, "stock": Stock}[sys.argv[1]]
    if program is Front:
        threading.Thread(target=Front.look, daemon=True).start()
    ThreadingHTTPServer(("0.0.0.0", 8000), program).serve_forever()
