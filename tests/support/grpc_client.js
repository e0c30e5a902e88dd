// Calls /echo/Say over TLS by @grpc/grpc-js. Arguments: the folder whose node_modules has that, port, file of the CA, the
// host of its certificate, and a certificate and key of the client's own, or none. Prints the answer, or why there is none.
const fs = require("fs");
const [folder, port, ca, host, cert, key] = process.argv.slice(2);
const grpc = require(`${folder}/node_modules/@grpc/grpc-js`);

const read = (path) => (path ? fs.readFileSync(path) : null);
const same = (bytes) => bytes;
const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createSsl(read(ca), read(key), read(cert)), {
    "grpc.ssl_target_name_override": host,
});
client.makeUnaryRequest("/echo/Say", same, same, Buffer.from("node"), { deadline: Date.now() + 20000 }, (error, answer) => {
    console.log(error ? `${error.code} ${error.details}` : answer.toString());
    client.close();
});
