// HTTPS on node, whose TLS lies on BIOs of its own: CERT KEY PORT...
const https = require("https");
const fs = require("fs");

const [cert, key, ...ports] = process.argv.slice(2);
for (const port of ports) {
  https
    .createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) }, (request, response) => {
      response.writeHead(200, { Connection: "close" });
      response.end("server-data\n");
    })
    .listen(Number(port), "127.0.0.1");
}
