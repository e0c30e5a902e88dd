# SPDX-License-Identifier: Apache-2.0
"""Calls /echo/Say over TLS. Arguments: port, file of the CA, the host of its certificate, and a certificate and key of the
client's own, or none. Prints the answer, or the reason why there is none."""

import sys
from pathlib import Path

import grpc

port, ca, host, *own = sys.argv[1:]
cert, key = (Path(path).read_bytes() for path in own) if own else (None, None)
credentials = grpc.ssl_channel_credentials(Path(ca).read_bytes(), key, cert)
with grpc.secure_channel(f"127.0.0.1:{port}", credentials, [("grpc.ssl_target_name_override", host)]) as channel:
    try:
        print(channel.unary_unary("/echo/Say")(b"python", timeout=20).decode())
    except grpc.RpcError as error:
        print(error.code(), error.details())
