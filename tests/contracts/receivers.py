"""Who receives what Notifiers send: servers on loopback that check every field, and answer, refuse or hang as told."""

import json
import socketserver
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    status: int = 202
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False


class HttpServer(ThreadingHTTPServer):
    """Keeps what it got in `requests`, answers with `answers` in turn; hangs until it is closed when told to."""

    daemon_threads = True

    def __init__(self, check=lambda path, body: None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.check, self.requests, self.answers, self.closed = check, [], deque(), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.closed.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        wrong = self.server.check(self.path, body)
        ok = json.dumps({"status": "success", "message": "processed", "dedup_key": "k"})
        answer = self.server.answers.popleft() if self.server.answers else Answer(body=ok)
        if wrong:
            answer = Answer(400, json.dumps({"status": "invalid event", "errors": [wrong]}))
        if answer.hang:
            self.server.closed.wait()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body.encode())))
        self.end_headers()
        self.wfile.write(answer.body.encode())

    do_GET = do_POST

    def log_message(self, *_args):
        pass


def invalid_event(path, raw):
    """What PagerDuty's Events API v2 would say is wrong with an event, or None."""
    event = json.loads(raw)
    if path == "/v2/change/enqueue":
        return invalid_change(event)
    if path != "/v2/enqueue" or len(raw) > 512 * 1024:
        return "path or size"
    if set(event) - {"routing_key", "event_action", "dedup_key", "payload", "links", "images", "client", "client_url"}:
        return f"unknown fields in {sorted(event)}"
    if len(event["routing_key"]) != 32 or not 0 < len(event["dedup_key"]) <= 255:
        return "keys"
    if event["event_action"] != "trigger":
        return None if event["event_action"] in ("acknowledge", "resolve") and "payload" not in event else "action"
    payload = event["payload"]
    optional = {"timestamp", "component", "group", "class", "custom_details"}
    if set(payload) - optional != {"summary", "source", "severity"}:
        return f"payload has {sorted(payload)}"
    if not 0 < len(payload["summary"]) <= 1024 or not payload["source"]:
        return "summary or source"
    if payload["severity"] not in ("critical", "error", "warning", "info"):
        return "severity"
    if datetime.fromisoformat(payload["timestamp"]).tzinfo is None:
        return "timestamp"
    if not isinstance(payload["custom_details"], dict):
        return "custom_details"
    return None if all(set(link) == {"href", "text"} for link in event.get("links", [])) else "links"


def invalid_change(event):
    """The same of a change event."""
    if set(event) - {"routing_key", "payload", "links", "images"} or len(event["routing_key"]) != 32:
        return f"fields {sorted(event)}"
    payload = event["payload"]
    if set(payload) - {"summary", "source", "timestamp", "custom_details"} or not 0 < len(payload["summary"]) <= 1024:
        return f"payload has {sorted(payload)}"
    return None if datetime.fromisoformat(payload["timestamp"]).tzinfo else "timestamp"


class SmtpServer(socketserver.ThreadingTCPServer):
    """As much of SMTP as it takes to get a mail. `answers` are given to RCPT in turn, "hang" hangs there."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.mails, self.answers, self.rcpts, self.closed = [], deque(), 0, threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.closed.set()
        self.shutdown()
        self.server_close()


class _Smtp(socketserver.StreamRequestHandler):
    def handle(self):
        with suppress(ConnectionError):
            self.say("220 here")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"RCPT":
                    self.server.rcpts += 1
                    answer = self.server.answers.popleft() if self.server.answers else "250 ok"
                    if answer == "hang":
                        self.server.closed.wait()
                        return
                    self.say(answer)
                elif verb == b"DATA":
                    self.say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    self.server.mails.append(message_from_bytes(b"".join(lines), policy=policy.default))
                    self.say("250 taken")
                else:
                    self.say("250 ok")
                    if verb == b"QUIT":
                        return

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")
