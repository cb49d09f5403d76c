<?php
// Publishes one event as a Laravel application does: POST /apps/{id}/events, signed over method, path and sorted query
// with HMAC-SHA256, the body's MD5 among the parameters. Prints the status and the body of the answer.
// Usage: php php_publisher.php PORT APP_ID KEY SECRET CHANNEL EVENT JSON
[, $port, $app, $key, $secret, $channel, $event, $json] = $argv;
$path = "/apps/$app/events";
$body = json_encode(['name' => $event, 'data' => json_encode(json_decode($json)), 'channels' => [$channel]]);
$query = ['auth_key' => $key, 'auth_timestamp' => (string) time(), 'auth_version' => '1.0', 'body_md5' => md5($body)];
ksort($query);
$text = implode("\n", ['POST', $path, implode('&', array_map(fn ($k, $v) => "$k=$v", array_keys($query), $query))]);
$query['auth_signature'] = hash_hmac('sha256', $text, $secret);
$context = stream_context_create(['http' => [
    'method' => 'POST', 'content' => $body, 'ignore_errors' => true, 'timeout' => 10,
    'header' => "Content-Type: application/json\r\nAccept: application/json\r\n",
]]);
$answer = file_get_contents("http://127.0.0.1:$port$path?" . http_build_query($query), false, $context);
echo explode(' ', $http_response_header[0])[1], ' ', $answer, "\n";
