// A peer for wsbench: ws on Node (Debian node-ws), written the way its users write a broadcast: one send per client.
// Speaks the JSON protocol on /ws (subscribe, publish; subscribers get the text alone), echoes on /echo, and publishes
// what is posted to /publish/CHANNEL.
// Usage: NODE_PATH=/usr/share/nodejs node ws_node.js PORT
'use strict';
const http = require('http');
const { WebSocketServer } = require('ws');

const channels = new Map();

function publish(channel, message) {
  const members = channels.get(channel);
  if (!members) return;
  const text = Buffer.from(message);
  for (const member of members) member.send(text, { binary: false });
}

const front = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    publish(request.url.slice('/publish/'.length), Buffer.concat(parts));
    response.writeHead(202).end();
  });
});
const server = new WebSocketServer({ server: front, perMessageDeflate: false, clientTracking: false });
front.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 }, () => console.log('listening'));

server.on('connection', (socket, request) => {
  socket.on('error', () => {});
  if (request.url === '/echo') {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    return;
  }
  const joined = new Set();
  socket.on('message', (data) => {
    const request = JSON.parse(data);
    if (request.action === 'publish') {
      publish(request.channel, request.message);
    } else if (request.action === 'subscribe') {
      if (!channels.has(request.channel)) channels.set(request.channel, new Set());
      channels.get(request.channel).add(socket);
      joined.add(request.channel);
    }
  });
  socket.on('close', () => {
    for (const name of joined) channels.get(name).delete(socket);
  });
});
