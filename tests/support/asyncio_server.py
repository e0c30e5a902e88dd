# SPDX-License-Identifier: Apache-2.0
"""HTTPS on asyncio, whose TLS lies on memory BIOs: CERT KEY PORT..."""

import asyncio
import ssl
import sys


async def answer(reader, writer):
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nserver-data\n")
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    servers = [await asyncio.start_server(answer, "127.0.0.1", int(port), ssl=context) for port in sys.argv[3:]]
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
