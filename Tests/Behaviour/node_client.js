// A client on Node's `ws`, driven by test_real_clients.py:  node node_client.js URL ORIGIN KIND
//   echo      sends texts and binaries of many sizes and compares what comes back
//   realtime  subscribes to `from-ws`, prints `ready`, then each message as a line of JSON, until `end` comes
// Ends with status 0 after a clean close with code 1000.
'use strict';
const WebSocket = require('ws');
const [url, origin, kind] = process.argv.slice(2);
const socket = new WebSocket(url, {origin, perMessageDeflate: true});
const sizes = [0, 1, 125, 126, 127, 65535, 65536, 1000000];
let expected = [];

function fail(why) {
  console.error(why);
  process.exit(1);
}

socket.on('open', () => {
  if (kind === 'echo') {
    for (const size of sizes) {
      expected.push(['text', Buffer.alloc(size, 'a\u00e9')], ['binary', Buffer.alloc(size, 7)]);
    }
    expected = expected.map(([type, data]) => [type, type === 'text' ? Buffer.from(data.toString('utf8')) : data]);
    for (const [type, data] of expected) socket.send(data, {binary: type === 'binary'});
    socket.ping('are you there');
  } else {
    socket.send(JSON.stringify({action: 'subscribe', channel: 'from-ws'}));
    socket.ping();
    socket.once('pong', () => console.log('ready'));
  }
});

// The conversation is over when all came back, the pong too.
function finish() {
  if (expected.length === 0 && pongs === 1) socket.close(1000, 'done');
}

let pongs = 0;
socket.on('pong', (data) => {
  pongs++;
  if (kind === 'echo') {
    if (data.toString() !== 'are you there') fail('a pong with other bytes');
    finish();
  }
});

socket.on('message', (data, isBinary) => {
  if (kind === 'echo') {
    const [type, wanted] = expected.shift();
    if ((type === 'binary') !== isBinary) fail('another type came back');
    if (Buffer.compare(wanted, data) !== 0) fail(`other bytes came back: ${data.length} for ${wanted.length}`);
    if (expected.length === 0) {
      finish();
    }
  } else {
    console.log(JSON.stringify(data.toString()));
    if (data.toString() === 'end') socket.close(1000, 'done');
  }
});

socket.on('close', (code) => process.exit(code === 1000 ? 0 : 1));
socket.on('error', (error) => fail(String(error)));
setTimeout(() => fail('too long'), 30000);
