#!/usr/bin/env python3
"""recorder.py TARGET_PORT FILE: forwards TCP from a free port of loopback to TARGET_PORT, and appends what the clients
sent to FILE, byte for byte. Prints its port when it is ready. (The emulator masks secrets and does not keep them.)"""
import socket
import sys
import threading

target = int(sys.argv[1])
record = open(sys.argv[2], "ab", buffering=0)


def pump(source, sink, keep):
    try:
        while data := source.recv(65536):
            if keep:
                record.write(data)
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


server = socket.create_server(("127.0.0.1", 0), backlog=64)
print(server.getsockname()[1], flush=True)
while True:
    client, _ = server.accept()
    upstream = socket.create_connection(("127.0.0.1", target))
    threading.Thread(target=pump, args=(client, upstream, True), daemon=True).start()
    threading.Thread(target=pump, args=(upstream, client, False), daemon=True).start()
