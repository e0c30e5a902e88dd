// An HTTPS server: https_server.js PORT HOST CERT KEY ..., one context for each HOST, the first for all others.
'use strict';

const fs = require('fs');
const https = require('https');

const [port, ...hosts] = process.argv.slice(2);
const pair = (at) => ({cert: fs.readFileSync(hosts[at + 1]), key: fs.readFileSync(hosts[at + 2])});

const server = https.createServer(pair(0), (request, response) => {
	response.end(`server-data ${request.headers.host.split(':')[0]}\n`);
});
for (let at = 3; at < hosts.length; at += 3)
	server.addContext(hosts[at], pair(at));
server.keepAliveTimeout = 60000;
server.listen(Number(port), '127.0.0.1');
