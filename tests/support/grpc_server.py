# SPDX-License-Identifier: Apache-2.0
"""A gRPC server in cleartext: /echo/Say answers "echo " and what it was sent. Argument: the port on 127.0.0.1."""

import sys
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(lambda request, _: b"echo " + request)


server = grpc.server(futures.ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((Echo(),))
if server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}") == 0:
    sys.exit("the port cannot be had")
server.start()
server.wait_for_termination()
