#!/usr/bin/env python3
"""contract.py CONTRACT TARGET_PORT FILE: a proxy from a free port of loopback to TARGET_PORT that holds every request and
every answer against CONTRACT (an OpenAPI 3.0 document). Each exchange is a line of JSON in FILE: operation, method, path,
status, violations. Prints its port when it is ready."""
import http.client
import http.server
import json
import re
import sys
import threading
import urllib.parse

import jsonschema
import yaml

METHODS = ("get", "post", "put", "patch", "delete")
ENVELOPED, BARE = "/containers", "/cloudchamber"
contract = yaml.load(open(sys.argv[1], encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
target = int(sys.argv[2])
report = open(sys.argv[3], "a", buffering=1, encoding="utf-8")
report_lock = threading.Lock()


def resolve(schema):
    """What a reference leads to."""
    while "$ref" in schema:
        found = contract
        for key in schema["$ref"][2:].split("/"):
            found = found[key]
        schema = found
    return schema


def merge(schema):
    """One object of the parts of an allOf, so that it is known which members there are."""
    schema = resolve(schema)
    if "allOf" not in schema:
        return schema
    whole = {"type": "object", "properties": {}, "required": []}
    for part in map(merge, schema["allOf"]):
        whole["properties"].update(part.get("properties", {}))
        whole["required"] += part.get("required", [])
    return whole


def strict(schema, closed=True):
    """The JSON Schema of an OpenAPI schema. Closed: members that it does not name are violations."""
    schema = merge(schema)
    out = {k: v for k, v in schema.items() if k in ("type", "enum", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "pattern")}
    for key in ("anyOf", "oneOf"):
        if key in schema:
            out[key] = [strict(s, closed and "properties" in resolve(s)) for s in schema[key]]
    if schema.get("format") == "date-time":
        out["pattern"] = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"
    if "items" in schema:
        out["items"] = strict(schema["items"], closed)
    if "properties" in schema:
        out["properties"] = {k: strict(v, closed) for k, v in schema["properties"].items()}
        if schema.get("required"):
            out["required"] = schema["required"]
        extra = schema.get("additionalProperties", not closed)
        out["additionalProperties"] = strict(extra, closed) if isinstance(extra, dict) else extra
    elif isinstance(schema.get("additionalProperties"), dict):
        out["additionalProperties"] = strict(schema["additionalProperties"], closed)
    if schema.get("nullable") and "type" in out:
        out["type"] = [out["type"], "null"]
        if "enum" in out:
            out["enum"] = out["enum"] + [None]
    return out


def nullable(schema):
    """In the body of a PATCH a null takes an optional member away, at the top and inside."""
    if not isinstance(schema, dict):
        return schema
    out = {k: nullable(v) for k, v in schema.items()}
    if "properties" in out:
        required = set(out.get("required", ()))
        for name, member in out["properties"].items():
            if name not in required:
                out["properties"][name] = {"anyOf": [member, {"type": "null"}]}
    for key in ("anyOf", "oneOf"):
        if key in out:
            out[key] = [nullable(s) for s in out[key]]
    return out


class Operation:
    def __init__(self, method, template, spec):
        self.name, self.method = spec["operationId"], method.upper()
        path = template.replace("/accounts/{account_id}/containers", "")
        self.fixed = path.count("{") == 0
        self.source, self.prefix = spec.get("x-source", "official"), spec.get("x-prefix", ENVELOPED)
        self.path = re.compile("^" + re.sub(r"\{[^}]*\}", "[^/]+", path) + "$")
        self.queries = {p["name"] for p in spec.get("parameters", ()) if p["in"] == "query"}
        content = spec.get("requestBody", {}).get("content", {})
        self.request = strict(content["application/json"]["schema"]) if content else None
        if self.request and method == "patch":
            self.request = nullable(self.request)
        self.answers = {}
        for status, answer in spec["responses"].items():
            content = resolve(answer).get("content", {})
            self.answers[str(status)] = content.get("application/json", {}).get("schema")

    def answer(self, status, bare):
        if str(status) in self.answers:
            schema = self.answers[str(status)]
        else:
            schema = self.answers.get(f"{status // 100}XX")
        if schema is None and 200 <= status < 300:
            schema = next((s for k, s in self.answers.items() if k.startswith("2")), None)
        if schema is None:
            return None
        schema = strict(schema)
        return schema["properties"].get("result", {}) if bare and status < 300 else schema


OPERATIONS = [Operation(m, p, o) for p, v in contract["paths"].items() if p.startswith("/accounts/") for m, o in v.items() if m in METHODS]
OPERATIONS.sort(key=lambda o: not o.fixed)
validators = {}


def problems(key, schema, text, what):
    try:
        value = json.loads(text)
    except ValueError as e:
        return [f"{what}: no JSON: {e}"]
    if key not in validators:
        validators[key] = jsonschema.Draft7Validator(schema)
    found = []
    for e in validators[key].iter_errors(value):
        # Of several schemas the one that fits best says what is wrong.
        e = jsonschema.exceptions.best_match([e])
        found.append(f"{what}: {'/'.join(map(str, e.absolute_path))}: {e.message[:300]}")
    return found


def check(method, url, body, status, answer, ours):
    """The name of the operation, and what is wrong with the exchange. answer: None where it is nobody's word; ours: cfcfs asked, and
    not a test that tries what is refused."""
    path, _, query = url.partition("?")
    m = re.match(r"^/client/v4/accounts/[0-9a-f]{32}(/containers|/cloudchamber)(/.*)$", path)
    if not m:
        return None, [f"no path of the contract: {path}"] if ours else []
    bare = m[1] == BARE
    op = next((o for o in OPERATIONS if o.method == method and o.path.match(m[2])), None)
    if not op:
        return None, [f"no operation of the contract: {method} {m[2]}"] if ours or status < 400 else []
    wrong = [f"unknown parameter {k}" for k in urllib.parse.parse_qs(query) if k not in op.queries] if ours or status < 400 else []
    # What is refused was perhaps not meant to be right.
    if status < 400:
        if op.request and body:
            wrong += problems((op.name, "request"), op.request, body, "request")
        elif bool(op.request) != bool(body) and body.strip() not in (b"", b"{}"):
            wrong.append("request: a body where there is none")
    if answer is None:
        return op.name, wrong
    schema = op.answer(status, bare)
    if schema is None:
        wrong.append(f"answer: status {status} is not in the contract")
    elif answer and not (bare and status >= 400):
        wrong += problems((op.name, status, bare), schema, answer, f"answer {status}")
    return op.name, wrong


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def relay(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        upstream = http.client.HTTPConnection("127.0.0.1", target, timeout=100)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "content-length")}
        upstream.request(self.command, self.path, body if body or self.command not in ("GET", "HEAD") else None, headers)
        response = upstream.getresponse()
        answer = response.read()
        operation, wrong = check(self.command, self.path, body, response.status,
                                 None if response.getheader("x-emulator-fault") else answer,
                                 self.headers.get("user-agent", "").startswith("cfcfs/"))
        with report_lock:
            print(json.dumps({"operation": operation, "method": self.command, "path": self.path, "status": response.status,
                              "violations": wrong}), file=report)
        self.send_response(response.status)
        for key, value in response.getheaders():
            if key.lower() not in ("connection", "content-length", "transfer-encoding", "date", "server"):
                self.send_header(key, value)
        length = response.getheader("content-length") if self.command == "HEAD" else None
        self.send_header("content-length", length or str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        upstream.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = relay

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
