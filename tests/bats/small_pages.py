#!/usr/bin/env python3
"""small_pages.py N TARGET_PORT: a proxy from a free port of loopback to TARGET_PORT that refuses a per_page over N, and asks for N where
none is given. Prints its port when it is ready."""
import http.client
import http.server
import json
import sys
import urllib.parse

most, target = int(sys.argv[1]), int(sys.argv[2])


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, headers, body):
        self.send_response(status)
        for key, value in headers:
            if key.lower() not in ("connection", "content-length", "transfer-encoding", "date", "server"):
                self.send_header(key, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if int(query.get("per_page", 0)) > most:
            text = json.dumps({"success": False, "result": None, "messages": [],
                               "errors": [{"code": 1000, "message": f"per_page: must be at most {most}"}]})
            self.answer(400, [("content-type", "application/json")], text.encode())
            return
        path = self.path
        if url.path.endswith("/applications"):
            path = url.path + "?" + urllib.parse.urlencode({**query, "per_page": query.get("per_page", most)})
        upstream = http.client.HTTPConnection("127.0.0.1", target, timeout=100)
        upstream.request("GET", path, None, {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")})
        response = upstream.getresponse()
        self.answer(response.status, response.getheaders(), response.read())
        upstream.close()

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
