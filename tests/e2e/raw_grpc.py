"""Speaks to a daemon's socket below gRPC: any bytes, and HTTP/2 frames made by hand."""
import socket
import ssl
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
FRAME = 16384  # what every peer takes


def tls_socket(endpoint, alpn=("h2",)):
    host, port = endpoint.rsplit(":", 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the pin is the client's business; here it is bytes that matter
    context.set_alpn_protocols(list(alpn))
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=10))


def plain_socket(endpoint):
    host, port = endpoint.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=10)


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def length(number, bits):
    """HPACK's integers."""
    limit = (1 << bits) - 1
    if number < limit:
        return bytes((number,))
    out, number = bytearray((limit,)), number - limit
    while number >= 128:
        out.append(number % 128 + 128)
        number //= 128
    out.append(number)
    return bytes(out)


def headers(pairs):
    out = b""
    for name, value in pairs:
        name, value = name.encode(), value.encode()
        out += b"\x10" + length(len(name), 7) + name + length(len(value), 7) + value
    return out


def message(payload, claimed=None):
    """gRPC's own frame: a length may be claimed that is not the payload's."""
    return b"\0" + struct.pack(">I", len(payload) if claimed is None else claimed) + payload


class Call:
    """One request on a connection of its own, within the windows that the peer opens."""

    def __init__(self, endpoint, method, more_headers=()):
        self.socket = tls_socket(endpoint)
        self.initial = 65535  # a stream's window, as the peer's settings have it; they may change under way
        self.window = {0: 65535, 1: self.initial}
        self.unread, self.heads, self.answers, self.ended = b"", b"", b"", False
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
        fields = [(":method", "POST"), (":scheme", "https"), (":path", method), (":authority", "node"),
                  ("content-type", "application/grpc"), ("te", "trailers"), *more_headers]
        block = headers(fields)
        for at in range(0, len(block), FRAME):
            last = at + FRAME >= len(block)
            self.socket.sendall(frame(HEADERS if at == 0 else CONTINUATION, END_HEADERS if last else 0, 1,
                                      block[at:at + FRAME]))

    def send(self, data, end=False):
        """How much of it the peer took before it ended the call."""
        done = 0
        while not self.ended:
            piece = data[done:done + FRAME]
            while not self.ended and min(self.window.values()) < len(piece):
                if not self._take():
                    return done
            last = end and done + len(piece) == len(data)
            try:
                self.socket.settimeout(10)
                self.socket.sendall(frame(DATA, END_STREAM if last else 0, 1, piece))
            except OSError:
                self.ended = True
                break
            for stream in self.window:
                self.window[stream] -= len(piece)
            done += len(piece)
            if done == len(data):
                break
        return done

    def status(self):
        """gRPC's status as a number; None when the call was reset or hung up on, or nothing came."""
        while True:
            at = self.heads.find(b"grpc-status")
            if at >= 0:
                return int(self.heads[at + 12:at + 12 + self.heads[at + 11]])
            if self.ended or not self._take():
                return None

    def close(self):
        self.socket.close()

    def _take(self):
        """Reads what is there; False when nothing came in ten seconds."""
        self.socket.settimeout(10)
        try:
            piece = self.socket.recv(65536)
        except socket.timeout:
            return False
        except OSError:
            piece = b""
        self.ended = self.ended or not piece
        self.unread += piece
        while len(self.unread) >= 9:
            size = int.from_bytes(self.unread[:3], "big")
            if len(self.unread) < 9 + size:
                break
            kind, flags, stream = self.unread[3], self.unread[4], int.from_bytes(self.unread[5:9], "big")
            payload, self.unread = self.unread[9:9 + size], self.unread[9 + size:]
            self._frame(kind, flags, stream, payload)
        return True

    def _frame(self, kind, flags, stream, payload):
        if kind == WINDOW_UPDATE and stream in self.window:
            self.window[stream] += int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                if payload[at:at + 2] == b"\0\4":  # INITIAL_WINDOW_SIZE
                    before, self.initial = self.initial, int.from_bytes(payload[at + 2:at + 6], "big")
                    self.window[1] += self.initial - before
            self.socket.sendall(frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            self.socket.sendall(frame(PING, ACK, 0, payload))
        elif kind == HEADERS:
            self.heads += payload
        elif kind == DATA:
            self.answers += payload
        elif kind == RST_STREAM:
            self.ended = True
        elif kind == GOAWAY:  # a stream that it counts in is still answered
            self.ended = self.ended or int.from_bytes(payload[:4], "big") & 0x7fffffff < 1
